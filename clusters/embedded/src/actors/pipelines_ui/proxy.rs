//! `/apis/v1beta1/…` and `/apis/v2beta1/…`, with or without `/pipeline` before: handed on to the API server, identity
//! header and all; the UI server answers for its health itself.
//!
//! Source: kubeflow/pipelines 2.3.0 `frontend/server/app.ts`, `handlers/healthz.ts`; recorded exchanges.

use axum::body::Body;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};

use super::express;
use crate::actors::Visit;
use crate::kubelet::environment;
use crate::mesh;

/// What the health of the API server may be long.
const LIMIT: usize = 64 << 10;
const VERSIONS: [&str; 2] = ["/apis/v1beta1/", "/apis/v2beta1/"];
/// Paths that only the platform's own programs may use; the rule looks at paths without `/pipeline` alone.
const INTERNAL: [&str; 4] = [
    "/apis/v1beta1/workflows",
    "/apis/v1beta1/scheduledworkflows",
    "/apis/v2beta1/workflows",
    "/apis/v2beta1/scheduledworkflows",
];

/// Whether a path leads to the API; Express compares without regard to case.
pub(super) fn is_for_the_api(path: &str) -> bool {
    let path = path.strip_prefix("/pipeline").unwrap_or(path).to_ascii_lowercase();
    VERSIONS.iter().any(|version| path.starts_with(version))
}

pub(super) async fn answer(visit: &Visit, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let bare = path.strip_prefix("/pipeline").unwrap_or(&path);
    let reads = *request.method() == Method::GET || *request.method() == Method::HEAD;
    if reads && VERSIONS.iter().any(|version| bare.strip_prefix(version) == Some("healthz")) {
        return health(visit, bare).await;
    }
    let run = VERSIONS.iter().find_map(|version| bare.strip_prefix(version)?.strip_prefix("runs/"));
    let metrics = run.is_some_and(|run| run.ends_with(":reportMetrics") && !run.contains('/'));
    if bare.len() == path.len() && (metrics || INTERNAL.contains(&bare)) {
        let text = format!("{path} endpoint is not meant for external usage.");
        return express::respond(StatusCode::FORBIDDEN, "text/html; charset=utf-8", text);
    }
    hand_on(visit, request).await
}

async fn hand_on(visit: &Visit, request: Request<Body>) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    let whole = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let bare = whole.strip_prefix("/pipeline").unwrap_or(whole).to_owned();
    let host = head.headers.remove(http::header::HOST);
    let Ok(uri) = format!("{}{bare}", api(visit)).parse::<Uri>() else {
        return express::error(StatusCode::BAD_REQUEST, "the path is no URL");
    };
    head.uri = uri;
    let mut response = mesh::call(&visit.world, visit.as_caller(), Request::from_parts(head, body)).await;
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        let host = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
        let mut failed = Response::new(Body::from(format!("Error occured while trying to proxy to: {host}{bare}")));
        *failed.status_mut() = StatusCode::GATEWAY_TIMEOUT;
        response = failed;
    }
    response.headers_mut().insert("x-powered-by", HeaderValue::from_static("Express"));
    response
}

/// The UI server's own words on what the API server says about itself.
async fn health(visit: &Visit, path: &str) -> Response<Body> {
    let mut health = json!({
        "buildDate": "", "frontendCommitHash": "", "frontendTagName": "", "apiServerReady": false,
    });
    if let Some(found) = api_health(visit, path).await {
        health["apiServerReady"] = json!(true);
        for (name, of) in [
            ("apiServerCommitHash", "commit_sha"),
            ("apiServerTagName", "tag_name"),
            ("apiServerMultiUser", "multi_user"),
            ("multi_user", "multi_user"),
        ] {
            health[name] = found.get(of).cloned().unwrap_or_default();
        }
    }
    express::json(StatusCode::OK, &health)
}

async fn api_health(visit: &Visit, path: &str) -> Option<Value> {
    let request = Request::get(format!("{}{path}", api(visit))).body(Body::empty()).ok()?;
    let response = mesh::call(&visit.world, visit.as_caller(), request).await;
    if response.status() != StatusCode::OK {
        return None;
    }
    let bytes = Limited::new(response.into_body(), LIMIT).collect().await.ok()?.to_bytes();
    serde_json::from_slice(&bytes).ok()
}

/// Where the API server is, by the links of its Service.
pub(super) fn api(visit: &Visit) -> String {
    let get = |name: &str, otherwise: &str| {
        let set = environment::variable(&visit.world.store, &visit.pod, &visit.container, name);
        set.unwrap_or_else(|| otherwise.to_owned())
    };
    format!("http://{}:{}", get("ML_PIPELINE_SERVICE_HOST", "localhost"), get("ML_PIPELINE_SERVICE_PORT", "3001"))
}
