//! A notebook of the run's own: made from the form's defaults as the page makes it, waited for, and spoken to.
//!
//! Source: kubeflow/kubeflow `components/crud-web-apps/jupyter/backend/apps/common/form.py` and the front end's form,
//! v1.8.0 to v1.10.0; jupyter_server's REST API.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::context::Seen;
use harness::fixtures::Fixture;
use harness::http::{Answer, Session};
use harness::{Checked, Ctx, Stop};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::applications::App;
use crate::objects::{items, text};
use crate::recognise::{Answered, who};
use crate::tenants;
use crate::workspaces::client::Client;
use crate::workspaces::opening::Opening;
use crate::workspaces::place::{self, EVERY};
use crate::workspaces::programs::{self, NOTEBOOK_CONTROLLER};

/// How long a notebook may take until it is ready: its image has to be pulled.
pub const READY_WITHIN: Duration = Duration::from_secs(900);
/// A bound for checks that may be the first to make a notebook, in seconds.
pub const BOUND: u64 = 1200;

/// A notebook.
#[derive(Debug, Clone)]
pub struct Notebook {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The form as the page fills it in for a new notebook, from the application's own defaults. What an administrator has
/// fixed is left out.
pub async fn form(client: &Client, name: &str, configurations: &[&str]) -> Checked<Value> {
    let answer = client.get("/api/config").await?;
    let defaults = &answer["config"];
    let mut form = json!({
        "name": name, "serverType": "jupyter", "gpus": {"num": "none"}, "tolerationGroup": "none",
        "affinityConfig": "none", "configurations": configurations, "datavols": [], "customImageCheck": false,
    });
    for field in ["image", "imagePullPolicy", "cpu", "memory", "shm"] {
        form[field] = defaults[field]["value"].clone();
    }
    let workspace = defaults["workspaceVolume"]["value"].to_string().replace("{notebook-name}", name);
    form["workspace"] = serde_json::from_str(&workspace).unwrap_or_default();
    if let Some(form) = form.as_object_mut() {
        form.retain(|field, _| {
            let default = match field.as_str() {
                "workspace" => "workspaceVolume",
                "datavols" => "dataVolumes",
                other => other,
            };
            defaults[default]["readOnly"] != json!(true)
        });
    }
    Ok(form)
}

impl Notebook {
    /// Sends the form in, with the defaults and these configurations.
    pub async fn create(cx: &Ctx, what: &str, configurations: &[&str]) -> Checked<Self> {
        let notebook = Self { namespace: place::own(cx).await?, name: tenants::name(cx, what) };
        let client = Client::open(cx, App::Jupyter).await?;
        let form = form(&client, &notebook.name, configurations).await?;
        client.change(Method::POST, &notebook.collection(), Some(&form)).await?;
        Ok(notebook)
    }

    /// Removes it, however that ends: it takes room, and goes with its namespace at the latest.
    pub async fn discard(&self, cx: &Ctx) {
        let Ok(client) = Client::open(cx, App::Jupyter).await else { return };
        if let Err(stop) = client.change(Method::DELETE, &self.item(), None).await {
            cx.remark(format!("notebook {} stays until the end of the run: {stop}", self.name));
        }
    }

    /// The application's path of the namespace's notebooks.
    #[must_use]
    pub fn collection(&self) -> String {
        format!("/api/namespaces/{}/notebooks", self.namespace)
    }

    /// The application's path of this one.
    #[must_use]
    pub fn item(&self) -> String {
        format!("{}/{}", self.collection(), self.name)
    }

    /// Where the gateway offers it, with a path below.
    #[must_use]
    pub fn url(&self, below: &str) -> String {
        format!("/notebook/{}/{}/{below}", self.namespace, self.name)
    }

    /// Its VirtualService.
    #[must_use]
    pub fn route(&self) -> String {
        format!("notebook-{}-{}", self.namespace, self.name)
    }

    /// Waits until the application's list shows a phase.
    pub async fn becomes(&self, cx: &Ctx, phase: &'static str, within: Duration) -> Checked {
        let client = Client::open(cx, App::Jupyter).await?;
        let wait = format!("notebook {} is {phase} in the application's list", self.name);
        let seen = cx
            .eventually(&wait, within, EVERY, || {
                Box::pin(async {
                    let answer = client.ask(&self.collection()).await?;
                    if stumbles(&answer) {
                        programs::at_work(cx, &wait, NOTEBOOK_CONTROLLER).await?;
                        return Ok(Seen::NotYet(answer.summary()));
                    }
                    let answer = client.success(&answer).await?;
                    let mine = items(&answer, "/notebooks").iter().find(|one| text(one, "/name") == self.name);
                    let Some(mine) = mine else { return Ok(Seen::NotYet("it is not in the list".to_owned())) };
                    if text(mine, "/status/phase") == phase {
                        return Ok(Seen::Yes(()));
                    }
                    programs::at_work(cx, &wait, NOTEBOOK_CONTROLLER).await?;
                    let pod = programs::waits(cx, &self.namespace, &format!("{}-0", self.name)).await?;
                    let (phase, message) = (text(mine, "/status/phase"), text(mine, "/status/message"));
                    Ok(Seen::NotYet(format!("{phase}: {message} ({pod})")))
                }) as BoxFuture<'_, Checked<Seen<()>>>
            })
            .await;
        match seen {
            // Without a list there may be no controller, either: its absence says more.
            Err(stop @ Stop::Failed(_)) => {
                programs::at_work(cx, &wait, NOTEBOOK_CONTROLLER).await?;
                Err(stop)
            }
            other => other,
        }
    }

    /// Waits until its owner is answered by the server itself, through the gateway. The dashboard's page, which answers
    /// for every path that nobody owns, is no answer.
    pub async fn answers(&self, cx: &Ctx) -> Checked<Session> {
        let path = self.url("api");
        let opening = Opening {
            wait: format!("{} answers {path} behind the gateway", self.name),
            path,
            follows: false,
            is_own: is_server,
            namespace: &self.namespace,
            route: self.route(),
            controller: NOTEBOOK_CONTROLLER,
        };
        opening.opens(cx).await
    }
}

/// Whether the application stumbled over a notebook: that of v1.8.0 does while a pod's containers are being created, for
/// the whole namespace (`components/crud-web-apps/jupyter/backend/apps/common/status.py`; mended in v1.9).
#[must_use]
pub fn stumbles(answer: &Answer) -> bool {
    answer.status == StatusCode::INTERNAL_SERVER_ERROR && matches!(who(answer), Answered::WebApp { success: false, .. })
}

/// Whether a Jupyter server answered `/api`: JSON with its version.
#[must_use]
pub fn is_server(answer: &Answer) -> bool {
    answer.status == StatusCode::OK
        && answer.json().is_some_and(|json| json.get("version").is_some_and(Value::is_string))
}

/// A server as its own page in the browser uses it: the page's token is sent back with every change.
pub struct Server {
    session: Session,
    token: String,
    notebook: Notebook,
}

impl Server {
    /// Opens the page.
    pub async fn open(cx: &Ctx, notebook: &Notebook) -> Checked<Self> {
        let session = notebook.answers(cx).await?;
        let page = session.follow(&notebook.url("")).await?;
        let title = page.title().unwrap_or_default();
        if page.status != StatusCode::OK || !title.contains("Jupyter") || who(&page).is_application() {
            let actual = format!("answered: {} ({})", who(&page), page.summary());
            return Err(Stop::failed("JupyterLab's page", actual).at(page.at()));
        }
        let token = page.set_cookies().into_iter().find(|cookie| cookie.name == "_xsrf").map(|cookie| cookie.value);
        let token = token.or_else(|| session.cookie("_xsrf")).unwrap_or_default();
        session.set_cookie("_xsrf", &token);
        Ok(Self { session, token, notebook: notebook.clone() })
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Reads or changes something of the server's API.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Checked<Answer> {
        let path = self.notebook.url(&format!("api/{path}"));
        let request = self.session.request(method, &path).header("X-XSRFToken", &self.token);
        match body {
            Some(body) => request.json(body).send().await,
            None => request.send().await,
        }
    }

    /// Writes a text file into the home directory.
    pub async fn write(&self, file: &str, content: &str) -> Checked {
        let model = json!({"type": "file", "format": "text", "content": content});
        let answer = self.call(Method::PUT, &format!("contents/{file}"), Some(&model)).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(Stop::failed("the server takes a file", answer.summary()).at(answer.at()))
    }

    /// Reads it again: its content, or nothing if it is not there.
    pub async fn read(&self, file: &str) -> Checked<(String, Option<String>)> {
        let answer = self.call(Method::GET, &format!("contents/{file}"), None).await?;
        match (answer.status, answer.json()) {
            (StatusCode::OK, Some(json)) => Ok((answer.at(), Some(text(&json, "/content").to_owned()))),
            (StatusCode::NOT_FOUND, Some(_)) => Ok((answer.at(), None)),
            _ => Err(Stop::failed("the server says what is in the file", answer.summary()).at(answer.at())),
        }
    }
}

/// The notebook that the checks share: made once, and what came of it. Whatever kept it from being made is each check's
/// own failure.
pub struct Made(Checked<Notebook>);

impl Fixture for Made {
    const NAME: &'static str = "notebook of the run's user";
    const WITHIN: Duration = Duration::from_secs(BOUND);

    async fn make(cx: Ctx) -> Checked<Self> {
        place::own(&cx).await?;
        let made = async {
            let notebook = Notebook::create(&cx, "nb", &[]).await?;
            notebook.becomes(&cx, "ready", READY_WITHIN).await?;
            Ok(notebook)
        };
        Ok(Self(made.await))
    }
}

/// The shared notebook, ready. It may not be stopped or removed.
pub async fn shared(cx: &Ctx) -> Checked<Notebook> {
    cx.fixture::<Made>().await?.0.clone()
}
