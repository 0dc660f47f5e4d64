//! What Envoy's HTTP connection manager does with a request before the filters: checks, normal path, headers that only
//! proxies may set.
//!
//! Source: Envoy's `conn_manager_impl.cc`, `conn_manager_utility.cc` and `http/utility.cc` at 1.36, and the recordings.

use std::net::IpAddr;

use axum::body::Body;
use http::header::{CONNECTION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TE, UPGRADE};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use uuid::Uuid;

use super::path;
use super::preamble::{LARGEST_HEAD, MOST_HEADERS};
use crate::mesh::replies;

/// Why a request is not let in.
pub(crate) enum Rejected {
    /// With an answer.
    Reply(Box<Response<Body>>),
    /// Without: the stream or connection is closed.
    Close,
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const EXTERNAL_ADDRESS: HeaderName = HeaderName::from_static("x-envoy-external-address");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Headers that only proxies inside the mesh may set; Envoy removes them from requests that come from outside.
const INTERNAL: [&str; 22] = [
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    "x-envoy-max-retries",
    "x-envoy-original-url",
    "x-envoy-peer-metadata",
    "x-envoy-peer-metadata-id",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
    "x-forwarded-client-cert",
];

/// The methods that Envoy's HTTP/1 parser knows (`balsa_parser.cc`), in capitals only.
const METHODS: [&str; 34] = [
    "ACL",
    "BIND",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// Headers that Envoy keeps as one value each: copies are joined by a comma (its "inline" headers).
const JOINED: [&str; 16] = [
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "content-type",
    "expect",
    "grpc-timeout",
    "origin",
    "referer",
    "te",
    "user-agent",
    "via",
    "x-forwarded-host",
    "x-forwarded-port",
];

/// Checks and prepares a request that came from `client`.
pub(crate) fn admit(client: IpAddr, mut request: Request<Body>) -> Result<Request<Body>, Rejected> {
    let reply = |request: &Request<Body>, status, text| {
        Err(Rejected::Reply(Box::new(replies::local(request.headers(), status, text))))
    };
    let is_http2 = request.version() == Version::HTTP_2;
    if request.version() < Version::HTTP_11 {
        return reply(&request, StatusCode::UPGRADE_REQUIRED, "Upgrade Required");
    }
    if !is_http2 && !METHODS.contains(&request.method().as_str()) {
        return reply(&request, StatusCode::BAD_REQUEST, "Bad Request");
    }
    if request.headers().len() > MOST_HEADERS || head_size(&request) > LARGEST_HEAD {
        let text = "Request Header Fields Too Large";
        return reply(&request, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, text);
    }
    if let Some(authority) = request.uri().authority() {
        // The authority of an absolute target, or of HTTP/2, replaces Host.
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Rejected::Close)?;
        request.headers_mut().insert(HOST, host);
    }
    match request.headers().get(HOST).map(HeaderValue::as_bytes) {
        None | Some([]) => return reply(&request, StatusCode::BAD_REQUEST, ""),
        Some(host) if !is_authority(host) => return reply(&request, StatusCode::BAD_REQUEST, "Bad Request"),
        Some(_) => {}
    }
    if request.method() != Method::CONNECT {
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        if !target.starts_with('/') {
            // HTTP/2 resets such a stream; HTTP/1 only gets here with `OPTIONS *`.
            return if is_http2 { Err(Rejected::Close) } else { reply(&request, StatusCode::NOT_FOUND, "") };
        }
        let Some(target) = path::normalise(target).and_then(|target| target.parse::<Uri>().ok()) else {
            return reply(&request, StatusCode::BAD_REQUEST, "");
        };
        *request.uri_mut() = target;
    } else {
        *request.uri_mut() = Uri::from_static("/");
    }
    if !connection_headers(request.headers_mut()) {
        return reply(&request, StatusCode::BAD_REQUEST, "");
    }
    if let Some(upgrade) = request.headers().get(UPGRADE)
        && !upgrade.as_bytes().eq_ignore_ascii_case(b"websocket")
    {
        return reply(&request, StatusCode::FORBIDDEN, "");
    }
    join_repeated(request.headers_mut());
    proxy_headers(client, request.headers_mut());
    if is_http2 {
        join_cookies(request.headers_mut());
    }
    Ok(request)
}

/// Size of the head as HTTP/1 would write it.
fn head_size(request: &Request<Body>) -> usize {
    let line =
        request.method().as_str().len() + request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let headers: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    line + "  HTTP/1.1\r\n\r\n".len() + headers
}

/// Whether Envoy takes the bytes for an authority (RFC 3986 3.2).
fn is_authority(host: &[u8]) -> bool {
    host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@[]".contains(byte))
}

/// Removes what concerns only this connection, and what the Connection header names. `false` if it names what may not be
/// removed.
fn connection_headers(headers: &mut HeaderMap) -> bool {
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for name in &named {
        match name.as_str() {
            "close" | "keep-alive" | "upgrade" | "http2-settings" | "connection" | "te" | "" => {}
            "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto" => return false,
            name if name.starts_with(':') => return false,
            name => {
                headers.remove(name);
            }
        }
    }
    let upgrades = named.iter().any(|name| name == "upgrade") && headers.contains_key(UPGRADE);
    let is_h2c = headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"h2c"));
    if !upgrades || is_h2c {
        headers.remove(UPGRADE);
        headers.remove(CONNECTION);
    }
    headers.remove(HTTP2_SETTINGS);
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    if headers.get(TE).is_some_and(|value| value != "trailers") {
        headers.remove(TE);
    }
    true
}

/// Sets what the gateway knows of the client, and removes what the client may not say.
fn proxy_headers(client: IpAddr, headers: &mut HeaderMap) {
    for name in INTERNAL {
        headers.remove(name);
    }
    let address = client.to_string();
    let before: Vec<_> = headers.get_all(&FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    let forwarded = before.into_iter().chain([address.as_str()]).collect::<Vec<_>>().join(",");
    for (name, value) in [
        (FORWARDED_FOR, forwarded),
        (FORWARDED_PROTO, "http".to_owned()),
        (EXTERNAL_ADDRESS, address),
        (REQUEST_ID, Uuid::new_v4().to_string()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// Joins the copies of headers of which Envoy keeps one.
fn join_repeated(headers: &mut HeaderMap) {
    for name in JOINED {
        let copies: Vec<_> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        if copies.len() > 1
            && let Ok(value) = HeaderValue::from_bytes(&copies.join(&b","[..]))
        {
            headers.insert(name, value);
        }
    }
}

/// HTTP/2 may split the Cookie header; for HTTP/1 it is put together again (RFC 9113 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(COOKIE, cookie);
    }
}
