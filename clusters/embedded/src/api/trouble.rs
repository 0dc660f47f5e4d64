//! An API server in trouble: the switch `api-trouble` makes every second write fail in the way that it names.
//!
//! `429` and `503` are refused as an overloaded and a starting kube-apiserver do (`apiserver/pkg/util/flowcontrol`,
//! `…/server/filters`); `dropped` ends the connection in the midst of the answer. What is written to the switches themselves
//! always goes through, so that the trouble can be ended.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use http::{Method, Request, Response, StatusCode, header};
use serde_json::json;

use crate::platform::World;
use crate::switches;

/// The switch.
const SWITCH: &str = "api-trouble";

/// Writes counted since the start.
#[derive(Default)]
struct Writes(AtomicUsize);

/// The failure of a request, if it meets one.
pub(super) fn of(world: &World, request: &Request<Body>) -> Option<Response<Body>> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads || request.uri().path().contains(switches::NAMESPACE) {
        return None;
    }
    let kind = switches::value(&world.store, SWITCH)?;
    let writes = world.memory.of::<Writes>(SWITCH);
    if writes.0.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
        return None;
    }
    match kind.as_str() {
        "429" => {
            Some(refusal(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", "too many requests, please try again later"))
        }
        "503" => Some(refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "apiserver not ready")),
        "dropped" => {
            let cut = futures::stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("dropped"))]);
            Some(Response::new(Body::from_stream(cut)))
        }
        _ => None,
    }
}

fn refusal(code: StatusCode, reason: &str, message: &str) -> Response<Body> {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "code": code.as_u16() });
    let mut response = Response::new(Body::from(status.to_string()));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    response
}
