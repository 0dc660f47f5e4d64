//! OAuth 2.0 errors as JSON (RFC 6749 §5.2).

use axum::body::Body;
use http::{Response, StatusCode};
use serde_json::json;

use crate::actors::net_http::answer;

/// A refusal of the token endpoint and its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthError {
    /// HTTP status.
    pub status: StatusCode,
    /// `error`.
    pub error: &'static str,
    /// `error_description`, left out if empty.
    pub description: String,
}

impl OauthError {
    /// A refusal.
    pub fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self { status, error, description: description.into() }
    }

    /// 400.
    pub fn bad_request(error: &'static str, description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, description)
    }

    /// 401 for a client that does not exist or has another secret.
    pub fn invalid_client() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", "Invalid client credentials.")
    }

    /// 500.
    pub fn server() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "")
    }

    /// The answer.
    pub fn into_response(self) -> Response<Body> {
        let mut body = json!({ "error": self.error });
        if !self.description.is_empty() {
            body["error_description"] = json!(self.description);
        }
        answer(self.status, "application/json", body.to_string())
    }
}
