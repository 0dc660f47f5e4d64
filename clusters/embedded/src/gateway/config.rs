//! What the ingress gateway is told: Gateways, VirtualServices, EnvoyFilters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, Method};
use serde_json::Value;

use super::envoy_filter::EnvoyFilter;
use super::routes::{Route, full_name};
use crate::mesh::authorization::without_port;
use crate::mesh::settings::ISTIOD_NAMESPACE;
use crate::object;

/// The port of the gateway's Service that this platform serves.
pub(crate) const SERVICE_PORT: u16 = 80;

/// The objects, and what was made of them for the gateway pods seen so far.
#[derive(Debug)]
pub(crate) struct GatewayConfig {
    gateways: Vec<Arc<Value>>,
    services: Vec<Arc<Value>>,
    filters: Vec<EnvoyFilter>,
    listeners: Mutex<Listeners>,
}

/// By the uid and version of the pod.
type Listeners = HashMap<(String, String), Option<Arc<Listener>>>;

/// The listener of one gateway pod.
#[derive(Debug)]
pub(crate) struct Listener {
    hosts: Vec<VirtualHost>,
    /// Whether the Gateway sends everybody to HTTPS (`tls.httpsRedirect`).
    pub(crate) redirects_to_tls: bool,
    /// Filters from EnvoyFilters, in their order.
    pub(crate) filters: Vec<EnvoyFilter>,
}

#[derive(Debug)]
struct VirtualHost {
    domain: String,
    routes: Vec<Route>,
}

impl GatewayConfig {
    pub(crate) fn read(gateways: &[Arc<Value>], services: &[Arc<Value>], filters: &[Arc<Value>]) -> Self {
        // istiod merges VirtualServices of one host by age.
        let mut services = services.to_vec();
        services.sort_by(|one, other| age(one).cmp(&age(other)));
        let mut filters = filters.to_vec();
        filters.sort_by(|one, other| age(one).cmp(&age(other)));
        Self {
            gateways: gateways.to_vec(),
            services,
            filters: filters.iter().flat_map(|filter| EnvoyFilter::read_all(filter)).collect(),
            listeners: Mutex::default(),
        }
    }

    /// The listener of a gateway pod; `None` if no Gateway gives it one.
    pub(crate) fn listener(&self, pod: &Value, port: u16) -> Option<Arc<Listener>> {
        let key = (object::uid(pod).to_owned(), object::text(pod, "/metadata/resourceVersion").to_owned());
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.entry(key).or_insert_with(|| self.compile(pod, port).map(Arc::new)).clone()
    }

    fn compile(&self, pod: &Value, port: u16) -> Option<Listener> {
        let serves = |server: &&Value| {
            let number = server.pointer("/port/number").and_then(Value::as_u64);
            let protocol = object::text(server, "/port/protocol").to_ascii_uppercase();
            matches!(protocol.as_str(), "HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB")
                && (number == Some(SERVICE_PORT.into()) || number == Some(port.into()))
        };
        let mut names = Vec::new();
        let mut patterns = Vec::new();
        let mut redirects_to_tls = false;
        for gateway in &self.gateways {
            let selector = gateway.pointer("/spec/selector");
            let everywhere = selector.and_then(Value::as_object).is_none_or(serde_json::Map::is_empty);
            if !everywhere && !object::selected_by(pod, selector) {
                continue;
            }
            let name = full_name(object::name(gateway), object::namespace(gateway));
            for server in object::list(gateway, "/spec/servers").iter().filter(serves) {
                names.push(name.clone());
                redirects_to_tls |= server.pointer("/tls/httpsRedirect").and_then(Value::as_bool).unwrap_or(false);
                let hosts = object::list(server, "/hosts").iter().filter_map(Value::as_str);
                patterns.extend(hosts.map(|host| (name.clone(), host.to_owned())));
            }
        }
        if names.is_empty() {
            return None;
        }
        let mut hosts: Vec<VirtualHost> = Vec::new();
        for service in &self.services {
            let namespace = object::namespace(service);
            let own: Vec<_> = object::list(service, "/spec/gateways")
                .iter()
                .filter_map(Value::as_str)
                .map(|name| full_name(name, namespace))
                .filter(|name| names.contains(name))
                .collect();
            if own.is_empty() {
                continue;
            }
            let routes = Route::read_all(service, &own);
            let mut domains: Vec<_> = object::list(service, "/spec/hosts")
                .iter()
                .filter_map(Value::as_str)
                .flat_map(|host| patterns.iter().map(move |(gateway, pattern)| (gateway, pattern, host)))
                .filter(|(gateway, ..)| own.contains(gateway))
                .filter_map(|(gateway, pattern, host)| served_host(pattern, gateway, namespace, host))
                .collect();
            domains.sort_unstable();
            domains.dedup();
            for domain in domains {
                match hosts.iter_mut().find(|known| known.domain == domain) {
                    Some(known) => known.routes.extend(routes.iter().cloned()),
                    None => hosts.push(VirtualHost { domain: domain.to_owned(), routes: routes.clone() }),
                }
            }
        }
        for host in &mut hosts {
            host.routes.sort_by_key(Route::is_catch_all);
        }
        let filters = self.filters.iter().filter(|filter| filter.selects(ISTIOD_NAMESPACE, pod)).cloned().collect();
        Some(Listener { hosts, redirects_to_tls, filters })
    }
}

/// Age of an object for istiod's order: time of creation, then name, then namespace.
fn age(object: &Value) -> (&str, &str, &str) {
    (object::text(object, "/metadata/creationTimestamp"), object::name(object), object::namespace(object))
}

/// The hosts under which a VirtualService of a namespace is served by a Gateway's server: those that both name. A server's
/// pattern is `host`, `*.host` or `*`, each with an optional `namespace/` that says whose VirtualServices may bind it.
fn served_host<'a>(pattern: &'a str, gateway: &str, namespace: &str, host: &'a str) -> Option<&'a str> {
    let (of, pattern) = pattern.split_once('/').unwrap_or(("*", pattern));
    let own = gateway.split('/').next() == Some(namespace);
    let visible = of == "*" || of == namespace || (of == "." && own);
    visible.then(|| narrower(pattern, host)).flatten()
}

/// The narrower of two host patterns, if one holds the other.
fn narrower<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    let holds = |wide: &str, narrow: &str| {
        wide == narrow || wide.strip_prefix('*').is_some_and(|suffix| narrow.trim_start_matches('*').ends_with(suffix))
    };
    if holds(one, other) { Some(other) } else { holds(other, one).then_some(one) }
}

impl Listener {
    /// The route of a request, if there is one. Exact hosts win over `*.suffix`, longer suffixes over shorter, all over `*`.
    pub(crate) fn route(&self, method: &Method, host: &str, target: &str, headers: &HeaderMap) -> Option<&Route> {
        let name = without_port(host).to_ascii_lowercase();
        let rank = |virtual_host: &&VirtualHost| {
            let domain = virtual_host.domain.to_ascii_lowercase();
            match domain.strip_prefix('*') {
                None => (domain == name).then_some(usize::MAX),
                Some(suffix) => (suffix.is_empty() || name.ends_with(suffix)).then_some(suffix.len()),
            }
        };
        let best = self.hosts.iter().filter(|host| rank(host).is_some()).max_by_key(rank)?;
        best.routes.iter().find(|route| route.matches(method, host, target, headers))
    }
}

#[cfg(test)]
mod tests {
    use super::{narrower, served_host};

    #[test]
    fn hosts_of_gateway_and_virtual_service_are_intersected() {
        for (one, other, both) in [
            ("*", "*", Some("*")),
            ("*", "a.test", Some("a.test")),
            ("a.test", "*", Some("a.test")),
            ("*.test", "a.test", Some("a.test")),
            ("*.test", "*.a.test", Some("*.a.test")),
            ("a.test", "b.test", None),
            ("*.a.test", "*.b.test", None),
        ] {
            assert_eq!(narrower(one, other), both, "{one} and {other}");
        }
    }

    #[test]
    fn a_namespace_in_front_says_whose_services_may_bind() {
        for (pattern, served) in [("./*", false), ("team/*", true), ("*/*", true), ("other/*", false), ("*", true)] {
            assert_eq!(
                served_host(pattern, "kubeflow/kubeflow-gateway", "team", "a.test").is_some(),
                served,
                "{pattern}"
            );
        }
    }
}
