//! An echo server in place of applications: it answers with what arrived, so that what the gateway makes of a request can
//! be seen from outside.
//!
//! It plays every container whose image is named `echo`, and, while the switch `echo` is on, every container but those of
//! the login chain.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::{Actor, Visit, repository};
use crate::object;
use crate::platform::World;
use crate::switches;

/// The switch that puts the echo in place of the applications.
pub const SWITCH: &str = "echo";

/// Programs that the echo never replaces: they are what is looked at.
const LOGIN_CHAIN: [&str; 3] = ["dex", "oauth2-proxy", "oidc-authservice"];

const BACKEND: HeaderName = HeaderName::from_static("x-lab-backend");
const ECHO: HeaderName = HeaderName::from_static("x-lab-echo");

/// The echo server.
pub struct Echo;

/// The echo, if it stands in place of an image.
pub(crate) fn in_place_of(world: &World, image: &str) -> Option<&'static dyn Actor> {
    let program = repository(image).rsplit('/').next().unwrap_or_default();
    (program == "echo" || (!LOGIN_CHAIN.contains(&program) && switches::is_on(&world.store, SWITCH)))
        .then_some(&Echo as &dyn Actor)
}

impl Actor for Echo {
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let said = said(&visit, &request).to_string();
        let upgrades =
            request.headers().get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let reply = if upgrades { switched(&said) } else { plain(said) };
        Box::pin(std::future::ready(reply))
    }
}

/// What arrived. The route is the name of the container.
fn said(visit: &Visit, request: &Request<Body>) -> Value {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| {
            json!([name.as_str(), value.as_bytes().iter().map(|byte| char::from(*byte)).collect::<String>()])
        })
        .collect();
    json!({
        "backend": "echo",
        "route": visit.container,
        "pod": object::name(&visit.pod),
        "request_line": format!("{} {target} HTTP/1.1", request.method()),
        "headers": headers,
    })
}

fn plain(said: String) -> Response<Body> {
    let mut reply = Response::new(Body::from(said));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply.headers_mut().insert(BACKEND, HeaderValue::from_static("echo"));
    reply
}

/// Accepts a websocket and says in a header what arrived; the connection carries nothing further.
fn switched(said: &str) -> Response<Body> {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = reply.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(echo) = HeaderValue::from_str(&STANDARD.encode(said)) {
        headers.insert(ECHO, echo);
    }
    reply
}
