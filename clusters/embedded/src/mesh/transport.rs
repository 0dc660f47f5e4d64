//! Whether one pod speaks to another with mutual TLS: DestinationRules at the sender, PeerAuthentications at the receiver.

use serde_json::Value;

use super::authorization::selects;
use super::destination::Destination;
use super::text::Text;
use crate::object;

/// A DestinationRule's say on TLS.
#[derive(Debug)]
pub(crate) struct DestinationRule {
    namespace: String,
    host: String,
    /// `trafficPolicy.tls.mode`, empty if it has none.
    mode: String,
    /// `portLevelSettings`: port and mode.
    port_modes: Vec<(u16, String)>,
}

/// A PeerAuthentication.
#[derive(Debug)]
pub(crate) struct PeerAuthentication {
    namespace: String,
    selector: Option<Value>,
    mode: String,
    port_modes: Vec<(u16, String)>,
}

/// How a request travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Mutual TLS: the receiver knows the sender's principal.
    Mutual,
    /// Plain text: no principal.
    Plain,
    /// The sender speaks TLS to a pod without a sidecar.
    NotTls,
    /// The sender speaks plain text to a sidecar that insists on mutual TLS.
    WantsTls,
}

impl DestinationRule {
    pub(crate) fn read(rule: &Value) -> Self {
        let policy = rule.pointer("/spec/trafficPolicy").cloned().unwrap_or_default();
        let ports = object::list(&policy, "/portLevelSettings").iter().filter_map(|setting| {
            let port = setting.pointer("/port/number")?.as_u64()?;
            Some((u16::try_from(port).ok()?, object::text(setting, "/tls/mode").to_owned()))
        });
        Self {
            namespace: object::namespace(rule).to_owned(),
            host: object::text(rule, "/spec/host").to_owned(),
            mode: object::text(&policy, "/tls/mode").to_owned(),
            port_modes: ports.filter(|(_, mode)| !mode.is_empty()).collect(),
        }
    }

    fn concerns(&self, destination: &Destination) -> bool {
        if self.host.contains('.') || self.host.starts_with('*') {
            return Text::parse(&self.host).matches_ignoring_case(&destination.host());
        }
        self.host == destination.service && self.namespace == destination.namespace
    }

    fn mode(&self, port: u16) -> &str {
        self.port_modes.iter().find(|(number, _)| *number == port).map_or(&self.mode, |(_, mode)| mode)
    }
}

impl PeerAuthentication {
    pub(crate) fn read(authentication: &Value) -> Self {
        let ports = authentication.pointer("/spec/portLevelMtls").and_then(Value::as_object).map(|ports| {
            ports
                .iter()
                .filter_map(|(port, mtls)| Some((port.parse().ok()?, object::text(mtls, "/mode").to_owned())))
                .collect()
        });
        Self {
            namespace: object::namespace(authentication).to_owned(),
            selector: authentication.pointer("/spec/selector/matchLabels").cloned(),
            mode: object::text(authentication, "/spec/mtls/mode").to_owned(),
            port_modes: ports.unwrap_or_default(),
        }
    }
}

/// What the sender's sidecar does: the first DestinationRule of its own, the receiver's or the root namespace that names
/// the host, else automatic mutual TLS. Exact hosts win over wildcards.
fn speaks_tls(
    rules: &[DestinationRule],
    root_namespace: &str,
    auto: bool,
    from: &str,
    to: &Destination,
    sidecar: bool,
) -> bool {
    let visible = [from, &to.namespace, root_namespace];
    let mut found: Vec<_> = rules
        .iter()
        .filter(|rule| visible.contains(&rule.namespace.as_str()) && rule.concerns(to))
        .map(|rule| (rule.host.starts_with('*'), visible.iter().position(|name| *name == rule.namespace), rule))
        .collect();
    found.sort_by_key(|(wildcard, place, _)| (*place, *wildcard));
    match found.first().map(|(_, _, rule)| rule.mode(to.port)) {
        Some("ISTIO_MUTUAL" | "MUTUAL" | "SIMPLE") => true,
        Some("DISABLE") => false,
        _ => auto && sidecar,
    }
}

/// Whether the receiver's sidecar insists on mutual TLS: the narrowest PeerAuthentication that says something counts.
fn insists(authentications: &[PeerAuthentication], root_namespace: &str, pod: &Value, port: u16) -> bool {
    let mut found: Vec<_> = authentications
        .iter()
        .filter(|one| selects(&one.namespace, one.selector.as_ref(), root_namespace, pod))
        .filter(|one| one.selector.is_none() || one.namespace == object::namespace(pod))
        .collect();
    found.sort_by_key(|one| (one.selector.is_none(), one.namespace != object::namespace(pod)));
    let says = |mode: &str| !mode.is_empty() && mode != "UNSET";
    let by_port = found
        .first()
        .filter(|one| one.selector.is_some())
        .and_then(|one| one.port_modes.iter().find(|(number, mode)| *number == port && says(mode)))
        .map(|(_, mode)| mode.as_str());
    let mode = by_port.or_else(|| found.iter().map(|one| one.mode.as_str()).find(|mode| says(mode)));
    mode == Some("STRICT")
}

/// Everything that decides how a request travels.
pub(crate) struct Journey<'a> {
    pub(crate) rules: &'a [DestinationRule],
    pub(crate) authentications: &'a [PeerAuthentication],
    pub(crate) root_namespace: &'a str,
    pub(crate) auto_mtls: bool,
    /// Namespace of the sender, and whether it sends through a proxy.
    pub(crate) from: (&'a str, bool),
    pub(crate) to: &'a Destination,
    pub(crate) pod: &'a Value,
    /// Port of the pod, and whether a sidecar guards it.
    pub(crate) port: (u16, bool),
}

impl Journey<'_> {
    pub(crate) fn transport(&self) -> Transport {
        let (namespace, in_mesh) = self.from;
        let (port, sidecar) = self.port;
        let tls = in_mesh && speaks_tls(self.rules, self.root_namespace, self.auto_mtls, namespace, self.to, sidecar);
        match (tls, sidecar) {
            (true, true) => Transport::Mutual,
            (true, false) => Transport::NotTls,
            (false, true) if insists(self.authentications, self.root_namespace, self.pod, port) => Transport::WantsTls,
            (false, _) => Transport::Plain,
        }
    }
}
