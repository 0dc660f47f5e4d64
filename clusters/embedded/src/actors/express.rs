//! How programs on Express (Node.js) answer: the dashboard and the pipelines UI.

use axum::body::Body;
use http::{Method, Response, StatusCode, header};
use serde_json::Value;

/// A JSON answer.
pub fn json(status: StatusCode, body: &Value) -> Response<Body> {
    respond(status, "application/json; charset=utf-8", body.to_string())
}

/// `{"error": …}`.
pub fn error(status: StatusCode, message: &str) -> Response<Body> {
    json(status, &serde_json::json!({"error": message}))
}

/// What Express says when no route takes a request.
pub fn cannot(method: &Method, path: &str) -> Response<Body> {
    page(StatusCode::NOT_FOUND, &format!("Cannot {method} {}", escape(path)))
}

/// Express' page for an error; `line` is HTML.
pub fn page(status: StatusCode, line: &str) -> Response<Body> {
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n\
         <body>\n<pre>{line}</pre>\n</body>\n</html>\n"
    );
    respond(status, "text/html; charset=utf-8", page)
}

/// A GET route's answer to OPTIONS.
pub fn options() -> Response<Body> {
    let mut response = respond(StatusCode::OK, "text/html; charset=utf-8", "GET,HEAD".into());
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET,HEAD"));
    response
}

/// Any answer.
pub fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("x-powered-by", header::HeaderValue::from_static("Express"));
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

/// A path as Express' router compares it: any case, doubled slashes and a final one forgiven.
pub fn route(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    format!("/{}", parts.join("/")).to_ascii_lowercase()
}

/// Text as HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
