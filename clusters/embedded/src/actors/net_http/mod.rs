//! How a server written with Go's `net/http` reads requests and writes answers: Dex, oauth2-proxy and
//! oidc-authservice all are, and clients see its habits (the body of a redirect, the text of a 404, which form values
//! count). Facts: Go's `net/http` and `net/url`.

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};

pub mod cookie;
pub mod escape;
pub mod form;
pub mod path;
pub mod redirect;

/// An answer with a body of a content type.
#[must_use]
pub fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer of one line of text, as `http.Error` writes it: with a line feed, and no sniffing of its type.
#[must_use]
pub fn error(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = answer(status, "text/plain; charset=utf-8", format!("{text}\n"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What a path that nobody handles gets.
#[must_use]
pub fn not_found() -> Response<Body> {
    error(StatusCode::NOT_FOUND, "404 page not found")
}

/// Sets a header to a text that may hold anything: line breaks become blanks, as Go's header writer does it, and other
/// control characters are dropped.
pub fn set_header(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    headers.insert(name, header_value(text));
}

/// A header value of a text that may hold anything, see [`set_header`].
#[must_use]
pub fn header_value(text: &str) -> HeaderValue {
    let bytes: Vec<u8> = text
        .bytes()
        .map(|byte| if byte == b'\n' || byte == b'\r' { b' ' } else { byte })
        .filter(|byte| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f))
        .collect();
    HeaderValue::from_bytes(bytes.trim_ascii()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// A header's first value as text; empty if absent. Bytes that are no UTF-8 are replaced.
#[must_use]
pub fn header_text(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

/// What the server refuses before any handler sees it: a path that does not decode, a host that cannot be one.
#[must_use]
pub fn refusal(request: &Request<Body>) -> Option<Response<Body>> {
    let host = request.headers().get(header::HOST).map_or(&[][..], HeaderValue::as_bytes);
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=[]_~".contains(byte);
    let text = if escape::unescape_path(request.uri().path()).is_err() {
        "400 Bad Request"
    } else if !host.iter().all(allowed) {
        "400 Bad Request: malformed Host header"
    } else {
        return None;
    };
    Some(answer(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", text))
}
