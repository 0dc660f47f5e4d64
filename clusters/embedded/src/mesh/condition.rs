//! The `when` conditions of AuthorizationPolicies. Source: Istio's "Authorization Policy Conditions".

use serde_json::Value;

use super::authorization::Attributes;
use super::block::Block;
use super::text::Text;
use crate::object;

/// One condition: an attribute with values that it must, and values that it must not match.
#[derive(Debug)]
pub(crate) struct Condition {
    key: Key,
    values: Vec<String>,
    not_values: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Key {
    Header(String),
    /// A path of claim names, from `request.auth.claims[a][b]`.
    Claims(Vec<String>),
    Source,
    Remote,
    SourceNamespace,
    SourcePrincipal,
    RequestPrincipal,
    DestinationPort,
    /// A key that this mesh does not know; istiod refuses such policies, so nothing may match by accident.
    Unknown,
}

impl Condition {
    pub(crate) fn read(condition: &Value) -> Self {
        let texts = |name| {
            object::list(condition, name).iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        Self {
            key: Key::parse(object::text(condition, "/key")),
            values: texts("/values"),
            not_values: texts("/notValues"),
        }
    }

    pub(crate) fn holds(&self, request: &Attributes<'_>) -> bool {
        if self.key == Key::Unknown {
            return false;
        }
        (self.values.is_empty() || self.values.iter().any(|value| self.key.matches(request, value)))
            && !self.not_values.iter().any(|value| self.key.matches(request, value))
    }
}

impl Key {
    fn parse(key: &str) -> Self {
        if let Some(names) = key.strip_prefix("request.auth.claims") {
            return brackets(names).map_or(Self::Unknown, Self::Claims);
        }
        if let Some(name) = key.strip_prefix("request.headers") {
            return match brackets(name).as_deref() {
                Some([name]) => Self::Header(name.to_ascii_lowercase()),
                _ => Self::Unknown,
            };
        }
        match key {
            "source.ip" => Self::Source,
            "remote.ip" => Self::Remote,
            "source.namespace" => Self::SourceNamespace,
            "source.principal" => Self::SourcePrincipal,
            "request.auth.principal" => Self::RequestPrincipal,
            "request.auth.audiences" => Self::Claims(vec!["aud".to_owned()]),
            "request.auth.presenter" => Self::Claims(vec!["azp".to_owned()]),
            "destination.port" => Self::DestinationPort,
            _ => Self::Unknown,
        }
    }

    fn matches(&self, request: &Attributes<'_>, value: &str) -> bool {
        let text = Text::parse(value);
        let matches = |found: Option<&str>| found.is_some_and(|found| text.matches(found));
        match self {
            Self::Header(name) => text.matches_header(joined(request, name).as_deref()),
            Self::Claims(names) => matches_claim(request.claims, names, &text),
            Self::Source => Block::parse(value).is_some_and(|block| block.contains(request.source)),
            Self::Remote => Block::parse(value).is_some_and(|block| block.contains(request.remote)),
            Self::SourceNamespace => matches(request.source_namespace()),
            Self::SourcePrincipal => matches(request.principal),
            Self::RequestPrincipal => matches(request.request_principal().as_deref()),
            Self::DestinationPort => value == request.port.to_string(),
            Self::Unknown => false,
        }
    }
}

/// All values of a header, joined as Envoy's RBAC filter sees them.
fn joined(request: &Attributes<'_>, name: &str) -> Option<String> {
    let values: Vec<_> =
        request.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// A claim matches by its text, or by one of the texts in its list.
fn matches_claim(claims: Option<&Value>, names: &[String], text: &Text) -> bool {
    let found = names.iter().try_fold(claims, |claims, name| Some(claims?.get(name)));
    match found.flatten() {
        Some(Value::String(claim)) => text.matches(claim),
        Some(Value::Array(claims)) => claims.iter().filter_map(Value::as_str).any(|claim| text.matches(claim)),
        _ => false,
    }
}

/// The names in `[a][b]`.
fn brackets(text: &str) -> Option<Vec<String>> {
    let names: Vec<_> = text.strip_prefix('[')?.strip_suffix(']')?.split("][").map(str::to_owned).collect();
    names.iter().all(|name| !name.is_empty() && !name.contains(['[', ']'])).then_some(names)
}
