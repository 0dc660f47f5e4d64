//! `/k8s/pod`, `/k8s/pod/events` and `/k8s/pod/logs`: a pod, its events and its log, read with the UI server's own rights; whoever asks gets them
//! (up to kubeflow/pipelines 2.15).
//!
//! Source: kubeflow/pipelines 2.3.0 `frontend/server/handlers/{pod-info,pod-logs}.ts`, `workflow-helper.ts`. Logs that only
//! the archive has are not looked for: in a multi-user installation the server looks for the Workflow in its own namespace.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::express;
use crate::access::{Attributes, UserInfo, authorize};
use crate::actors::{Visit, query};
use crate::kubelet::streams;
use crate::object::text;
use crate::store::Key;

const HTML: &str = "text/html; charset=utf-8";
const NO_LOG: &str = "Could not get main container logs: Error: Unable to retrieve workflow status: [object Object].";

/// The namespace and name of the pod that is asked for; else what is missing.
fn wanted(uri: &Uri) -> Result<(String, String), &'static str> {
    let asked = |name: &str| query(uri, name).filter(|value| !value.is_empty());
    let pod = asked("podname").ok_or("podname argument is required")?;
    Ok((asked("podnamespace").ok_or("podnamespace argument is required")?, pod))
}

/// `/k8s/pod?podname=…&podnamespace=…`.
pub(super) fn info(visit: &Visit, uri: &Uri) -> Response<Body> {
    let (namespace, pod) = match wanted(uri) {
        Ok(wanted) => wanted,
        Err(missing) => return express::respond(StatusCode::UNPROCESSABLE_ENTITY, HTML, missing.to_owned()),
    };
    match found(visit, &namespace, &pod, "") {
        Some(pod) => express::respond(StatusCode::OK, HTML, pod.to_string()),
        None => {
            let words = format!("Could not get pod {pod} in namespace {namespace}: pods \"{pod}\" not found");
            express::respond(StatusCode::INTERNAL_SERVER_ERROR, HTML, words)
        }
    }
}

/// `/k8s/pod/events?podname=…&podnamespace=…`: of a pod that need not be there.
pub(super) fn events(visit: &Visit, uri: &Uri) -> Response<Body> {
    let (namespace, pod) = match wanted(uri) {
        Ok(wanted) => wanted,
        Err(missing) => return express::respond(StatusCode::UNPROCESSABLE_ENTITY, HTML, missing.to_owned()),
    };
    if !own_right(visit, "list", "events", &namespace, "", "") {
        let words = format!("Error when listing pod events for pod \"{pod}\" in \"{namespace}\" namespace: forbidden");
        return express::respond(StatusCode::INTERNAL_SERVER_ERROR, HTML, words);
    }
    let (revision, events) = visit.world.store.list_at("", "events", Some(&namespace));
    let of_pod = |event: &&Arc<Value>| {
        text(event, "/involvedObject/kind") == "Pod" && text(event, "/involvedObject/name") == pod
    };
    let items: Vec<&Value> = events.iter().filter(of_pod).map(|event| &**event).collect();
    let list = json!({
        "kind": "EventList", "apiVersion": "v1", "metadata": {"resourceVersion": revision.to_string()}, "items": items,
    });
    express::respond(StatusCode::OK, HTML, list.to_string())
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
fn found(visit: &Visit, namespace: &str, pod: &str, part: &str) -> Option<Arc<Value>> {
    if !own_right(visit, "get", "pods", namespace, pod, part) {
        return None;
    }
    visit.world.store.get(&Key::new("", "pods", namespace, pod))
}

/// What the server's account may do.
fn own_right(visit: &Visit, verb: &str, resource: &str, namespace: &str, name: &str, part: &str) -> bool {
    let caller = visit.as_caller();
    let own = UserInfo::service_account(&caller.namespace, &caller.service_account, "");
    let wish = Attributes { subresource: part.to_owned(), ..Attributes::resource(verb, "", resource, namespace, name) };
    authorize(&visit.world, &own, &wish)
}
