//! Routes of VirtualServices: what they match and where they lead.
//!
//! Source: Istio's VirtualService reference; istiod's `pilot/pkg/networking/core/route` (one route a match, nothing
//! after a catch-all of the same VirtualService, catch-alls last when several share a host).

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use regex::Regex;
use serde_json::Value;
use url::form_urlencoded;

use crate::mesh::destination::Destination;
use crate::mesh::settings::duration;
use crate::object;

/// One route.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    matches: Match,
    pub(crate) action: Action,
    pub(crate) request_headers: HeaderChanges,
    pub(crate) response_headers: HeaderChanges,
}

/// What a route does.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Forward(Forward),
    Redirect(Redirect),
    Answer(StatusCode, String),
}

/// Sending a request on.
#[derive(Debug, Clone)]
pub(crate) struct Forward {
    /// Destinations and their weights.
    destinations: Vec<(Destination, u64)>,
    rewrite_path: Option<String>,
    pub(crate) rewrite_host: Option<HeaderValue>,
    pub(crate) timeout: Option<Duration>,
}

/// Sending the client elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Redirect {
    pub(crate) path: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) scheme: Option<String>,
    pub(crate) port: Option<u64>,
    pub(crate) status: StatusCode,
}

/// Headers to set, add and remove.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeaderChanges {
    set: Vec<(HeaderName, HeaderValue)>,
    add: Vec<(HeaderName, HeaderValue)>,
    remove: Vec<HeaderName>,
}

#[derive(Debug, Clone, Default)]
struct Match {
    path: Option<Text>,
    ignore_case: bool,
    method: Option<Text>,
    authority: Option<Text>,
    headers: Vec<(HeaderName, Text)>,
    without_headers: Vec<(HeaderName, Text)>,
    parameters: Vec<(String, Text)>,
}

/// Istio's `StringMatch`.
#[derive(Debug, Clone)]
enum Text {
    Exact(String),
    Prefix(String),
    Regex(Regex),
    Present,
    /// A pattern that does not compile: istiod drops such a route, so nothing matches.
    Never,
}

impl Text {
    fn read(value: &Value) -> Self {
        let text = |name| value.get(name).and_then(Value::as_str);
        match (text("exact"), text("prefix"), text("regex")) {
            (Some(exact), _, _) => Self::Exact(exact.to_owned()),
            (_, Some(prefix), _) => Self::Prefix(prefix.to_owned()),
            (_, _, Some("*")) => Self::Present,
            (_, _, Some(regex)) => Regex::new(&format!("^(?:{regex})$")).map_or(Self::Never, Self::Regex),
            _ => Self::Present,
        }
    }

    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Exact(wanted) => value == wanted,
            Self::Prefix(wanted) => value.starts_with(wanted.as_str()),
            Self::Regex(regex) => regex.is_match(value),
            Self::Present => true,
            Self::Never => false,
        }
    }

    fn matches_ignoring_case(&self, value: &str) -> bool {
        let folded = |text: &str| text.to_lowercase();
        match self {
            Self::Exact(wanted) => folded(value) == folded(wanted),
            Self::Prefix(wanted) => folded(value).starts_with(&folded(wanted)),
            _ => self.matches(value),
        }
    }
}

impl Match {
    fn read(value: &Value) -> Self {
        let text = |name: &str| value.get(name).map(Text::read);
        let entries = |name: &str| value.get(name).and_then(Value::as_object).into_iter().flatten();
        let headers = |name: &str| {
            entries(name).filter_map(|(name, value)| Some((name.parse().ok()?, Text::read(value)))).collect()
        };
        Self {
            path: text("uri"),
            ignore_case: value.get("ignoreUriCase").and_then(Value::as_bool).unwrap_or(false),
            method: text("method"),
            authority: text("authority"),
            headers: headers("headers"),
            without_headers: headers("withoutHeaders"),
            parameters: entries("queryParams").map(|(name, value)| (name.clone(), Text::read(value))).collect(),
        }
    }

    fn holds(&self, method: &Method, host: &str, path: &str, query: &str, headers: &HeaderMap) -> bool {
        let path_fits = self.path.as_ref().is_none_or(|wanted| {
            if self.ignore_case { wanted.matches_ignoring_case(path) } else { wanted.matches(path) }
        });
        let header_fits = |(name, wanted): &(HeaderName, Text)| {
            let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).peekable();
            values.peek().is_some() && wanted.matches(&values.collect::<Vec<_>>().join(","))
        };
        path_fits
            && self.method.as_ref().is_none_or(|wanted| wanted.matches(method.as_str()))
            && self.authority.as_ref().is_none_or(|wanted| wanted.matches(host))
            && self.headers.iter().all(header_fits)
            && !self.without_headers.iter().any(header_fits)
            && self.parameters.iter().all(|(name, wanted)| {
                form_urlencoded::parse(query.as_bytes())
                    .any(|(key, value)| key == name.as_str() && wanted.matches(&value))
            })
    }

    /// Whether every request matches.
    fn is_catch_all(&self) -> bool {
        let path = match &self.path {
            None | Some(Text::Present) => true,
            Some(Text::Prefix(prefix)) => prefix == "/",
            Some(Text::Regex(regex)) => regex.as_str() == "^(?:.*)$",
            Some(Text::Exact(_) | Text::Never) => false,
        };
        path && self.method.is_none()
            && self.authority.is_none()
            && self.headers.is_empty()
            && self.without_headers.is_empty()
            && self.parameters.is_empty()
    }
}

impl HeaderChanges {
    fn read(value: Option<&Value>) -> Self {
        let Some(value) = value else { return Self::default() };
        let pairs = |name: &str| {
            let entries = value.get(name).and_then(Value::as_object).into_iter().flatten();
            entries.filter_map(|(name, value)| Some((name.parse().ok()?, value.as_str()?.parse().ok()?))).collect()
        };
        Self {
            set: pairs("set"),
            add: pairs("add"),
            remove: object::list(value, "/remove").iter().filter_map(|name| name.as_str()?.parse().ok()).collect(),
        }
    }

    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.add {
            headers.append(name.clone(), value.clone());
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
    }
}

impl Forward {
    fn read(route: &Value, namespace: &str) -> Option<Self> {
        let destinations: Vec<_> = object::list(route, "/route")
            .iter()
            .map(|one| {
                let port = one.pointer("/destination/port/number").and_then(Value::as_u64);
                let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
                let host = object::text(one, "/destination/host");
                (Destination::new(host, namespace, port), one.get("weight").and_then(Value::as_u64).unwrap_or(0))
            })
            .collect();
        let text = |pointer| Some(object::text(route, pointer)).filter(|text| !text.is_empty());
        (!destinations.is_empty()).then(|| Self {
            destinations,
            rewrite_path: text("/rewrite/uri").map(str::to_owned),
            rewrite_host: text("/rewrite/authority").and_then(|host| host.parse().ok()),
            timeout: text("/timeout").and_then(duration).filter(|limit| !limit.is_zero()),
        })
    }

    /// One of the destinations; `lot` decides between weights.
    pub(crate) fn destination(&self, lot: u64) -> &Destination {
        let total: u64 = self.destinations.iter().map(|(_, weight)| weight).sum();
        let mut rest = if total == 0 { 0 } else { lot % total };
        for (destination, weight) in &self.destinations {
            if rest < *weight {
                return destination;
            }
            rest -= weight;
        }
        &self.destinations[0].0
    }
}

impl Redirect {
    fn read(redirect: &Value) -> Self {
        let text = |name| Some(object::text(redirect, name)).filter(|text| !text.is_empty()).map(str::to_owned);
        let status = redirect.get("redirectCode").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        Self {
            path: text("/uri"),
            host: text("/authority"),
            scheme: text("/scheme"),
            port: redirect.get("port").and_then(Value::as_u64),
            status: status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::MOVED_PERMANENTLY),
        }
    }
}

impl Route {
    /// The routes of one VirtualService for one gateway (`namespace/name`).
    pub(crate) fn read_all(service: &Value, gateways: &[String]) -> Vec<Self> {
        let namespace = object::namespace(service);
        let mut routes = Vec::new();
        for route in object::list(service, "/spec/http") {
            let action = if let Some(redirect) = route.get("redirect") {
                Action::Redirect(Redirect::read(redirect))
            } else if let Some(answer) = route.get("directResponse") {
                let status = answer.get("status").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
                let status = status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::OK);
                Action::Answer(status, object::text(answer, "/body/string").to_owned())
            } else if let Some(forward) = Forward::read(route, namespace) {
                Action::Forward(forward)
            } else {
                continue;
            };
            let plain = [Value::Null];
            let matches = match object::list(route, "/match") {
                [] => &plain[..],
                matches => matches,
            };
            for one in matches {
                let own_gateways = object::list(one, "/gateways");
                let concerned = own_gateways.is_empty()
                    || own_gateways
                        .iter()
                        .filter_map(Value::as_str)
                        .any(|name| gateways.contains(&full_name(name, namespace)));
                if !concerned {
                    continue;
                }
                let matches = Match::read(one);
                let last = matches.is_catch_all();
                routes.push(Self {
                    matches,
                    action: action.clone(),
                    request_headers: HeaderChanges::read(route.pointer("/headers/request")),
                    response_headers: HeaderChanges::read(route.pointer("/headers/response")),
                });
                if last {
                    return routes;
                }
            }
        }
        routes
    }

    pub(crate) fn matches(&self, method: &Method, host: &str, target: &str, headers: &HeaderMap) -> bool {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        self.matches.holds(method, host, path, query, headers)
    }

    pub(crate) fn is_catch_all(&self) -> bool {
        self.matches.is_catch_all()
    }

    /// The target after the route's rewrite, or `None` if it rewrites nothing.
    pub(crate) fn rewritten(&self, forward: &Forward, target: &str) -> Option<String> {
        let rewrite = forward.rewrite_path.as_deref()?;
        let path_length = target.find('?').unwrap_or(target.len());
        let replaced = match &self.matches.path {
            Some(Text::Prefix(prefix)) => prefix.len(),
            Some(Text::Exact(_) | Text::Regex(_)) => path_length,
            Some(Text::Present | Text::Never) | None => 1,
        };
        Some(format!("{rewrite}{}", target.get(replaced..).unwrap_or_default()))
    }
}

/// A gateway's name with its namespace: names without one are of the namespace where they stand.
pub(crate) fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('/') { name.to_owned() } else { format!("{namespace}/{name}") }
}
