//! How the programs on Flask and gunicorn answer: JSON with `success`, `status` and `user`, and their refusals.
//!
//! Facts: kubeflow/kubeflow v1.9.2 `components/crud-web-apps/common/backend/kubeflow/kubeflow/crud_backend`, and recorded
//! exchanges.

use axum::body::Body;
use http::header::{CONTENT_TYPE, HeaderValue, SERVER};
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

/// The longest header line that gunicorn reads (`limit_request_field_size`).
const HEADER_LINE: usize = 8190;

/// Why a request is not served: a status, and the `log` that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// What the program says.
    pub log: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(status: u16, log: impl Into<String>) -> Self {
        Self { status, log: log.into() }
    }

    /// 400.
    pub fn bad_request(log: impl Into<String>) -> Self {
        Self::new(400, log)
    }

    /// 500, for whatever the program did not expect; the spelling is the real program's.
    pub fn backend() -> Self {
        Self::new(500, "An error occured in the backend.")
    }
}

/// What a route yields: the fields that are its own.
pub type Outcome = Result<Value, Refusal>;

/// An outcome as an answer for `user`, null if nobody was seen.
pub fn answer(outcome: Outcome, user: &Value) -> Response<Body> {
    match outcome {
        Ok(mut fields) => {
            if let Some(fields) = fields.as_object_mut() {
                fields.extend([
                    ("status".to_owned(), json!(200)),
                    ("success".to_owned(), json!(true)),
                    ("user".to_owned(), user.clone()),
                ]);
            }
            json_answer(StatusCode::OK, &fields)
        }
        Err(Refusal { status, log }) => {
            let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            json_answer(code, &json!({"log": log, "status": status, "success": false, "user": user}))
        }
    }
}

/// Any JSON.
pub fn json_answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(SERVER, HeaderValue::from_static("gunicorn"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Text of any type.
pub fn text_answer(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(SERVER, HeaderValue::from_static("gunicorn"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// gunicorn's refusal of a request with a header line that it does not read to its end: large session cookies do that.
pub fn too_large(headers: &HeaderMap) -> Option<Response<Body>> {
    let long = headers.iter().any(|(name, value)| name.as_str().len() + ": \r\n".len() + value.len() > HEADER_LINE);
    long.then(|| {
        let page = "<html>\n  <head>\n    <title>Request Header Fields Too Large</title>\n  </head>\n  <body>\n    \
                    <h1><p>Request Header Fields Too Large</p></h1>\n    Error parsing headers: &#x27;limit request \
                    headers fields size&#x27;\n  </body>\n</html>\n";
        let mut response = text_answer(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "text/html", page.to_owned());
        response.headers_mut().remove(SERVER);
        response
    })
}

/// A header's bytes as WSGI programs see them: each a character (Latin-1).
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The segments of a path as the router sees it: decoded first, so an encoded slash divides too; leading slashes are
/// one, a final one leaves an empty segment.
pub fn segments(path: &str) -> Vec<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).trim_start_matches('/').split('/').map(str::to_owned).collect()
}

/// A value as Python prints it in a sentence.
pub fn printed(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether Python counts a value as true.
pub fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_before_they_are_divided() {
        assert_eq!(segments("/api/namespaces/a%2fb/x"), ["api", "namespaces", "a", "b", "x"]);
        assert_eq!(segments("//api/"), ["api", ""]);
        assert_eq!(segments("/"), [""]);
        assert_eq!(segments("/%"), ["%"]);
        assert_eq!(segments("/%2"), ["%2"]);
        assert_eq!(segments("/%20"), [" "]);
    }

    #[test]
    fn header_lines_end_at_gunicorns_limit() {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", HeaderValue::from_str(&"x".repeat(8002)).unwrap());
        assert!(too_large(&headers).is_none());
        headers.insert("cookie", HeaderValue::from_str(&"x".repeat(8182)).unwrap());
        assert_eq!(too_large(&headers).unwrap().status(), 431);
    }
}
