//! What a request brings: Express' JSON parser (`body-parser` 1.x), which looks at every request.

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

use super::express;

/// The parser's limit.
const LIMIT: usize = 100 * 1024;

/// The parsed body: an object or a list; empty if there is none or it is of another type.
///
/// # Errors
/// The page that Express answers with.
pub async fn read(headers: &HeaderMap, body: Body) -> Result<Value, Response<Body>> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Ok(Value::Null);
    }
    let bytes = match Limited::new(body, LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(express::page(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large"));
        }
        Err(_) => return Err(express::page(StatusCode::BAD_REQUEST, "Bad Request")),
    };
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    match serde_json::from_slice(&bytes) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => Ok(value),
        _ => Err(express::page(StatusCode::BAD_REQUEST, "Bad Request")),
    }
}
