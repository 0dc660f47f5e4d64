//! The UI server of Kubeflow Pipelines: its page and its own routes so far; the API behind it comes with pipelines.
//!
//! Facts: recorded exchanges with kubeflow/pipelines 2.3.0 `frontend/server`.

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;

use super::{Actor, Visit, express};
use crate::kubelet::environment;

/// The `ml-pipeline-ui` container.
pub struct PipelinesUi;

const PAGE: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Kubeflow Pipelines</title>
<script>
window.KFP_FLAGS={};
window.KFP_FLAGS.DEPLOYMENT="KUBEFLOW";
window.KFP_FLAGS.HIDE_SIDENAV=true;
</script>
<script id="kubeflow-client-placeholder" src="/dashboard_lib.bundle.js"></script>
</head>
<body><div id="root"></div></body>
</html>
"#;

impl Actor for PipelinesUi {
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move { answer(&visit, request.method(), request.uri().path()) })
    }
}

fn answer(visit: &Visit, method: &Method, path: &str) -> Response<Body> {
    if is_refused(path) {
        let text = format!("{path} endpoint is not meant for external usage.");
        return express::respond(StatusCode::FORBIDDEN, "text/html; charset=utf-8", text);
    }
    // Its own two slashes are not forgiven at the front of a path.
    let route = if path.starts_with("//") { path.to_owned() } else { express::route(path) };
    let reads = *method == Method::GET || *method == Method::HEAD;
    match (route.as_str(), route.strip_prefix("/pipeline").unwrap_or(&route)) {
        ("/" | "/index.html" | "/pipeline" | "/pipeline/index.html", _) if reads => {
            express::respond(StatusCode::OK, "text/html; charset=utf-8", PAGE.to_owned())
        }
        (_, "/visualizations/allowed") if reads => {
            let variables = environment::variables(&visit.world.store, &visit.pod, &visit.container);
            let allowed = variables.get("ALLOW_CUSTOM_VISUALIZATIONS").is_some_and(|value| value == "true");
            express::json(StatusCode::OK, &json!(allowed))
        }
        ("/" | "/index.html" | "/pipeline" | "/pipeline/index.html", _) | (_, "/visualizations/allowed")
            if *method == Method::OPTIONS =>
        {
            express::options()
        }
        _ => express::cannot(method, path),
    }
}

/// The internal endpoints of the pipelines API, refused at the root; below `/pipeline` the program passes them on.
fn is_refused(path: &str) -> bool {
    ["/apis/v1beta1/", "/apis/v2beta1/"].iter().filter_map(|api| path.strip_prefix(api)).any(|rest| {
        matches!(rest, "workflows" | "scheduledworkflows")
            || rest.strip_prefix("runs/").is_some_and(|run| run.ends_with(":reportMetrics") && !run.contains('/'))
    })
}
