//! Addresses of Services: cluster IPs and node ports.
//!
//! kube-apiserver gives them when a Service is created (`pkg/registry/core/service/ipallocator`); here whoever stores one
//! without gets them filled in at once after.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::owned::write_status;
use super::reconciler::{Controller, Next};
use crate::object::{list, text};
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "service-addresses", concerns, reconcile };

fn concerns(_: &World, change: &Change) -> Vec<Key> {
    let is_service = change.key.group.is_empty() && change.key.plural == "services";
    if is_service { vec![change.key.clone()] } else { Vec::new() }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(service) = world.store.get(key) else { return Next::Wait };
    let mut complete = Value::clone(&service);
    allocate(world, &mut complete);
    if complete != *service {
        let written = world.store.update(key, None, |service| {
            service["spec"] = complete["spec"].clone();
            true
        });
        if written.is_err() {
            return Next::Retry;
        }
    }
    if service.get("status").is_none() {
        write_status(world, key, json!({"loadBalancer": {}}));
    }
    Next::Wait
}

/// Completes a Service that the API is about to store: addresses that it had are kept.
pub fn complete(world: &World, old: Option<&Value>, service: &mut Value) {
    let old = old.filter(|_| text(service, "/spec/type") != "ExternalName");
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let kept = old.and_then(|old| old.pointer(&format!("/spec/{field}")));
        if let (Some(kept), None) = (kept, service.pointer(&format!("/spec/{field}"))) {
            service["spec"][field] = kept.clone();
        }
    }
    allocate(world, service);
}

/// Fills in what the API server gives a Service: type, cluster IP, node ports, target ports.
pub fn allocate(world: &World, service: &mut Value) {
    let spec = &mut service["spec"];
    if text(spec, "/type").is_empty() {
        spec["type"] = json!("ClusterIP");
    }
    let kind = text(spec, "/type").to_owned();
    let ports = list(spec, "/ports").to_vec();
    let taken = if needs_number(&kind, spec) { Taken::of(world) } else { Taken::default() };
    if kind != "ExternalName" {
        if text(spec, "/clusterIP").is_empty() {
            spec["clusterIP"] = json!(taken.free_address());
        }
        let address = text(spec, "/clusterIP").to_owned();
        // Without a selector, whoever writes the endpoints may use both families.
        if address == "None" && spec.get("selector").is_none() && spec.get("ipFamilyPolicy").is_none() {
            spec["ipFamilies"] = json!(["IPv4", "IPv6"]);
            spec["ipFamilyPolicy"] = json!("RequireDualStack");
        }
        for (field, value) in [
            ("clusterIPs", json!([address])),
            ("ipFamilies", json!(["IPv4"])),
            ("ipFamilyPolicy", json!("SingleStack")),
            ("internalTrafficPolicy", json!("Cluster")),
            ("sessionAffinity", json!("None")),
        ] {
            if spec.get(field).is_none() {
                spec[field] = value;
            }
        }
    }
    for (index, port) in ports.iter().enumerate() {
        let entry = &mut spec["ports"][index];
        if text(port, "/protocol").is_empty() {
            entry["protocol"] = json!("TCP");
        }
        if port.get("targetPort").is_none() {
            entry["targetPort"] = port.get("port").cloned().unwrap_or_default();
        }
        if matches!(kind.as_str(), "NodePort" | "LoadBalancer") && port.get("nodePort").is_none() {
            entry["nodePort"] = json!(taken.free_node_port());
        }
    }
}

fn needs_number(kind: &str, spec: &Value) -> bool {
    let node_ports = matches!(kind, "NodePort" | "LoadBalancer");
    kind != "ExternalName"
        && (text(spec, "/clusterIP").is_empty()
            || (node_ports && list(spec, "/ports").iter().any(|port| port.get("nodePort").is_none())))
}

/// How many addresses there are for whoever does not ask for one.
const ADDRESSES: u64 = 64_900;
/// The ports of nodes: the API server's usual `--service-node-port-range`.
const NODE_PORTS: std::ops::RangeInclusive<u64> = 30_000..=32_767;

/// How many addresses and ports have been offered: Services are created side by side, and what one was offered is not
/// stored yet when the next one asks.
#[derive(Default)]
struct Offered {
    addresses: AtomicU64,
    node_ports: AtomicU64,
}

/// What other Services have.
#[derive(Default)]
struct Taken {
    addresses: HashSet<String>,
    node_ports: HashSet<u64>,
    offered: Arc<Offered>,
}

impl Taken {
    fn of(world: &World) -> Self {
        let mut taken = Self { offered: world.memory.of("services"), ..Self::default() };
        for service in world.store.list("", "services", None) {
            taken.addresses.insert(text(&service, "/spec/clusterIP").to_owned());
            let ports = list(&service, "/spec/ports").iter();
            taken.node_ports.extend(ports.filter_map(|port| port.get("nodePort").and_then(Value::as_u64)));
        }
        taken
    }

    /// A free address of 10.96.0.0/16; the first hundred are for whoever wants a fixed one.
    fn free_address(&self) -> String {
        let address = |number: u64| format!("10.96.{}.{}", number / 250, number % 250 + 2);
        let mut free = turn(&self.offered.addresses, ADDRESSES).map(|step| address(100 + step));
        free.find(|address| !self.addresses.contains(address)).unwrap_or_default()
    }

    fn free_node_port(&self) -> Option<u64> {
        let ports = NODE_PORTS.end() - NODE_PORTS.start() + 1;
        let mut free = turn(&self.offered.node_ports, ports).map(|step| NODE_PORTS.start() + step);
        free.find(|port| !self.node_ports.contains(port))
    }
}

/// All numbers below `count`, beginning after the one that the last caller began with.
fn turn(offered: &AtomicU64, count: u64) -> impl Iterator<Item = u64> {
    let begin = offered.fetch_add(1, Ordering::Relaxed);
    (0..count).map(move |step| (begin + step) % count)
}
