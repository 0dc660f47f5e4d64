//! Static files below `/oauth2/static/`: the names that upstream's pages use, with contents of our own.

use axum::body::Body;
use http::{HeaderValue, Method, Response, StatusCode, header};

use crate::actors::net_http::{answer, not_found};

const FILES: &[&str] = &["/static/css/bulma.min.css", "/static/css/all.min.css"];

/// Serves a file.
pub fn serve(method: &Method, path: &str) -> Response<Body> {
    if !FILES.contains(&path) {
        return not_found();
    }
    let body = if method == Method::HEAD { "" } else { "body { margin: 0; }\n" };
    let mut response = answer(StatusCode::OK, "text/css; charset=utf-8", body);
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}
