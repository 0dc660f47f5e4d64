//! `/k8s/pod` and `/k8s/pod/logs`: a pod and its log, read with the UI server's own rights; whoever asks gets them
//! (up to kubeflow/pipelines 2.15).
//!
//! Source: kubeflow/pipelines 2.3.0 `frontend/server/handlers/{pod-info,pod-logs}.ts`, `workflow-helper.ts`. Logs that only
//! the archive has are not looked for: in a multi-user installation the server looks for the Workflow in its own namespace.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt as _;

use super::express;
use crate::access::{Attributes, UserInfo, authorize};
use crate::actors::{Visit, query};
use crate::kubelet::streams;
use crate::store::Key;

const HTML: &str = "text/html; charset=utf-8";
const NO_LOG: &str = "Could not get main container logs: Error: Unable to retrieve workflow status: [object Object].";

/// `/k8s/pod?podname=…&podnamespace=…`.
pub(super) fn info(visit: &Visit, uri: &Uri) -> Response<Body> {
    let asked = |name| query(uri, name).filter(|value| !value.is_empty());
    let Some(pod) = asked("podname") else {
        return express::respond(StatusCode::UNPROCESSABLE_ENTITY, HTML, "podname argument is required".to_owned());
    };
    let Some(namespace) = asked("podnamespace") else {
        return express::respond(
            StatusCode::UNPROCESSABLE_ENTITY,
            HTML,
            "podnamespace argument is required".to_owned(),
        );
    };
    match found(visit, &namespace, &pod, "") {
        Some(pod) => express::respond(StatusCode::OK, HTML, pod.to_string()),
        None => {
            let text = "An error occurred: Could not get pod".to_owned();
            express::respond(StatusCode::INTERNAL_SERVER_ERROR, HTML, text)
        }
    }
}

/// `/k8s/pod/logs?podname=…&podnamespace=…`: of container `main`, as the Kubernetes API has them.
pub(super) async fn logs(visit: &Visit, uri: &Uri) -> Response<Body> {
    let Some(pod) = query(uri, "podname").filter(|value| !value.is_empty()) else {
        return express::respond(StatusCode::BAD_REQUEST, HTML, "podname argument is required".to_owned());
    };
    let own = visit.as_caller().namespace;
    let namespace = query(uri, "podnamespace").filter(|value| !value.is_empty()).unwrap_or(own);
    let failed = || express::respond(StatusCode::INTERNAL_SERVER_ERROR, HTML, NO_LOG.to_owned());
    let Some(pod) = found(visit, &namespace, &pod, "log") else { return failed() };
    let Ok(request) = Request::get("/?container=main").body(Body::empty()) else { return failed() };
    let answer = streams::logs(visit.world.clone(), pod, request).await;
    if answer.status() != StatusCode::OK {
        return failed();
    }
    let Ok(bytes) = answer.into_body().collect().await else { return failed() };
    let mut response = Response::new(Body::from(bytes.to_bytes()));
    response.headers_mut().insert("x-powered-by", HeaderValue::from_static("Express"));
    response
}

/// A pod, if the server's account may read it, or this part of it.
fn found(visit: &Visit, namespace: &str, pod: &str, part: &str) -> Option<Arc<serde_json::Value>> {
    let caller = visit.as_caller();
    let own = UserInfo::service_account(&caller.namespace, &caller.service_account, "");
    let wish = Attributes { subresource: part.to_owned(), ..Attributes::resource("get", "", "pods", namespace, pod) };
    if !authorize(&visit.world, &own, &wish) {
        return None;
    }
    visit.world.store.get(&Key::new("", "pods", namespace, pod))
}
