//! Where a request goes: a Service and one of its ports.

use http::uri::Authority;

/// A Service by name, and the port asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Destination {
    pub(crate) namespace: String,
    pub(crate) service: String,
    pub(crate) port: u16,
}

impl Destination {
    /// From a host as `name`, `name.namespace` or `name.namespace.svc…`; a name alone is looked for in `from`.
    pub(crate) fn new(host: &str, from: &str, port: u16) -> Self {
        let mut parts = host.trim_end_matches('.').split('.');
        Self {
            service: parts.next().unwrap_or_default().to_owned(),
            namespace: parts.next().unwrap_or(from).to_owned(),
            port,
        }
    }

    /// From the authority of a URL; port 80 unless it names one.
    pub(crate) fn of(authority: &Authority, from: &str) -> Self {
        Self::new(authority.host(), from, authority.port_u16().unwrap_or(80))
    }

    /// A pod's own address: no Service, so no DestinationRule names it, and a sidecar passes what goes there on as it is.
    pub(crate) fn address(port: u16) -> Self {
        Self { namespace: String::new(), service: String::new(), port }
    }

    /// Whether it is a pod's own address.
    pub(crate) fn is_address(&self) -> bool {
        self.service.is_empty()
    }

    /// The full name, as DestinationRules give it.
    pub(crate) fn host(&self) -> String {
        format!("{}.{}.svc.cluster.local", self.service, self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_understood_as_the_cluster_resolves_them() {
        for (host, service, namespace) in [
            ("dex", "dex", "home"),
            ("dex.auth", "dex", "auth"),
            ("dex.auth.svc", "dex", "auth"),
            ("dex.auth.svc.cluster.local.", "dex", "auth"),
        ] {
            let found = Destination::new(host, "home", 80);
            assert_eq!((found.service.as_str(), found.namespace.as_str()), (service, namespace), "{host}");
        }
    }
}
