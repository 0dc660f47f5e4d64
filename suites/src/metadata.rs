//! ML Metadata as a browser asks it: gRPC-web, a call with an empty message.
//!
//! Framing: one byte of flags and four of length before each message, the whole in base64
//! (grpc/grpc `doc/PROTOCOL-WEB.md`, `application/grpc-web-text`). The content type `application/grpc` is never sent:
//! Envoy turns its refusals into 200 for it.

use harness::Checked;
use harness::http::{Answer, Session};
use http::Method;

use crate::applications::App;

/// Asks for the artifact types; reads only.
pub async fn artifact_types(session: &Session) -> Checked<Answer> {
    session
        .request(Method::POST, App::Metadata.entry().page)
        .header("x-grpc-web", "1")
        .body("application/grpc-web-text", EMPTY_MESSAGE)
        .send()
        .await
}

/// Five zero bytes: an empty message.
const EMPTY_MESSAGE: &str = "AAAAAAA=";
