//! Answers that Envoy makes itself.

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// What Envoy answers when a policy refuses.
pub(crate) const ACCESS_DENIED: &str = "RBAC: access denied";
/// What Envoy answers when no endpoint of a Service is ready.
pub(crate) const NO_HEALTHY_UPSTREAM: &str = "no healthy upstream";
/// What Envoy answers when nobody listens at the endpoint (recorded: session upstream down).
pub(crate) const CONNECTION_REFUSED: &str = "upstream connect error or disconnect/reset before headers. reset reason: \
     remote connection failure, transport failure reason: delayed connect error: Connection refused";
/// What Envoy answers when a connection does not come about in time (seen with a CNI that enforces NetworkPolicies).
pub(crate) const CONNECTION_TIMEOUT: &str = "upstream connect error or disconnect/reset before headers. retried and the \
     latest reset reason: connection timeout";
/// What Envoy answers when the peer does not speak TLS.
pub(crate) const NOT_TLS: &str = "upstream connect error or disconnect/reset before headers. reset reason: remote \
     connection failure, transport failure reason: TLS_error:|268435703:SSL \
     routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end";
/// What Envoy answers when the peer wants mutual TLS and was spoken to in plain text.
pub(crate) const WANTS_TLS: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: connection termination";
/// What Envoy answers when a route's time is up.
pub(crate) const TIMEOUT: &str = "upstream request timeout";

/// Whether the client speaks gRPC, by the content type of its request; gRPC-Web is not meant.
pub(crate) fn wants_grpc(request: &HeaderMap) -> bool {
    request
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("application/grpc"))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
}

/// A local reply: plain text, or for gRPC 200 with the status in headers.
///
/// Source: Envoy's `Http::Utility::sendLocalReply` and `Grpc::Utility::httpToGrpcStatus`.
pub(crate) fn local(request: &HeaderMap, status: StatusCode, text: &str) -> Response<Body> {
    if wants_grpc(request) {
        return grpc(status, text);
    }
    let mut reply = Response::new(Body::from(text.to_owned()));
    *reply.status_mut() = status;
    if !text.is_empty() {
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    }
    reply
}

fn grpc(status: StatusCode, text: &str) -> Response<Body> {
    let code: u16 = match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    };
    let mut reply = Response::new(Body::empty());
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", code.into());
    if !text.is_empty() {
        let mut message = String::with_capacity(text.len());
        for byte in text.bytes() {
            if matches!(byte, b' '..=b'~') && byte != b'%' {
                message.push(char::from(byte));
            } else {
                message.push_str(&format!("%{byte:02X}"));
            }
        }
        headers.insert("grpc-message", HeaderValue::from_str(&message).unwrap_or(HeaderValue::from_static("")));
    }
    reply
}
