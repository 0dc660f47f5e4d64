//! A web application as the page in a user's browser uses it: the page's token is sent back with every change.
//!
//! Source: kubeflow/kubeflow `components/crud-web-apps/common/backend/kubeflow/kubeflow/crud_backend` (csrf.py, authn.py,
//! authz.py, api/utils.py), v1.8.0 to v1.10.0.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::context::Seen;
use harness::http::{Answer, Session};
use harness::{Checked, Ctx, Stop};
use http::Method;
use serde_json::Value;

use super::place;
use crate::applications::App;
use crate::gateway::diagnose::{blame, is_left_out, route};
use crate::notebooks::server::stumbles;
use crate::objects::{self, CLUSTER_ROLE_BINDING, text};
use crate::recognise::{Answered, expect, who};
use crate::stand_in::expect_page;

/// The cookie that carries the page's token.
pub const TOKEN_COOKIE: &str = "XSRF-TOKEN";
/// The header that says it again.
pub const TOKEN_HEADER: &str = "X-XSRF-TOKEN";

/// One of the web applications, opened by the run's user.
pub struct Client {
    cx: Ctx,
    app: App,
    session: Session,
    token: String,
}

impl Client {
    /// Opens the application's page as the run's user; the page gives the token for changes.
    pub async fn open(cx: &Ctx, app: App) -> Checked<Self> {
        Self::opened_by(cx, &cx.user_session().await?, app).await
    }

    /// Opens the application's page as whoever is logged in with a session.
    pub async fn opened_by(cx: &Ctx, session: &Session, app: App) -> Checked<Self> {
        let session = session.copy();
        let page = session.get(app.entry().page).await?;
        if let Err(stop) = expect_page(cx, &page, app) {
            if matches!(stop, Stop::LeftOut(_)) {
                return Err(stop);
            }
            let said = app.entry().part().is_some_and(|part| cx.leaves_out(part));
            if said && is_left_out(cx, app.entry()).await? {
                return Err(Stop::LeftOut(app.name().to_owned()));
            }
            return Err(blame(stop, route(cx, app.entry()).await));
        }
        let cookie = page.set_cookies().into_iter().find(|cookie| cookie.name == TOKEN_COOKIE);
        let Some(cookie) = cookie else {
            let expected = format!("a page that sets the cookie {TOKEN_COOKIE}");
            return Err(Stop::failed(expected, page.summary()).at(page.at()));
        };
        // Set for the whole address: over plain HTTP a browser would keep back what is marked as secure.
        session.set_cookie(TOKEN_COOKIE, &cookie.value);
        Ok(Self { cx: cx.clone(), app, session, token: cookie.value })
    }

    /// Which application it is.
    #[must_use]
    pub fn app(&self) -> App {
        self.app
    }

    /// The session, with the token's cookie.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// A path of the application's API, below its page.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.app.entry().page.trim_end_matches('/'))
    }

    /// What the application answers to a GET, whatever it is.
    pub async fn ask(&self, path: &str) -> Checked<Answer> {
        self.session.get(&self.path(path)).await
    }

    /// What it answers to a change, whatever it is.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Checked<Answer> {
        let path = self.path(path);
        let request = self.session.request(method, &path).header(TOKEN_HEADER, &self.token);
        match body {
            Some(body) => request.json(body).send().await,
            None => request.send().await,
        }
    }

    /// Reads: the answer's JSON, which must be a success for the run's user.
    pub async fn get(&self, path: &str) -> Checked<Value> {
        let answer = self.ask(path).await?;
        self.success(&answer).await
    }

    /// Changes: the answer's JSON, which must be a success for the run's user.
    pub async fn change(&self, method: Method, path: &str, body: Option<&Value>) -> Checked<Value> {
        let answer = self.send(method, path, body).await?;
        self.success(&answer).await
    }

    /// The JSON of an answer that is a success for the run's user.
    pub async fn success(&self, answer: &Answer) -> Checked<Value> {
        let user = &self.cx.user().email;
        let wanted = Answered::WebApp { success: true, user: Some(user.clone()), log: String::new() };
        match answer.json() {
            Some(json) if who(answer) == wanted => Ok(json),
            _ => Err(self.blamed(expect(answer, &wanted).err().unwrap_or_else(|| no_json(answer)), answer).await),
        }
    }

    /// A failure with its cause: what is wrong on the way to the application, or with its own account.
    pub async fn blamed(&self, stop: Stop, answer: &Answer) -> Stop {
        let log = match who(answer) {
            Answered::WebApp { log, .. } => log,
            _ => return blame(stop, route(&self.cx, self.app.entry()).await),
        };
        // An API that refuses the application itself names its account.
        if log.contains("cannot") && log.contains("system:serviceaccount:kubeflow:") {
            let role = self.role();
            return stop
                .because(format!(
                    "the application's account may not do that: ClusterRole {role} or ClusterRoleBinding {role}-binding \
                     is absent or changed"
                ))
                .fix(format!("apply ClusterRole {role} and ClusterRoleBinding {role}-binding of kubeflow/manifests again"));
        }
        stop
    }

    /// The ClusterRole of the application's account.
    #[must_use]
    pub fn role(&self) -> &'static str {
        match self.app {
            App::Volumes => "volumes-web-app-cluster-role",
            App::Tensorboards => "tensorboards-web-app-cluster-role",
            _ => "jupyter-web-app-cluster-role",
        }
    }

    /// Demands that the application refuses the user what is in another's namespace, with its own words on who may not do
    /// what.
    pub async fn refused(&self, answer: &Answer, namespace: &str) -> Checked {
        let (user, email) = (who(answer), &self.cx.user().email);
        let place = format!("in namespace '{namespace}'");
        if let Answered::WebApp { success: false, user: Some(seen), log } = &user
            && answer.status.as_u16() == 403
            && seen == email
            && log.contains("is not authorized to")
            && log.contains(&place)
        {
            return Ok(());
        }
        let expected = format!("{} refuses {email} the namespace {namespace}", self.app.name());
        let stop = Stop::failed(expected, format!("answered: {user} ({})", answer.summary())).at(answer.at());
        if !matches!(user, Answered::WebApp { success: true, .. }) {
            return Err(self.blamed(stop, answer).await);
        }
        Err(match grants(&self.cx, email).await? {
            Some(name) => stop
                .because(format!("ClusterRoleBinding {name} gives {email} rights in every namespace"))
                .fix(format!("kubectl delete clusterrolebinding {name}, or let the run log in as an ordinary user")),
            None => stop,
        })
    }
}

fn no_json(answer: &Answer) -> Stop {
    Stop::failed("JSON", answer.summary()).at(answer.at())
}

/// How long the application may stumble over notebooks that are starting.
const LISTED_WITHIN: Duration = Duration::from_secs(20);

/// Demands that the application lists `what` in a namespace that the user owns, and refuses it in the platform's own.
pub async fn lists_own_alone(cx: &Ctx, app: App, what: &str) -> Checked {
    let client = Client::open(cx, app).await?;
    let own = place::existing(cx).await?;
    let list = format!("/api/namespaces/{own}/{what}");
    let shown = cx
        .eventually(&format!("{} lists {what} of {own}", app.name()), LISTED_WITHIN, place::EVERY, || {
            Box::pin(async {
                let answer = client.ask(&list).await?;
                // Somebody's notebook may be starting.
                let waits = app == App::Jupyter && stumbles(&answer);
                Ok(if waits { Seen::NotYet(answer.summary()) } else { Seen::Yes(answer) })
            }) as BoxFuture<'_, Checked<Seen<Answer>>>
        })
        .await?;
    client.success(&shown).await?;
    let answer = client.ask(&format!("/api/namespaces/kubeflow/{what}")).await?;
    client.refused(&answer, "kubeflow").await
}

/// A ClusterRoleBinding that names a user.
async fn grants(cx: &Ctx, email: &str) -> Checked<Option<String>> {
    let bindings = objects::all(cx, CLUSTER_ROLE_BINDING).await?;
    let names = |binding: &&kube::api::DynamicObject| {
        let subjects = objects::items(&binding.data, "/subjects");
        subjects.iter().any(|subject| text(subject, "/kind") == "User" && text(subject, "/name") == email)
    };
    Ok(bindings.iter().find(names).map(|binding| objects::name(binding).to_owned()))
}

/// Demands that a change is refused without the page's token, and with another one, by the application's own check. The
/// same change with the token must get past that check, and be refused for its empty body: nothing is made.
pub async fn guards_changes(cx: &Ctx, app: App, path: &str) -> Checked {
    let client = Client::open(cx, app).await?;
    let at = client.path(path);
    let empty = serde_json::json!({});
    let log = |answer: &Answer| match who(answer) {
        Answered::WebApp { success: false, log, .. } => log,
        other => other.to_string(),
    };
    let plain = cx.user_session().await?.copy();
    let without = plain.request(Method::POST, &at).json(&empty).send().await?;
    let other = client.session().request(Method::POST, &at).header(TOKEN_HEADER, "another").json(&empty).send().await?;
    for (answer, what) in [(&without, "without the page's token"), (&other, "with another token than the cookie's")] {
        if answer.status.as_u16() != 403 || !log(answer).contains("CSRF") {
            let expected = format!("{} refuses a change {what}", app.name());
            let stop = Stop::failed(expected, format!("answered: {} ({})", who(answer), answer.summary()));
            return Err(client.blamed(stop.at(answer.at()), answer).await);
        }
    }
    let with = client.send(Method::POST, path, Some(&empty)).await?;
    if with.status.as_u16() == 400 && log(&with).contains("missing") {
        return Ok(());
    }
    let expected = format!("with the page's token, {} looks at what is sent and misses a field", app.name());
    let stop = Stop::failed(expected, format!("answered: {} ({})", who(&with), with.summary()));
    Err(client.blamed(stop.at(with.at()), &with).await)
}
