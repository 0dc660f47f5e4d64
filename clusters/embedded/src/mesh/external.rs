//! Authorization by another service over HTTP (Envoy's `ext_authz` filter), configured by MeshConfig's
//! `extensionProviders` or by an EnvoyFilter.
//!
//! Source: Envoy's `ext_authz` HTTP client (`ext_authz_http_impl.cc`): the check repeats method and path, carries the
//! named headers and no body; 200 allows; a status of 500 and above, no answer or a time-out is an error, which refuses
//! with 403 unless told otherwise; every other answer is handed to the client.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION, TRANSFER_ENCODING, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;

use super::destination::Destination;
use super::settings::duration;
use super::text::Text;
use super::{Caller, replies, send};
use crate::object;
use crate::platform::World;

/// Envoy's limit on the headers of a request, pseudo-headers included.
const MOST_HEADERS: usize = 100;

/// How to ask.
#[derive(Debug, Clone)]
pub(crate) struct External {
    destination: Destination,
    path_prefix: String,
    timeout: Duration,
    /// What happens when there is no verdict: pass the request on, or refuse with this status.
    fail_open: bool,
    status_on_error: StatusCode,
    /// Request headers that the check carries, beside the ones it always does.
    check_headers: Vec<Name>,
    /// Headers that every check carries, whatever the request has.
    added_headers: Vec<(String, String)>,
    /// Headers of an allowing answer that replace the request's.
    upstream_headers: Vec<Name>,
    /// Headers of a denying answer that reach the client; all of them if not configured.
    downstream_headers: Option<Vec<Name>>,
}

/// A header name or a pattern of names.
#[derive(Debug, Clone)]
struct Name(Text);

impl Name {
    fn matches(&self, name: &HeaderName) -> bool {
        self.0.matches_ignoring_case(name.as_str())
    }
}

impl External {
    /// From `envoyExtAuthzHttp` of an extension provider.
    pub(crate) fn from_extension_provider(provider: &Value) -> Option<Self> {
        let names = |list: &str| {
            provider.get(list).and_then(Value::as_array).map(|names| {
                names.iter().filter_map(Value::as_str).map(|name| Name(Text::parse(name))).collect::<Vec<_>>()
            })
        };
        let port = provider.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok())?;
        // `service` may carry a namespace in front: `istio-system/authz.example.com`.
        let service = object::text(provider, "/service");
        let service = service.rsplit_once('/').map_or(service, |(_, host)| host);
        let mut check_headers = names("includeRequestHeadersInCheck").unwrap_or_default();
        check_headers.extend(names("includeHeadersInCheck").unwrap_or_default());
        Some(Self {
            destination: Destination::new(service, "", port),
            path_prefix: object::text(provider, "/pathPrefix").to_owned(),
            timeout: duration(object::text(provider, "/timeout")).unwrap_or(Duration::from_secs(600)),
            fail_open: provider.get("failOpen").and_then(Value::as_bool).unwrap_or(false),
            status_on_error: object::text(provider, "/statusOnError").parse().unwrap_or(StatusCode::FORBIDDEN),
            check_headers,
            added_headers: provider
                .get("includeAdditionalHeadersInCheck")
                .and_then(Value::as_object)
                .map(|headers| {
                    headers.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.into()))).collect()
                })
                .unwrap_or_default(),
            upstream_headers: names("headersToUpstreamOnAllow").unwrap_or_default(),
            downstream_headers: names("headersToDownstreamOnDeny"),
        })
    }

    /// From the `typed_config` of an `ext_authz` filter that an EnvoyFilter inserts.
    pub(crate) fn from_filter(config: &Value) -> Option<Self> {
        let service = config.get("http_service").or_else(|| config.get("httpService"))?;
        let either = |value: &Value, one: &str, other: &str| value.pointer(one).or(value.pointer(other)).cloned();
        let cluster = object::text(service, "/server_uri/cluster");
        let mut parts = cluster.split('|');
        let (Some("outbound"), Some(port), Some(_), Some(host)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let names = |section: &str, list: &str| {
            either(service, &format!("/{section}/{list}/patterns"), "")
                .as_ref()
                .and_then(Value::as_array)
                .map(|patterns| patterns.iter().filter_map(name_pattern).collect::<Vec<_>>())
        };
        Some(Self {
            destination: Destination::new(host, "", port.parse().ok()?),
            path_prefix: object::text(service, "/path_prefix").to_owned(),
            timeout: duration(object::text(service, "/server_uri/timeout")).unwrap_or(Duration::from_millis(200)),
            fail_open: config.get("failure_mode_allow").and_then(Value::as_bool).unwrap_or(false),
            status_on_error: StatusCode::FORBIDDEN,
            check_headers: names("authorization_request", "allowed_headers").unwrap_or_default(),
            added_headers: Vec::new(),
            upstream_headers: names("authorization_response", "allowed_upstream_headers").unwrap_or_default(),
            downstream_headers: names("authorization_response", "allowed_client_headers"),
        })
    }

    /// Asks; on allow the request's headers are changed, on deny the client's answer comes back.
    pub(crate) async fn check(
        &self,
        world: &Arc<World>,
        caller: &Caller,
        method: &Method,
        path_and_query: &str,
        headers: &mut HeaderMap,
    ) -> Result<(), Box<Response<Body>>> {
        let answer = match self.request(method, path_and_query, headers) {
            Some(request) => {
                let sent = send(world, caller.clone(), &self.destination, request);
                tokio::time::timeout(self.timeout, Box::pin(sent)).await.ok()
            }
            None => None,
        };
        match answer {
            Some(answer) if answer.status() == StatusCode::OK => self.allow(&answer, headers),
            Some(answer) if !answer.status().is_server_error() => Err(Box::new(self.deny(answer, headers).await)),
            _ if self.fail_open => Ok(()),
            _ => Err(Box::new(replies::local(headers, self.status_on_error, ""))),
        }
    }

    fn request(&self, method: &Method, path_and_query: &str, headers: &HeaderMap) -> Option<Request<Body>> {
        let mut check = Request::builder()
            .method(method)
            .uri(format!("{}{path_and_query}", self.path_prefix))
            .body(Body::empty())
            .ok()?;
        for (name, values) in joined(headers) {
            let carried =
                name == HOST || name == AUTHORIZATION || self.check_headers.iter().any(|wanted| wanted.matches(&name));
            if carried {
                check.headers_mut().insert(name, values);
            }
        }
        for (name, value) in &self.added_headers {
            check.headers_mut().insert(name.parse::<HeaderName>().ok()?, value.parse().ok()?);
        }
        check.headers_mut().insert(CONTENT_LENGTH, 0.into());
        Some(check)
    }

    fn allow(&self, answer: &Response<Body>, headers: &mut HeaderMap) -> Result<(), Box<Response<Body>>> {
        for name in answer.headers().keys() {
            if self.upstream_headers.iter().any(|wanted| wanted.matches(name)) {
                headers.remove(name);
                for value in answer.headers().get_all(name) {
                    headers.append(name.clone(), value.clone());
                }
            }
        }
        // Method, scheme and path count, too; the authority stands as `host`.
        if headers.len() + 3 > MOST_HEADERS {
            return Err(Box::new(replies::local(headers, StatusCode::INTERNAL_SERVER_ERROR, "")));
        }
        Ok(())
    }

    async fn deny(&self, answer: Response<Body>, request_headers: &HeaderMap) -> Response<Body> {
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let text = String::from_utf8_lossy(&body).into_owned();
        let is_grpc = replies::wants_grpc(request_headers);
        let mut reply = replies::local(request_headers, head.status, &text);
        if !is_grpc {
            reply.headers_mut().remove(CONTENT_TYPE);
        }
        // Envoy drops the type of a body that is not there, as in the answer to HEAD.
        let drops_type = is_grpc || text.is_empty();
        for (name, value) in &head.headers {
            let passes = match &self.downstream_headers {
                None => name != TRANSFER_ENCODING,
                Some(names) => {
                    *name == LOCATION || *name == WWW_AUTHENTICATE || names.iter().any(|wanted| wanted.matches(name))
                }
            };
            if passes && name != CONTENT_LENGTH && !(drops_type && name == CONTENT_TYPE) {
                reply.headers_mut().append(name.clone(), value.clone());
            }
        }
        reply
    }
}

/// The headers of a request with the copies of each joined by a comma, as the check carries them.
fn joined(headers: &HeaderMap) -> Vec<(HeaderName, http::HeaderValue)> {
    let join = |name: &HeaderName| {
        let values: Vec<_> = headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
        http::HeaderValue::from_bytes(&values.join(&b","[..])).ok()
    };
    headers.keys().filter_map(|name| Some((name.clone(), join(name)?))).collect()
}

/// A `StringMatcher` of Envoy.
fn name_pattern(pattern: &Value) -> Option<Name> {
    let text = |name: &str| pattern.get(name).and_then(Value::as_str).map(str::to_owned);
    let exact = text("exact").map(Text::Exact);
    let prefix = || text("prefix").map(Text::Prefix);
    let suffix = || text("suffix").map(Text::Suffix);
    Some(Name(exact.or_else(prefix).or_else(suffix)?))
}
