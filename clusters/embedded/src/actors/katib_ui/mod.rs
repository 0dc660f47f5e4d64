//! Katib's UI server: its page, and the routes that the page calls. It works with the rights of its own account, and asks
//! about the user by a SubjectAccessReview.
//!
//! Facts: kubeflow/katib v0.17.0 `cmd/ui/v1beta1`, `pkg/ui/v1beta1` (no route differs from v0.16 to v0.18; the page is an
//! Angular build with base `/katib/` and the title that the framework gives), and recorded exchanges. Not played:
//! `fetch_nas_job_info`.

mod experiments;
mod metrics;
mod objects;
mod templates;

use std::collections::BTreeMap;

use axum::body::Body;
use futures::future::BoxFuture;
use http::header::{HeaderName, HeaderValue, LOCATION};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};

use super::kubernetes::Client;
use super::net_http::{self, header_text};
use super::{Actor, Visit, query};
use crate::kubelet::environment;

/// The `katib-ui` container.
pub struct KatibUi;

const PAGE: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Frontend</title>
<base href="/katib/">
</head>
<body class="mat-typography">
<app-root></app-root>
<script defer src="/dashboard_lib.bundle.js"></script>
</body>
</html>
"#;
/// Larger bodies are cut off; the real server has no limit.
const LARGEST: usize = 8 << 20;

/// What a route answers: JSON, or an error in a line.
type Answered = Result<Option<Value>, Refusal>;

/// An error as the server tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal(StatusCode, String);

impl Refusal {
    /// Most errors are told as the server's own, whatever they are.
    fn internal(why: impl Into<String>) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, why.into())
    }

    fn bad_request(why: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, why.to_owned())
    }
}

impl From<crate::api::Status> for Refusal {
    fn from(status: crate::api::Status) -> Self {
        Self::internal(status.message)
    }
}

/// One request, as a route sees it.
struct Asked<'a> {
    visit: &'a Visit,
    api: Client<'a>,
    variables: BTreeMap<String, String>,
    uri: http::Uri,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Actor for KatibUi {
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = Limited::new(body, LARGEST).collect().await.map(|body| body.to_bytes().to_vec());
            let asked = Asked {
                api: Client::of(&visit),
                variables: environment::variables(&visit.world.store, &visit.pod, &visit.container),
                visit: &visit,
                uri: parts.uri,
                headers: parts.headers,
                body: body.unwrap_or_default(),
            };
            asked.answer(&parts.method).await
        })
    }
}

impl Asked<'_> {
    async fn answer(&self, method: &Method) -> Response<Body> {
        let path = self.uri.path();
        let Some(route) = path.strip_prefix("/katib/") else {
            return if path == "/katib" { self.redirected(method) } else { net_http::not_found() };
        };
        // A route takes all that is below it.
        let (first, below) = route.split_once('/').map_or((route, false), |(first, _)| (first, true));
        let answered = match (first, below) {
            ("fetch_namespaces", false) => self.namespaces(),
            ("fetch_experiments", true) => experiments::list(self).await,
            ("create_experiment", true) => experiments::create(self).await,
            ("delete_experiment", true) => experiments::delete(self).await,
            ("fetch_experiment", true) => objects::experiment(self).await,
            ("fetch_suggestion", true) => objects::suggestion(self).await,
            ("fetch_trial", true) => objects::trial(self).await,
            ("fetch_trial_logs", true) => objects::trial_logs(self).await,
            ("fetch_hp_job_info", true) => metrics::of_experiment(self).await,
            ("fetch_hp_job_trial_info", true) => metrics::of_trial(self).await,
            ("fetch_trial_templates", true) => templates::list(self).await.map(Some),
            ("add_template", true) => templates::add(self).await,
            ("edit_template", true) => templates::edit(self).await,
            ("delete_template", true) => templates::delete(self).await,
            (first, false) if ROUTES.contains(&first) => return self.redirected(method),
            _ => return page(),
        };
        match answered {
            Ok(None) => Response::new(Body::empty()),
            // The type of a body is guessed from its beginning.
            Ok(Some(body)) => net_http::answer(StatusCode::OK, "text/plain; charset=utf-8", body.to_string()),
            Err(Refusal(status, why)) => net_http::error(status, &why),
        }
    }

    /// A route that takes all that is below it is called with a slash at its end.
    fn redirected(&self, method: &Method) -> Response<Body> {
        let query = self.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let to = format!("{}/{query}", self.uri.path());
        let linked = matches!(*method, Method::GET | Method::HEAD);
        let shown = if linked {
            format!("<a href=\"{}\">Moved Permanently</a>.\n\n", to.replace('&', "&amp;"))
        } else {
            String::new()
        };
        let mut response = net_http::answer(StatusCode::MOVED_PERMANENTLY, "text/html; charset=utf-8", shown);
        if !linked {
            response.headers_mut().remove(header::CONTENT_TYPE);
        }
        if let Ok(to) = HeaderValue::from_str(&to) {
            response.headers_mut().insert(LOCATION, to);
        }
        response
    }

    /// The names of all namespaces, for whoever asks; if the server may not list them, that of its own.
    fn namespaces(&self) -> Answered {
        Ok(Some(json!(self.namespace_names())))
    }

    fn namespace_names(&self) -> Vec<String> {
        match self.api.list("", "namespaces", None) {
            Ok(found) => found.iter().map(|namespace| crate::object::name(namespace).to_owned()).collect(),
            Err(_) => vec![self.home()],
        }
    }

    fn home(&self) -> String {
        self.variable("KATIB_CORE_NAMESPACE", super::katib::HOME).to_owned()
    }

    fn variable<'v>(&'v self, name: &str, otherwise: &'v str) -> &'v str {
        self.variables.get(name).filter(|value| !value.is_empty()).map_or(otherwise, String::as_str)
    }

    /// A parameter of the query.
    fn parameter(&self, name: &str, absent: &str) -> Result<String, Refusal> {
        query(&self.uri, name).ok_or_else(|| Refusal::bad_request(absent))
    }

    /// Whether the user may do this; `resource` is `group/version/plural` (`v1/plural` for the core group), with a
    /// subresource after another slash.
    async fn allowed(&self, verb: &str, resource: &str, namespace: &str, name: &str) -> Result<(), Refusal> {
        if self.variable("APP_DISABLE_AUTH", "true") == "true" {
            return Ok(());
        }
        let header = self.variable("USERID_HEADER", "kubeflow-userid").to_ascii_lowercase();
        let header = HeaderName::from_bytes(header.as_bytes()).map_err(|error| Refusal::internal(error.to_string()))?;
        let sent = header_text(&self.headers, &header);
        if sent.is_empty() {
            return Err(Refusal(StatusCode::UNAUTHORIZED, "user header not present".to_owned()));
        }
        // Cut wherever it first stands: by default, that is the first colon.
        let user = sent.replacen(self.variable("USERID_PREFIX", ":"), "", 1);
        let parts: Vec<&str> = resource.split('/').collect();
        let (group, rest) = match parts.as_slice() {
            ["v1", rest @ ..] => ("", rest),
            [group, _, rest @ ..] => (*group, rest),
            _ => ("", &[][..]),
        };
        let mut attributes = json!({
            "namespace": namespace, "verb": verb, "group": group, "resource": rest.first(), "name": name,
        });
        if let Some(subresource) = rest.get(1) {
            attributes["subresource"] = json!(subresource);
        }
        let review = json!({"spec": {"user": user, "resourceAttributes": attributes}});
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let refused = |why: String| Refusal(StatusCode::FORBIDDEN, why);
        let answer = self.api.write(Method::POST, path, &review).await.map_err(|status| refused(status.message))?;
        if answer.pointer("/status/allowed") == Some(&Value::Bool(true)) {
            return Ok(());
        }
        let place = if namespace.is_empty() { String::new() } else { format!(" in namespace: {namespace}") };
        let reason = match crate::object::text(&answer, "/status/reason") {
            "" => String::new(),
            reason => format!(" ,reason: {reason}"),
        };
        Err(refused(format!("User: {user} is not authorized to {verb} {resource}{place}{reason}")))
    }

    /// The body as JSON, or the error of Go's decoder.
    fn json(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Refusal::internal(match (error.is_eof(), self.body.trim_ascii().is_empty()) {
                (true, true) => "EOF".to_owned(),
                (true, false) => "unexpected EOF".to_owned(),
                _ => format!("invalid character: {error}"),
            })
        })
    }
}

/// The routes that take all that is below them.
const ROUTES: &[&str] = &[
    "fetch_experiments",
    "create_experiment",
    "delete_experiment",
    "fetch_experiment",
    "fetch_trial",
    "fetch_suggestion",
    "fetch_hp_job_info",
    "fetch_hp_job_trial_info",
    "fetch_nas_job_info",
    "fetch_trial_templates",
    "add_template",
    "edit_template",
    "delete_template",
    "fetch_trial_logs",
];

fn page() -> Response<Body> {
    let mut response = net_http::answer(StatusCode::OK, "text/html; charset=utf-8", PAGE);
    let never = HeaderValue::from_static("no-cache, no-store, must-revalidate, max-age=0");
    response.headers_mut().insert(header::CACHE_CONTROL, never);
    response
}
