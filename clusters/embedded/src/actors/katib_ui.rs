//! Katib's UI server: its page, namespaces and the list of experiments; the rest comes with Katib.
//!
//! Facts: kubeflow/katib v0.17.0 `cmd/ui/v1beta1`, `pkg/ui/v1beta1` (the page is an Angular build with base `/katib/` and
//! the title that the framework gives), and recorded exchanges.

use axum::body::Body;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::{Actor, Visit, query};
use crate::access::{Attributes, UserInfo, authorize};
use crate::object;

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

const PLAIN: &str = "text/plain; charset=utf-8";

impl Actor for KatibUi {
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move { answer(&visit, &request) })
    }
}

fn answer(visit: &Visit, request: &Request<Body>) -> Response<Body> {
    match request.uri().path().trim_end_matches('/') {
        "/katib/fetch_namespaces" => {
            let names: Vec<String> = visit
                .world
                .store
                .list("", "namespaces", None)
                .iter()
                .map(|namespace| object::name(namespace).to_owned())
                .collect();
            respond(StatusCode::OK, PLAIN, json!(names).to_string())
        }
        "/katib/fetch_experiments" => experiments(visit, request),
        path if path == "/katib" || request.uri().path().starts_with("/katib/") => {
            respond(StatusCode::OK, "text/html; charset=utf-8", PAGE.to_owned())
        }
        _ => refuse(StatusCode::NOT_FOUND, "404 page not found"),
    }
}

fn experiments(visit: &Visit, request: &Request<Body>) -> Response<Body> {
    let Some(namespace) = query(request.uri(), "namespace") else {
        return refuse(StatusCode::BAD_REQUEST, "no 'namespace' query parameter was provided");
    };
    let Some(user) = identity(request.headers()) else {
        return refuse(StatusCode::UNAUTHORIZED, "user header not present");
    };
    let who = UserInfo { name: user.clone(), ..UserInfo::default() };
    let wanted = Attributes::resource("list", "kubeflow.org", "experiments", &namespace, "");
    if !authorize(&visit.world, &who, &wanted) {
        let why = format!(
            "User: {user} is not authorized to list kubeflow.org/v1beta1/experiments in namespace: {namespace}"
        );
        return refuse(StatusCode::FORBIDDEN, &why);
    }
    let found: Vec<Value> = visit
        .world
        .store
        .list("kubeflow.org", "experiments", Some(&namespace))
        .iter()
        .map(|experiment| {
            let status =
                object::list(experiment, "/status/conditions").last().map_or("", |last| object::text(last, "/type"));
            json!({"name": object::name(experiment), "namespace": namespace, "type": "hp", "status": status})
        })
        .collect();
    respond(StatusCode::OK, PLAIN, json!(found).to_string())
}

/// The identity header less its prefix, whose default is one colon: cut wherever it first stands.
fn identity(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("kubeflow-userid")?.to_str().ok()?;
    (!value.is_empty()).then(|| value.replacen(':', "", 1))
}

fn refuse(status: StatusCode, why: &str) -> Response<Body> {
    respond(status, PLAIN, format!("{why}\n"))
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
