//! Stand-ins: programs in the place of applications, that answer with what they received.
//!
//! A laboratory that cannot have an application's image puts one there. It is not the application, so whatever is about
//! the application is absent; but it is the best witness of what comes before it: routes, guard and identity. It counts
//! as a witness only where the site is said to leave the application out (`--without`); anywhere else it is a foreign
//! program that took the application's place, and the checks fail as for any other.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clusters::versions::parts;
use harness::http::Answer;
use harness::{Checked, Ctx, Stop};
use serde_json::Value;

use crate::applications::{App, ENTRIES};
use crate::objects::{self, DEPLOYMENT, text};
use crate::recognise::{Answered, expect, who};

/// What a stand-in says: which pod it is, and what it received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandIn {
    /// The pod.
    pub pod: String,
    /// The method that arrived.
    pub method: String,
    /// The path that arrived, with its query.
    pub path: String,
    /// The headers that arrived.
    pub headers: Vec<(String, String)>,
}

impl StandIn {
    /// Reads what an answer says. The embedded platform's echo names `backend` and `request_line` and lists headers as
    /// pairs; a stub names `stub` and `request` and lists headers by name. A websocket's answer has it in a header.
    #[must_use]
    pub fn read(answer: &Answer) -> Option<Self> {
        let hidden = || serde_json::from_slice(&BASE64_STANDARD.decode(answer.header("x-lab-echo")).ok()?).ok();
        Self::parse(&answer.json().or_else(hidden)?)
    }

    fn parse(said: &Value) -> Option<Self> {
        let headers = said.get("headers")?;
        let (line, headers) = if text(said, "/backend") == "echo" {
            (text(said, "/request_line"), pairs(headers)?)
        } else {
            said.get("stub")?;
            (text(said, "/request"), lists(headers)?)
        };
        let (method, rest) = line.split_once(' ')?;
        let (path, _) = rest.rsplit_once(' ')?;
        let pod = text(said, "/pod").to_owned();
        Some(Self { pod, method: method.to_owned(), path: path.to_owned(), headers })
    }

    /// The application in whose place it is: pods are named after their Deployment.
    #[must_use]
    pub fn place(&self) -> Option<App> {
        let begins = |name: &str| self.pod.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
        ENTRIES.iter().find(|entry| begins(entry.deployment)).map(|entry| entry.app)
    }

    /// All values of a header that arrived, as one; nothing if none did.
    #[must_use]
    pub fn header(&self, wanted: &str) -> Option<String> {
        let found = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let values: Vec<&str> = found.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

fn pairs(headers: &Value) -> Option<Vec<(String, String)>> {
    let pair = |pair: &Value| Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_str()?.to_owned()));
    headers.as_array()?.iter().map(pair).collect()
}

fn lists(headers: &Value) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    for (name, values) in headers.as_object()? {
        for value in values.as_array()? {
            found.push((name.clone(), value.as_str()?.to_owned()));
        }
    }
    Some(found)
}

/// The stand-in that answered in the place of an application that the site is said to leave out.
#[must_use]
pub fn witness(cx: &Ctx, answer: &Answer) -> Option<StandIn> {
    let Answered::StandIn(stand_in) = who(answer) else { return None };
    let app = stand_in.place()?;
    app.entry().part().is_some_and(|part| cx.leaves_out(part)).then_some(stand_in)
}

/// The stand-in that answered, if it is in the place of `app`.
#[must_use]
pub fn witness_of(cx: &Ctx, answer: &Answer, app: App) -> Option<StandIn> {
    witness(cx, answer).filter(|stand_in| stand_in.place() == Some(app))
}

/// How a check of the application itself ends, where a stand-in answered in its place.
#[must_use]
pub fn left_out(app: App) -> Stop {
    Stop::LeftOut(format!("{}: a stand-in answers in its place", app.name()))
}

/// How a check ends that needs a Deployment which is not there, because the site leaves its part out.
///
/// # Errors
/// The API server did not tell.
pub async fn not_installed(cx: &Ctx, namespace: &str, deployment: &str) -> Checked<Option<Stop>> {
    let Some(part) = parts::of_object(namespace, deployment).filter(|part| cx.leaves_out(part)) else {
        return Ok(None);
    };
    let found = objects::get(cx, DEPLOYMENT, namespace, deployment).await?;
    Ok(found.is_none().then(|| Stop::absent(part.title)))
}

/// Fails unless the page of an application answered, or a stand-in in its place: for checks of the way to it.
///
/// # Errors
/// [`Stop::Failed`] with what was wanted and what came instead.
pub fn expect_app(cx: &Ctx, answer: &Answer, app: App) -> Checked {
    if witness_of(cx, answer, app).is_some() { Ok(()) } else { expect(answer, &Answered::Page(app)) }
}

/// Fails unless the page of an application answered: for checks of the application itself.
///
/// # Errors
/// [`Stop::LeftOut`] where a stand-in answers, [`Stop::Failed`] with what was wanted and what came instead.
pub fn expect_page(cx: &Ctx, answer: &Answer, app: App) -> Checked {
    if witness_of(cx, answer, app).is_some() { Err(left_out(app)) } else { expect(answer, &Answered::Page(app)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_dialects_are_read() {
        let echo = json!({"backend": "echo", "route": "katib-ui", "pod": "katib-ui-7d9c-x2",
            "request_line": "GET /katib/?a=b HTTP/1.1", "headers": [["host", "h"], ["kubeflow-userid", "u"]]});
        let stub = json!({"stub": "katib-ui", "pod": "katib-ui-7d9c-x2", "port": "8080",
            "request": "GET /katib/?a=b HTTP/1.1", "headers": {"Kubeflow-Userid": ["u"], "Host": ["h"]}});
        for said in [echo, stub] {
            let stand_in = StandIn::parse(&said).unwrap();
            assert_eq!((stand_in.method.as_str(), stand_in.path.as_str()), ("GET", "/katib/?a=b"));
            assert_eq!(stand_in.header("kubeflow-userid").as_deref(), Some("u"));
            assert_eq!(stand_in.header("x-other"), None);
            assert_eq!(stand_in.place(), Some(App::Katib));
        }
    }

    #[test]
    fn a_header_that_arrived_twice_is_not_one() {
        let said = json!({"stub": "x", "request": "GET / HTTP/1.1", "headers": {"A": ["1", "2"]}});
        assert_eq!(StandIn::parse(&said).unwrap().header("a").as_deref(), Some("1, 2"));
    }

    #[test]
    fn a_pod_stands_in_the_place_of_its_own_deployment_only() {
        let place =
            |pod: &str| StandIn { pod: pod.into(), method: "".into(), path: "".into(), headers: vec![] }.place();
        assert_eq!(place("ml-pipeline-ui-6f-a"), Some(App::Pipelines));
        assert_eq!(place("ml-pipeline-6f-a"), None);
        assert_eq!(place("ml-pipeline-ui"), None);
    }

    #[test]
    fn other_answers_are_no_stand_ins() {
        for said in [
            json!({"stub": "x", "request": "GET", "headers": {}}),
            json!({"stub": "x", "request": "GET / HTTP/1.1", "headers": {"A": "1"}}),
            json!({"backend": "echo", "request_line": "GET / HTTP/1.1", "headers": [["a"]]}),
            json!({"request": "GET / HTTP/1.1", "headers": {}}),
            json!(["stub"]),
        ] {
            assert_eq!(StandIn::parse(&said), None, "{said}");
        }
    }
}
