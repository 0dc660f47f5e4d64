//! AuthorizationPolicies: who may send what to a workload.
//!
//! Order and meaning as Istio documents them ("Authorization Policy", "Implicit enablement"): CUSTOM, then DENY, then
//! ALLOW; a workload with at least one ALLOW policy refuses what none of them allows; an ALLOW policy without rules
//! allows nothing; a rule without parts matches everything.

use std::net::IpAddr;

use http::{HeaderMap, Method};
use serde_json::Value;

use super::block::Block;
use super::condition::Condition;
use super::text::Text;
use crate::object;

/// What a policy does with a request that one of its rules matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Custom,
    Deny,
    Allow,
}

/// A policy, read once.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) namespace: String,
    /// `selector.matchLabels`; `None` selects every workload.
    pub(crate) selector: Option<Value>,
    pub(crate) action: Action,
    /// For CUSTOM: the name of the extension provider.
    pub(crate) provider: String,
    pub(crate) rules: Vec<Rule>,
}

/// A request as a policy sees it.
#[derive(Debug)]
pub(crate) struct Attributes<'a> {
    pub(crate) method: &'a Method,
    /// Path without query.
    pub(crate) path: &'a str,
    pub(crate) host: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// Port of the workload that the request arrived at.
    pub(crate) port: u16,
    /// `cluster.local/ns/<namespace>/sa/<account>`, if mutual TLS told it.
    pub(crate) principal: Option<&'a str>,
    /// Address of the peer.
    pub(crate) source: IpAddr,
    /// Address of the client that the first trusted proxy saw.
    pub(crate) remote: IpAddr,
    /// Claims of the verified token.
    pub(crate) claims: Option<&'a Value>,
}

impl Attributes<'_> {
    /// Namespace of the peer, which Istio takes from its principal.
    pub(crate) fn source_namespace(&self) -> Option<&str> {
        self.principal?.split_once("/ns/")?.1.split('/').next()
    }

    /// `<iss>/<sub>` of the verified token; there is none when either is missing or empty.
    pub(crate) fn request_principal(&self) -> Option<String> {
        let claim = |name| self.claims?.get(name)?.as_str().filter(|text| !text.is_empty());
        Some(format!("{}/{}", claim("iss")?, claim("sub")?))
    }
}

/// One rule: a source of `from`, an operation of `to` and every condition of `when`.
#[derive(Debug, Default)]
pub(crate) struct Rule {
    from: Vec<Vec<Part>>,
    to: Vec<Vec<Part>>,
    when: Vec<Condition>,
}

/// One field of a source or an operation.
#[derive(Debug)]
struct Part {
    field: Field,
    /// A `not…` field: none of the values may match.
    negated: bool,
    values: Values,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Principals,
    RequestPrincipals,
    Namespaces,
    SourceBlocks,
    RemoteBlocks,
    Hosts,
    Ports,
    Methods,
    Paths,
}

#[derive(Debug)]
enum Values {
    Texts(Vec<Text>),
    Blocks(Vec<Block>),
}

const SOURCE_FIELDS: [(&str, &str, Field); 5] = [
    ("principals", "notPrincipals", Field::Principals),
    ("requestPrincipals", "notRequestPrincipals", Field::RequestPrincipals),
    ("namespaces", "notNamespaces", Field::Namespaces),
    ("ipBlocks", "notIpBlocks", Field::SourceBlocks),
    ("remoteIpBlocks", "notRemoteIpBlocks", Field::RemoteBlocks),
];

const OPERATION_FIELDS: [(&str, &str, Field); 4] = [
    ("hosts", "notHosts", Field::Hosts),
    ("ports", "notPorts", Field::Ports),
    ("methods", "notMethods", Field::Methods),
    ("paths", "notPaths", Field::Paths),
];

impl Policy {
    /// Reads an AuthorizationPolicy; `None` for an action that decides nothing (AUDIT).
    pub(crate) fn read(policy: &Value) -> Option<Self> {
        let action = match object::text(policy, "/spec/action") {
            "" | "ALLOW" => Action::Allow,
            "DENY" => Action::Deny,
            "CUSTOM" => Action::Custom,
            _ => return None,
        };
        Some(Self {
            namespace: object::namespace(policy).to_owned(),
            selector: policy.pointer("/spec/selector/matchLabels").filter(|labels| !is_empty(labels)).cloned(),
            action,
            provider: object::text(policy, "/spec/provider/name").to_owned(),
            rules: object::list(policy, "/spec/rules").iter().map(Rule::read).collect(),
        })
    }

    /// Whether the policy holds for a pod.
    pub(crate) fn selects(&self, root_namespace: &str, pod: &Value) -> bool {
        selects(&self.namespace, self.selector.as_ref(), root_namespace, pod)
    }
}

/// Whether a policy of a namespace with an optional selector holds for a pod: policies of the root namespace hold
/// everywhere, others in their own.
pub(crate) fn selects(namespace: &str, selector: Option<&Value>, root_namespace: &str, pod: &Value) -> bool {
    (namespace == root_namespace || namespace == object::namespace(pod))
        && (selector.is_none() || object::selected_by(pod, selector))
}

fn is_empty(labels: &Value) -> bool {
    labels.as_object().is_none_or(serde_json::Map::is_empty)
}

impl Rule {
    fn read(rule: &Value) -> Self {
        let parts = |list: &str, inner: &str, fields: &[(&str, &str, Field)]| {
            object::list(rule, list).iter().map(|entry| read_parts(entry.get(inner), fields)).collect()
        };
        Self {
            from: parts("/from", "source", &SOURCE_FIELDS),
            to: parts("/to", "operation", &OPERATION_FIELDS),
            when: object::list(rule, "/when").iter().map(Condition::read).collect(),
        }
    }

    pub(crate) fn matches(&self, request: &Attributes<'_>) -> bool {
        let any = |alternatives: &[Vec<Part>]| {
            alternatives.is_empty() || alternatives.iter().any(|parts| parts.iter().all(|part| part.matches(request)))
        };
        any(&self.from) && any(&self.to) && self.when.iter().all(|condition| condition.holds(request))
    }
}

fn read_parts(entry: Option<&Value>, fields: &[(&str, &str, Field)]) -> Vec<Part> {
    let Some(entry) = entry else { return Vec::new() };
    let part = |name: &str, negated: bool, field: Field| {
        let texts = || entry.get(name)?.as_array()?.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
        let texts = texts().filter(|texts| !texts.is_empty())?;
        let values = match field {
            Field::SourceBlocks | Field::RemoteBlocks => {
                Values::Blocks(texts.into_iter().filter_map(Block::parse).collect())
            }
            _ => Values::Texts(texts.into_iter().map(Text::parse).collect()),
        };
        Some(Part { field, negated, values })
    };
    fields
        .iter()
        .flat_map(|(name, not, field)| [part(name, false, *field), part(not, true, *field)])
        .flatten()
        .collect()
}

impl Part {
    fn matches(&self, request: &Attributes<'_>) -> bool {
        self.any(request) != self.negated
    }

    fn any(&self, request: &Attributes<'_>) -> bool {
        let texts = match &self.values {
            Values::Blocks(blocks) => {
                let address = if self.field == Field::SourceBlocks { request.source } else { request.remote };
                return blocks.iter().any(|block| block.contains(address));
            }
            Values::Texts(texts) => texts,
        };
        let any = |value: Option<&str>| value.is_some_and(|value| texts.iter().any(|text| text.matches(value)));
        match self.field {
            Field::Principals => any(request.principal),
            Field::Namespaces => any(request.source_namespace()),
            Field::RequestPrincipals => any(request.request_principal().as_deref()),
            Field::Methods => any(Some(request.method.as_str())),
            Field::Paths => any(Some(request.path)),
            Field::Ports => any(Some(&request.port.to_string())),
            Field::Hosts => texts.iter().any(|text| {
                text.matches_ignoring_case(request.host) || text.matches_ignoring_case(without_port(request.host))
            }),
            Field::SourceBlocks | Field::RemoteBlocks => false,
        }
    }
}

/// A host without its port.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}
