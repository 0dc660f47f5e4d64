//! The UI server of Kubeflow Pipelines: its page so far; the API behind it comes with pipelines.
//!
//! Facts: recorded exchanges with kubeflow/pipelines 2.3.0 `frontend/server`.

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};

use super::{Actor, Visit, express};

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
    fn serve(&self, _: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move { answer(request.method(), request.uri().path()) })
    }
}

fn answer(method: &Method, path: &str) -> Response<Body> {
    let reads = *method == Method::GET || *method == Method::HEAD;
    if *method == Method::OPTIONS {
        return express::options();
    }
    // Its own two slashes are not forgiven at the front of a path.
    let route = if path.starts_with("//") { path.to_owned() } else { express::route(path) };
    match route.as_str() {
        "/" | "/index.html" | "/pipeline" | "/pipeline/index.html" if reads => {
            express::respond(StatusCode::OK, "text/html; charset=utf-8", PAGE.to_owned())
        }
        _ => express::cannot(method, path),
    }
}
