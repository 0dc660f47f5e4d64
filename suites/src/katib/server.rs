//! Katib's UI server as people reach it: through the gateway, in a session. It tells errors in one line of text.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::context::Seen;
use harness::http::{Answer, Session};
use harness::own::{CHECK_LABEL, EXPIRES_ANNOTATION, RUN_LABEL, expiry};
use harness::{Checked, Ctx, Stop};
use http::Method;
use serde_json::{Value, json};

use super::experiments::installed;
use super::trouble;
use crate::applications::App;
use crate::gateway::diagnose::{blame, route};
use crate::objects::{EXPERIMENT, delete, text};
use crate::recognise::who;

/// How long experiments may be too new to be listed; others make some all the time, each for well under a second.
const QUIET_WITHIN: Duration = Duration::from_secs(20);
/// How often is asked again.
const EVERY: Duration = Duration::from_millis(200);

/// Sends a request in the session of the run's user; `path` comes after `/katib/`.
pub async fn call(cx: &Ctx, method: Method, path: &str, body: Option<&Value>) -> Checked<Answer> {
    installed(cx)?;
    let session = cx.user_session().await?;
    let mut request = session.request(method, &format!("/katib/{path}"));
    if let Some(body) = body {
        request = request.json(body);
    }
    request.send().await
}

/// The answer to a question, once no experiment is so new that the server takes it for an error.
pub async fn asked<'a>(cx: &'a Ctx, session: &'a Session, path: &'a str) -> Checked<Answer> {
    let wait = format!("{path} is answered while nobody makes an experiment");
    cx.eventually(&wait, QUIET_WITHIN, EVERY, || {
        Box::pin(async move {
            let answer = session.get(path).await?;
            Ok(if met_a_new_one(&answer) { Seen::NotYet(told(&answer)) } else { Seen::Yes(answer) })
        }) as BoxFuture<'a, Checked<Seen<Answer>>>
    })
    .await
}

/// The JSON that the server answers with.
pub async fn fetch(cx: &Ctx, path: &str) -> Checked<Value> {
    installed(cx)?;
    let session = cx.user_session().await?;
    let answer = asked(cx, &session, &format!("/katib/{path}")).await?;
    match answer.json().filter(|_| answer.status.is_success() && !answer.is_html()) {
        Some(json) => Ok(json),
        None => Err(unserved(cx, &answer, &format!("JSON at /katib/{path}")).await),
    }
}

/// The failure that something else came than was wanted.
pub async fn unserved(cx: &Ctx, answer: &Answer, wanted: &str) -> Stop {
    let stop = Stop::failed(wanted, told(answer)).at(answer.at());
    if !answer.status.is_success() && said(answer).is_some() {
        return trouble::blamed(cx, stop).await;
    }
    match trouble::ready(cx, "katib-ui").await {
        Ok(None) => blame(stop, route(cx, App::Katib.entry()).await),
        cause => blame(stop, cause),
    }
}

/// The line of an error of the server's own; `None` if the answer comes from somebody else.
#[must_use]
pub fn said(answer: &Answer) -> Option<&str> {
    let plain = answer.header("content-type").starts_with("text/plain");
    let line = answer.body.trim_end();
    (plain && !answer.is_html() && !line.is_empty() && !line.starts_with("RBAC:")).then_some(line)
}

/// What came, in a few words.
#[must_use]
pub fn told(answer: &Answer) -> String {
    match said(answer) {
        Some(line) => format!("{}: {line:.300}", answer.status),
        None => format!("{} ({})", who(answer), answer.summary()),
    }
}

/// Whether the server's list failed because somebody's experiment was made this moment: without a condition, it takes it
/// for an error.
#[must_use]
pub fn met_a_new_one(answer: &Answer) -> bool {
    answer.status.as_u16() == 500 && said(answer).is_some_and(|said| said.contains("doesn't have any condition"))
}

/// Deletes an experiment. The server answers with a list of all experiments, which may fail when it has deleted.
pub async fn remove(cx: &Ctx, namespace: &str, name: &str) -> Checked {
    let path = format!("delete_experiment/?experimentName={name}&namespace={namespace}");
    let answer = call(cx, Method::DELETE, &path, None).await?;
    if answer.status.is_success() || met_a_new_one(&answer) {
        return Ok(());
    }
    Err(unserved(cx, &answer, "the UI server deletes the experiment").await)
}

/// What is sent to make an experiment. It carries the marks of the run, by which the next run finds what a killed one left.
#[must_use]
pub fn posted(cx: &Ctx, experiment: &Value) -> Value {
    let mut marked = experiment.clone();
    marked["metadata"]["labels"][RUN_LABEL] = json!(cx.environment().run_id);
    marked["metadata"]["labels"][CHECK_LABEL] = json!(cx.check().id);
    marked["metadata"]["annotations"][EXPIRES_ANNOTATION] = json!(expiry(cx.environment()));
    json!({"postData": marked})
}

/// Makes an experiment, and remembers to remove it.
pub async fn create(cx: &Ctx, experiment: &Value) -> Checked {
    let namespace = text(experiment, "/metadata/namespace").to_owned();
    let name = text(experiment, "/metadata/name").to_owned();
    let (owner, at) = (cx.clone(), (namespace.clone(), name.clone()));
    cx.afterwards(
        format!("Experiment {namespace}/{name}"),
        Box::pin(async move { delete(&owner, EXPERIMENT, &at.0, &at.1).await }),
    )?;
    let answer = call(cx, Method::POST, "create_experiment/", Some(&posted(cx, experiment))).await?;
    if answer.status.is_success() && answer.body.is_empty() {
        return Ok(());
    }
    Err(unserved(cx, &answer, "200 with an empty body to create_experiment").await)
}
