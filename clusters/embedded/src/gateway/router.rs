//! Envoy's router: what a route does with a request that the filters let pass.

use std::sync::Arc;

use axum::body::Body;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, UPGRADE};
use http::{Method, Request, Response, StatusCode, Uri};

use super::config::Listener;
use super::routes::{Action, Forward, Redirect, Route};
use crate::mesh::{self, Caller, SERVICE_TIME, replies};
use crate::platform::World;

const ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");
const ATTEMPT_COUNT: HeaderName = HeaderName::from_static("x-envoy-attempt-count");
const EXPECTED_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");

/// Whether there is an answer for a request other than that there is no route.
pub(crate) fn has_route(listener: &Listener, request: &Request<Body>) -> bool {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    listener.redirects_to_tls || found(listener, request, &host(request.headers()), target).is_some()
}

fn found<'a>(listener: &'a Listener, request: &Request<Body>, host: &str, target: &str) -> Option<&'a Route> {
    // Without a path only a route for CONNECT could match, and Istio makes none.
    (request.method() != Method::CONNECT).then(|| listener.route(request.method(), host, target, request.headers()))?
}

/// Sends a request where its route leads.
pub(crate) async fn route(
    world: &Arc<World>,
    own: Caller,
    listener: &Listener,
    mut request: Request<Body>,
) -> Response<Body> {
    let host = host(request.headers());
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    if listener.redirects_to_tls {
        return to_tls(request.headers(), &host, &target);
    }
    let Some(route) = found(listener, &request, &host, &target) else {
        return replies::local(request.headers(), StatusCode::NOT_FOUND, "");
    };
    let mut reply = match &route.action {
        Action::Answer(status, text) => replies::local(request.headers(), *status, text),
        Action::Redirect(redirect) => redirect.reply(request.headers(), &host, &target),
        Action::Forward(forward) => {
            route.prepare(forward, &target, &mut request);
            let upgrades = request.headers().contains_key(UPGRADE);
            let sent = mesh::send(world, own, forward.destination(rand::random()), request);
            let reply = match forward.timeout {
                None => sent.await,
                Some(limit) => tokio::time::timeout(limit, sent).await.unwrap_or_else(|_| {
                    replies::local(&HeaderMap::new(), StatusCode::GATEWAY_TIMEOUT, replies::TIMEOUT)
                }),
            };
            if upgrades { of_upgrade(reply) } else { reply }
        }
    };
    route.response_headers.apply(reply.headers_mut());
    reply
}

/// What is left of an application's answer to an upgrade that it does not take: its status and headers, without the body
/// (`envoy.reloadable_features.check_switch_protocol_websocket_handshake`, on by default; seen with Envoy 1.36.2, for
/// every release here). Envoy's own answers keep theirs.
fn of_upgrade(mut reply: Response<Body>) -> Response<Body> {
    let from_application = reply.headers_mut().contains_key(&SERVICE_TIME);
    if from_application && reply.status() != StatusCode::SWITCHING_PROTOCOLS {
        *reply.body_mut() = Body::empty();
        reply.headers_mut().remove(CONTENT_TYPE);
        reply.headers_mut().remove(&SERVICE_TIME);
        reply.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    reply
}

/// What Envoy answers where a virtual host requires TLS: the same address with `https`.
fn to_tls(request: &HeaderMap, host: &str, target: &str) -> Response<Body> {
    let mut reply = replies::local(request, StatusCode::MOVED_PERMANENTLY, "");
    if let Ok(location) = HeaderValue::from_str(&format!("https://{host}{target}")) {
        reply.headers_mut().insert(LOCATION, location);
    }
    reply
}

fn host(headers: &HeaderMap) -> String {
    headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned()
}

impl Route {
    fn prepare(&self, forward: &Forward, target: &str, request: &mut Request<Body>) {
        if let Some(rewritten) = self.rewritten(forward, target)
            && let (Ok(uri), Ok(original)) = (rewritten.parse::<Uri>(), HeaderValue::from_str(target))
        {
            *request.uri_mut() = uri;
            request.headers_mut().insert(ORIGINAL_PATH, original);
        }
        let headers = request.headers_mut();
        if let Some(host) = &forward.rewrite_host {
            headers.insert(HOST, host.clone());
        }
        if let Some(limit) = forward.timeout {
            let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            headers.insert(EXPECTED_TIMEOUT, millis.into());
        }
        headers.insert(ATTEMPT_COUNT, 1.into());
        self.request_headers.apply(headers);
    }
}

impl Redirect {
    fn reply(&self, request: &HeaderMap, host: &str, target: &str) -> Response<Body> {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (target, String::new()),
        };
        let scheme = self.scheme.as_deref().unwrap_or("http");
        let name = self.host.as_deref().unwrap_or(host);
        let port = match self.port {
            Some(80) if scheme == "http" => String::new(),
            Some(443) if scheme == "https" => String::new(),
            Some(port) => format!(":{port}"),
            None => String::new(),
        };
        let name = if self.port.is_some() { crate::mesh::authorization::without_port(name) } else { name };
        let location = format!("{scheme}://{name}{port}{}{query}", self.path.as_deref().unwrap_or(path));
        let mut reply = replies::local(request, self.status, "");
        if let Ok(location) = HeaderValue::from_str(&location) {
            reply.headers_mut().insert(LOCATION, location);
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use axum::body::HttpBody as _;

    use super::*;

    /// A reply with a page, from an application or from Envoy itself, after the upgrade rule.
    fn kept(status: StatusCode, from_application: bool) -> (Option<u64>, bool) {
        let mut reply = Response::new(Body::from("a page"));
        *reply.status_mut() = status;
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        if from_application {
            reply.headers_mut().insert(SERVICE_TIME, HeaderValue::from_static("3"));
        }
        let reply = of_upgrade(reply);
        assert_eq!(reply.status(), status);
        let size = reply.body().size_hint().exact();
        (size, reply.headers().contains_key(CONTENT_TYPE))
    }

    #[test]
    fn an_application_that_takes_no_upgrade_is_left_its_status() {
        assert_eq!(kept(StatusCode::OK, true), (Some(0), false));
        assert_eq!(kept(StatusCode::NOT_FOUND, true), (Some(0), false));
        assert_eq!(kept(StatusCode::SERVICE_UNAVAILABLE, false), (Some(6), true));
        assert_eq!(kept(StatusCode::SWITCHING_PROTOCOLS, true), (Some(6), true));
    }
}
