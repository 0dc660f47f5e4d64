//! The UI server of Kubeflow Pipelines: its page, its health, the way to the API, and what it refuses about artifacts.
//!
//! Not played: artifacts themselves, TensorBoards, pods and their logs, the forward proxy. Facts: recorded exchanges with
//! kubeflow/pipelines 2.3.0 `frontend/server`.

mod artifacts;
mod proxy;

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
        Box::pin(async move {
            if proxy::is_for_the_api(request.uri().path()) {
                return proxy::answer(&visit, request).await;
            }
            answer(&visit, &request)
        })
    }
}

fn answer(visit: &Visit, request: &Request<Body>) -> Response<Body> {
    let (method, path) = (request.method(), request.uri().path());
    let reads = *method == Method::GET || *method == Method::HEAD;
    // Its own two slashes are not forgiven at the front of a path.
    let route = if path.starts_with("//") { path.to_owned() } else { express::route(path) };
    let below = route.strip_prefix("/pipeline").unwrap_or(&route);
    let known = match below {
        "" | "/" | "/index.html" => Known::Page,
        "/visualizations/allowed" => Known::Visualizations,
        _ => match artifacts::request(below, request.uri()) {
            Some(wanted) => Known::Artifact(wanted),
            None => return express::cannot(method, path),
        },
    };
    if *method == Method::OPTIONS {
        return express::options();
    }
    if !reads {
        return express::cannot(method, path);
    }
    match known {
        Known::Page => express::respond(StatusCode::OK, "text/html; charset=utf-8", PAGE.to_owned()),
        Known::Visualizations => {
            let variables = environment::variables(&visit.world.store, &visit.pod, &visit.container);
            let allowed = variables.get("ALLOW_CUSTOM_VISUALIZATIONS").is_some_and(|value| value == "true");
            express::json(StatusCode::OK, &json!(allowed))
        }
        Known::Artifact(wanted) => wanted.answer(),
    }
}

/// What a path leads to.
enum Known {
    Page,
    Visualizations,
    Artifact(artifacts::Wanted),
}
