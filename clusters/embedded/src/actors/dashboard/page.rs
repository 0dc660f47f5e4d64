//! The dashboard's page: the marks by which the real one is known, and a small script of our own that makes it usable.

use axum::body::Body;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Response, StatusCode};
use serde_json::json;

use super::express;

/// `/healthz`; the spelling is the real program's.
pub fn health() -> Response<Body> {
    express::json(StatusCode::OK, &json!({"codeEnvironment": "production", "message": "I tick, therfore I am!"}))
}

/// Every path that is no route.
pub fn index() -> Response<Body> {
    file("text/html; charset=UTF-8", include_str!("page/index.html"))
}

/// The page's script.
pub fn script() -> Response<Body> {
    file("application/javascript; charset=UTF-8", include_str!("page/app.js"))
}

/// The page's style.
pub fn style() -> Response<Body> {
    file("text/css; charset=UTF-8", include_str!("page/app.css"))
}

/// What the applications load to learn the namespace from the page around them. Ours tells them nothing.
pub fn library() -> Response<Body> {
    file("application/javascript; charset=UTF-8", "window.centraldashboard = { CentralDashboardEventHandler: {} };\n")
}

fn file(content_type: &'static str, body: &str) -> Response<Body> {
    let mut response = express::respond(StatusCode::OK, content_type, body.to_owned());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=0"));
    response
}
