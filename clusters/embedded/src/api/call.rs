//! One authenticated, authorized request about a resource.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use super::Status;
use super::apply::{Operation, Writer};
use super::kinds::Resource;
use super::query::Query;
use super::route::Route;
use super::wire;
use crate::access::UserInfo;
use crate::platform::World;

/// The largest body taken, as kube-apiserver's `MaxRequestBodyBytes`.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// One request about a resource.
pub struct Call {
    /// The platform.
    pub world: Arc<World>,
    /// Who asks, after impersonation.
    pub user: UserInfo,
    /// The method.
    pub method: Method,
    /// What the path names.
    pub route: Route,
    /// The query string.
    pub query: Query,
    /// The headers.
    pub headers: HeaderMap,
    /// The resource.
    pub resource: Arc<Resource>,
}

impl Call {
    /// Who writes, for `managedFields`: the named manager, else the client's program.
    #[must_use]
    pub fn writer(&self, operation: Operation) -> Writer {
        let agent = self.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("unknown");
        let program = agent.split('/').next().unwrap_or_default();
        Writer {
            manager: self.query.get("fieldManager").unwrap_or(program).to_owned(),
            operation,
            api_version: self.resource.api_version(),
            subresource: self.route.subresource.clone(),
        }
    }

    /// 404 for the object of this call.
    #[must_use]
    pub fn not_found(&self) -> Status {
        Status::not_found(&self.resource.group, &self.resource.plural, &self.route.name)
    }

    /// The stored object of this call.
    ///
    /// # Errors
    /// 404.
    pub fn stored(&self) -> Result<Arc<Value>, Status> {
        let key = self.resource.key(&self.route.namespace, &self.route.name);
        self.world.store.get(&key).ok_or_else(|| self.not_found())
    }

    /// The media type of the body, without parameters.
    #[must_use]
    pub fn content_type(&self) -> &str {
        let value = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }
}

/// Reads a body within the limit.
///
/// # Errors
/// 413 if it is larger, 400 if the connection breaks.
pub async fn read_body(request: Request<Body>) -> Result<Vec<u8>, Status> {
    let too_large = || {
        let message = format!("Request entity too large: limit is {BODY_LIMIT}");
        Status::new(413, "RequestEntityTooLarge", message)
    };
    match Limited::new(request.into_body(), BODY_LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Status::bad_request(format!("the body could not be read: {error}"))),
    }
}

/// Reads an object of a kind: JSON, or YAML or protobuf if the media type says so.
///
/// # Errors
/// 400 if it is none, 415 for another media type.
pub fn parse(body: &[u8], content_type: &str, kind: &str) -> Result<Value, Status> {
    let unrecognized = |why: String| {
        let shown = excerpt(body);
        Status::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {why} ({shown})"))
    };
    if content_type == wire::MEDIA_TYPE {
        return wire::read(body).map_err(|error| Status::bad_request(error.to_string()));
    }
    if content_type.ends_with("yaml") {
        if let Ok(value) = serde_json::from_slice(body) {
            return Ok(value);
        }
        let text = std::str::from_utf8(body).map_err(|error| unrecognized(error.to_string()))?;
        return serde_saphyr::from_str(text).map_err(|error| unrecognized(format!("yaml: {error}")));
    }
    if !matches!(content_type, "" | "*/*" | "application/json") {
        return Err(Status::new(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: application/json, \
             application/yaml, application/vnd.kubernetes.protobuf",
        ));
    }
    match serde_json::from_slice(body) {
        // Go reads `null` as an object that says nothing.
        Ok(Value::Null) => Ok(serde_json::json!({})),
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(other) => Err(unrecognized(format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type struct \
             {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
            type_name(&other)
        ))),
        Err(error) => Err(unrecognized(format!("couldn't get version/kind; json parse error: {}", in_go(&error)))),
    }
}

/// What Go calls the type of a value.
#[must_use]
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A parser's complaint in the words of Go's, where both have the same.
#[must_use]
pub fn in_go(error: &serde_json::Error) -> String {
    if error.is_eof() { "unexpected end of JSON input".into() } else { error.to_string() }
}

/// The start of a body, as complaints show it: JSON as it is, all else in hexadecimal digits.
fn excerpt(body: &[u8]) -> String {
    const LONGEST: usize = 30;
    let (start, more) = (&body[..body.len().min(LONGEST)], if body.len() > LONGEST { " ..." } else { "" });
    match body.first() {
        None => "<empty>".into(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(start)),
        Some(_) => {
            let digits: String = start.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{digits}{more}")
        }
    }
}
