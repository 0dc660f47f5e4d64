//! The UI server of Kubeflow Pipelines: its page, its health, the way to the API, artifacts, pods and their logs. The same
//! program serves a tenant's artifacts in the tenant's namespace.
//!
//! Facts: recorded exchanges with kubeflow/pipelines 2.3.0 `frontend/server`.

mod artifacts;
mod content;
mod forward;
mod pods;
mod providers;
mod proxy;
mod viewers;

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;

use super::{Actor, Visit, decoded, express};
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
            match forward::target(&request) {
                Some(Ok(target)) => return forward::send(&visit, target, request).await,
                Some(Err(page)) => return page,
                None => {}
            }
            if proxy::is_for_the_api(request.uri().path()) {
                return proxy::answer(&visit, request).await;
            }
            answer(&visit, request).await
        })
    }
}

async fn answer(visit: &Visit, request: Request<Body>) -> Response<Body> {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let path = uri.path().to_owned();
    let reads = method == Method::GET || method == Method::HEAD;
    // Its own two slashes are not forgiven at the front of a path.
    let route = if path.starts_with("//") { path.clone() } else { express::route(&path) };
    let below = route.strip_prefix("/pipeline").unwrap_or(&route);
    let variables = environment::variables(&visit.world.store, &visit.pod, &visit.container);
    let known = match below {
        "" | "/" | "/index.html" => Known::Page,
        "/visualizations/allowed" => Known::Visualizations,
        "/k8s/pod" => Known::Pod,
        "/k8s/pod/events" => Known::PodEvents,
        "/k8s/pod/logs" => Known::PodLogs,
        "/apps/tensorboard" => {
            let answer = viewers::answer(visit, &method, &uri, request.headers()).await;
            return answer.unwrap_or_else(|| express::cannot(&method, &path));
        }
        _ if below.starts_with("/artifacts/") && path.contains("//artifacts/") => {
            return express::cannot(&method, &path);
        }
        _ if below.starts_with("/artifacts/") && decoded(&path).is_none() => {
            let rest = path.split_once("/artifacts/").map(|(_, rest)| rest).unwrap_or_default();
            let line = format!("URIError: Failed to decode param &#39;{}&#39;", express::escape(rest));
            return express::page(StatusCode::BAD_REQUEST, &line);
        }
        _ => match artifacts::request(below, &uri) {
            Some(wanted) => Known::Artifact(wanted),
            None => return express::cannot(&method, &path),
        },
    };
    if method == Method::OPTIONS {
        return express::options();
    }
    if !reads {
        return express::cannot(&method, &path);
    }
    match known {
        Known::Page => express::respond(StatusCode::OK, "text/html; charset=utf-8", PAGE.to_owned()),
        Known::Visualizations => {
            let allowed = variables.get("ALLOW_CUSTOM_VISUALIZATIONS").is_some_and(|value| value == "true");
            express::json(StatusCode::OK, &json!(allowed))
        }
        Known::Pod => pods::info(visit, &uri),
        Known::PodEvents => pods::events(visit, &uri),
        Known::PodLogs => pods::logs(visit, &uri).await,
        Known::Artifact(wanted) => match artifacts::elsewhere(&variables, &uri) {
            Some(server) => artifacts::hand_on(visit, &server, request).await,
            None => wanted.answer(visit, &variables).await,
        },
    }
}

/// What a path leads to.
enum Known {
    Page,
    Visualizations,
    Pod,
    PodEvents,
    PodLogs,
    Artifact(artifacts::Wanted),
}
