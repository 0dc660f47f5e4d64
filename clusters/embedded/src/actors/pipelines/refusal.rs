//! Why a call fails, as the API server says it: a chain of causes for operators, one short text for users.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/src/common/util/error.go`, grpc-gateway 1.16 `runtime/errors.go`.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    code: u8,
    message: String,
    /// The short text; without one there are no `details`.
    detail: Option<String>,
}

/// A call's result.
pub type Answered<T = Value> = Result<T, Refusal>;

/// gRPC's number, and the HTTP status that the gateway makes of it.
const STATUSES: &[(u8, u16)] = &[(3, 400), (5, 404), (6, 409), (7, 403), (9, 400), (10, 409), (13, 500), (16, 401)];

impl Refusal {
    fn new(code: u8, message: String, detail: impl Into<String>) -> Self {
        Self { code, message, detail: Some(detail.into()) }
    }

    /// The request makes no sense.
    pub fn invalid(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(3, format!("Invalid input error: {text}"), text)
    }

    /// The request makes no sense, for a reason that a library gives.
    pub fn invalid_because(text: &str, cause: &str) -> Self {
        Self::new(3, format!("InvalidInputError: {text}: {cause}"), text)
    }

    /// The body is no message of the kind wanted; the gateway itself says so.
    pub fn malformed(text: impl Into<String>) -> Self {
        Self { code: 3, message: text.into(), detail: None }
    }

    /// There is no such thing.
    pub fn absent(kind: &str, name: &str) -> Self {
        Self::new(5, format!("ResourceNotFoundError: {kind} {name} not found"), format!("{kind} {name} not found"))
    }

    /// What something was to be done to is not there.
    pub fn gone(text: &str, cause: &str) -> Self {
        Self::new(5, format!("NotFoundError: {text}: {cause}"), text)
    }

    /// The name is taken.
    pub fn taken(text: String) -> Self {
        Self::new(6, format!("Already exist error: {text}"), text)
    }

    /// The user may not.
    pub fn forbidden(text: String) -> Self {
        Self::new(7, format!("PermissionDenied: {text}: Unauthorized access"), text)
    }

    /// Nobody knows who asks; `causes` says why.
    pub fn unauthenticated(causes: &str) -> Self {
        let text = "Failed to check authorization. User identity is empty in the request header";
        Self::new(16, format!("Unauthenticated: {text}: {causes}"), text)
    }

    /// The call cannot be done now.
    pub fn bad_request(text: &str, cause: &str) -> Self {
        Self::new(10, format!("BadRequestError: {text}: {cause}"), text)
    }

    /// The program's own failure.
    pub fn internal(cause: impl Into<String>) -> Self {
        Self::new(13, format!("InternalServerError: {}", cause.into()), "Internal Server Error")
    }

    /// A failure that the caller of the failed part takes for the program's own.
    #[must_use]
    pub fn into_internal(self, text: &str) -> Self {
        Self::internal(format!("{text}: {}", self.message))
    }

    /// The same failure, seen by the caller of what failed.
    #[must_use]
    pub fn within(mut self, text: &str) -> Self {
        self.message = format!("{text}: {}", self.message);
        self
    }

    /// The chain of causes.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    fn status(&self) -> StatusCode {
        let status = STATUSES.iter().find(|(code, _)| *code == self.code).map_or(500, |(_, status)| *status);
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The answer of the API.
    #[must_use]
    pub fn response(&self) -> Response<Body> {
        let mut body = json!({"error": self.message, "code": self.code, "message": self.message});
        if let Some(detail) = &self.detail {
            let kind = "type.googleapis.com/google.rpc.Status";
            body["details"] = json!([{"@type": kind, "code": self.code, "message": detail}]);
        }
        respond(self.status(), &body)
    }

    /// The answer of an upload, which has a form of its own.
    #[must_use]
    pub fn upload_response(&self, status: StatusCode) -> Response<Body> {
        let mut response = respond(status, &json!({"error_message": self.message, "error_details": self.message}));
        if status == StatusCode::BAD_REQUEST {
            // Written before any header is: its beginning tells what it is.
            let kind = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        response
    }

    /// Whether the name is taken.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.code == 6
    }
}

/// Adds what a caller says to a failure.
pub trait Within<T> {
    /// See [`Refusal::within`].
    fn within(self, text: &str) -> Answered<T>;
}

impl<T> Within<T> for Answered<T> {
    fn within(self, text: &str) -> Self {
        self.map_err(|refusal| refusal.within(text))
    }
}

/// A JSON answer.
pub fn respond(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A successful call's answer.
pub fn answer(body: &Value) -> Response<Body> {
    let mut response = respond(StatusCode::OK, body);
    response.headers_mut().insert("grpc-metadata-content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// What the gateway says to a path or a method that it does not know.
pub fn unknown(status: StatusCode) -> Response<Body> {
    let text = status.canonical_reason().unwrap_or_default();
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
