//! A TensorBoard of the run's own, on a volume of the run's own.
//!
//! Source: kubeflow/kubeflow `components/crud-web-apps/tensorboards/backend/app` and
//! `components/tensorboard-controller/controllers/tensorboard_controller.go`, v1.8.0 to v1.10.0.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::context::Seen;
use harness::fixtures::Fixture;
use harness::http::{Answer, Session};
use harness::{Checked, Ctx};
use http::{Method, StatusCode};
use serde_json::json;

use crate::applications::App;
use crate::notebooks::server::{BOUND, READY_WITHIN};
use crate::objects::{items, text};
use crate::tenants;
use crate::volumes::claims;
use crate::workspaces::client::Client;
use crate::workspaces::opening::Opening;
use crate::workspaces::place::{self, EVERY};
use crate::workspaces::programs::{self, TENSORBOARD_CONTROLLER};

/// A TensorBoard.
#[derive(Debug, Clone)]
pub struct Tensorboard {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Tensorboard {
    /// Makes one with the form, for logs on a new volume.
    pub async fn create(cx: &Ctx, what: &str) -> Checked<Self> {
        let (namespace, claim) = claims::create(cx, &format!("{what}-logs")).await?;
        let tensorboard = Self { namespace, name: tenants::name(cx, what) };
        let client = Client::open(cx, App::Tensorboards).await?;
        let form = json!({"name": tensorboard.name, "logspath": format!("pvc://{claim}/logs"), "configurations": []});
        client.change(Method::POST, &tensorboard.collection(), Some(&form)).await?;
        Ok(tensorboard)
    }

    /// The application's path of the namespace's TensorBoards.
    #[must_use]
    pub fn collection(&self) -> String {
        format!("/api/namespaces/{}/tensorboards", self.namespace)
    }

    /// Where the gateway offers it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("/tensorboard/{}/{}/", self.namespace, self.name)
    }

    /// Waits until the application's list shows it as ready.
    pub async fn becomes_ready(&self, cx: &Ctx) -> Checked {
        let client = Client::open(cx, App::Tensorboards).await?;
        let wait = format!("TensorBoard {} is ready in the application's list", self.name);
        cx.eventually(&wait, READY_WITHIN, EVERY, || {
            Box::pin(async {
                let answer = client.get(&self.collection()).await?;
                let mine = items(&answer, "/tensorboards").iter().find(|one| text(one, "/name") == self.name);
                if mine.is_some_and(|mine| text(mine, "/status/phase") == "ready") {
                    return Ok(Seen::Yes(()));
                }
                programs::at_work(cx, &wait, TENSORBOARD_CONTROLLER).await?;
                let said = mine.map_or("it is not in the list", |mine| text(mine, "/status/message"));
                Ok(Seen::NotYet(said.to_owned()))
            }) as BoxFuture<'_, Checked<Seen<()>>>
        })
        .await
    }

    /// Waits until its owner gets its page through the gateway.
    pub async fn answers(&self, cx: &Ctx) -> Checked<Session> {
        let opening = Opening {
            wait: format!("{} opens behind the gateway", self.url()),
            path: self.url(),
            follows: true,
            is_own: is_page,
            namespace: &self.namespace,
            route: self.name.clone(),
            controller: TENSORBOARD_CONTROLLER,
        };
        opening.opens(cx).await
    }
}

/// Whether this is TensorBoard's page.
#[must_use]
pub fn is_page(answer: &Answer) -> bool {
    answer.status == StatusCode::OK && answer.title().is_some_and(|title| title == "TensorBoard")
}

/// The TensorBoard that the checks share, and what came of making it.
pub struct Made(Checked<Tensorboard>);

impl Fixture for Made {
    const NAME: &'static str = "TensorBoard of the run's user";
    const WITHIN: Duration = Duration::from_secs(BOUND);

    async fn make(cx: Ctx) -> Checked<Self> {
        place::own(&cx).await?;
        let made = async {
            let tensorboard = Tensorboard::create(&cx, "tb").await?;
            tensorboard.becomes_ready(&cx).await?;
            Ok(tensorboard)
        };
        Ok(Self(made.await))
    }
}

/// The shared one, ready. It may not be removed.
pub async fn shared(cx: &Ctx) -> Checked<Tensorboard> {
    cx.fixture::<Made>().await?.0.clone()
}
