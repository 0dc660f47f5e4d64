//! What a workload's proxy does with a request before the workload sees it: the filters in Istio's order.
//!
//! Source: istiod's `listener_builder.go` (CUSTOM authorization, token authentication, then DENY and ALLOW), confirmed
//! against the filter chain that istiod 1.22 and 1.26 send.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, HOST, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::Value;

use super::authentication::{JwtRule, Refusal, authenticate};
use super::authorization::{Action, Attributes, Policy, Rule};
use super::config::Config;
use super::external::External;
use super::jwt::JwtError;
use super::{Caller, replies};
use crate::platform::World;

/// The filters of one workload, put together once.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    custom: Option<Custom>,
    tokens: Vec<Arc<JwtRule>>,
    deny: Vec<Arc<Policy>>,
    /// `None` when no ALLOW policy holds: then everything is allowed.
    allow: Option<Vec<Arc<Policy>>>,
}

#[derive(Debug)]
struct Custom {
    policies: Vec<Arc<Policy>>,
    /// `None` for a provider that MeshConfig does not know: istiod then refuses what the rules match.
    provider: Option<External>,
}

/// Who sends, as the proxy sees it.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Known by mutual TLS.
    pub(crate) principal: Option<String>,
    pub(crate) source: IpAddr,
    pub(crate) remote: IpAddr,
    /// Port of the workload.
    pub(crate) port: u16,
    /// Whether the proxy has a route for the request. About one that has none Envoy's `ext_authz` asks nobody
    /// (`source/extensions/filters/http/ext_authz/ext_authz.cc`: the check is skipped without a route), while tokens and
    /// the other policies are looked at all the same.
    pub(crate) routed: bool,
}

impl Inbound {
    /// Puts together what holds for a pod.
    pub(crate) fn of(config: &Config, pod: &Value) -> Self {
        let root = &config.settings.root_namespace;
        let policies = |action: Action| -> Vec<Arc<Policy>> {
            let held = config.policies.iter().filter(|policy| policy.action == action && policy.selects(root, pod));
            held.cloned().collect()
        };
        let custom = policies(Action::Custom);
        let allow = policies(Action::Allow);
        let tokens = config
            .authentications
            .iter()
            .filter(|one| super::authorization::selects(&one.namespace, one.selector.as_ref(), root, pod))
            .flat_map(|one| one.rules.iter().cloned())
            .collect();
        Self {
            custom: custom.first().map(|first| Custom {
                provider: config
                    .settings
                    .providers
                    .iter()
                    .find(|(name, _)| *name == first.provider)
                    .map(|(_, one)| one.clone()),
                policies: custom.clone(),
            }),
            tokens,
            deny: policies(Action::Deny),
            allow: (!allow.is_empty()).then_some(allow),
        }
    }

    /// Lets a request pass, or answers it. Headers are changed as the filters do.
    pub(crate) async fn admit(
        &self,
        world: &Arc<World>,
        own: &Caller,
        peer: &Peer,
        request: &mut Request<Body>,
    ) -> Result<(), Box<Response<Body>>> {
        let method = request.method().clone();
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let headers = request.headers_mut();
        if let Some(custom) = &self.custom
            && peer.routed
            && matched(&custom.policies, &attributes(&method, path, headers, peer, None))
        {
            match &custom.provider {
                Some(provider) => provider.check(world, own, &method, &target, headers).await?,
                None => return Err(denied(headers)),
            }
        }
        let mut claims = None;
        if !self.tokens.is_empty() && !is_preflight(&method, headers) {
            claims = match authenticate(world, &self.tokens, headers, query).await {
                Ok(claims) => claims,
                Err(refusal) => return Err(Box::new(refused(&refusal, headers, &target))),
            };
        }
        let seen = attributes(&method, path, headers, peer, claims.as_ref());
        let allowed = self.allow.as_ref().is_none_or(|allow| matched(allow, &seen));
        if matched(&self.deny, &seen) || !allowed {
            return Err(denied(headers));
        }
        Ok(())
    }
}

fn denied(headers: &HeaderMap) -> Box<Response<Body>> {
    Box::new(replies::local(headers, StatusCode::FORBIDDEN, replies::ACCESS_DENIED))
}

fn matched(policies: &[Arc<Policy>], seen: &Attributes<'_>) -> bool {
    policies.iter().flat_map(|policy| &policy.rules).any(|rule: &Rule| rule.matches(seen))
}

fn attributes<'a>(
    method: &'a Method,
    path: &'a str,
    headers: &'a HeaderMap,
    peer: &'a Peer,
    claims: Option<&'a Value>,
) -> Attributes<'a> {
    Attributes {
        method,
        path,
        host: headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
        headers,
        port: peer.port,
        principal: peer.principal.as_deref(),
        source: peer.source,
        remote: peer.remote,
        claims,
    }
}

/// A CORS preflight, which the token filter lets pass untouched (Istio sets `bypass_cors_preflight`).
fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    let present = |name| headers.get(name).is_some_and(|value: &HeaderValue| !value.is_empty());
    method == Method::OPTIONS && present(ORIGIN) && present(ACCESS_CONTROL_REQUEST_METHOD)
}

fn refused(refusal: &Refusal, headers: &HeaderMap, target: &str) -> Response<Body> {
    match refusal {
        Refusal::Token(error) => {
            let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            // Envoy, source/extensions/filters/http/jwt_authn/filter.cc: the audience alone is answered by 403.
            let status = match error {
                JwtError::Audience => StatusCode::FORBIDDEN,
                _ => StatusCode::UNAUTHORIZED,
            };
            let mut reply = replies::local(headers, status, &error.to_string());
            let realm = format!("http://{host}{target}");
            // Envoy cuts the path of the realm at 256 bytes.
            let limit = "http://".len() + host.len() + 256;
            let realm = realm.get(..limit).unwrap_or(&realm);
            let value = format!("Bearer realm=\"{realm}\", error=\"invalid_token\"");
            if let Ok(value) = HeaderValue::from_str(&value) {
                reply.headers_mut().insert(WWW_AUTHENTICATE, value);
            }
            reply
        }
        Refusal::Header(name) => {
            let text = format!("invalid header value for: {name}");
            replies::local(headers, StatusCode::SERVICE_UNAVAILABLE, &text)
        }
    }
}
