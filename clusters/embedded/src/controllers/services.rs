//! Addresses of Services: cluster IPs and node ports.
//!
//! kube-apiserver gives them when a Service is created (`pkg/registry/core/service/ipallocator`); here whoever stores one
//! without gets them filled in at once after.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::owned::write_status;
use super::reconciler::{Controller, Next};
use crate::object::{list, text};
use crate::platform::World;
use crate::store::{Change, Key, Store};

/// How many addresses there are.
const RANGE: u32 = 64_900;
/// How many have been offered.
static OFFERED: AtomicU32 = AtomicU32::new(0);

pub(super) const CONTROLLER: Controller = Controller { name: "service-addresses", concerns, reconcile };

fn concerns(_: &World, change: &Change) -> Vec<Key> {
    let is_service = change.key.group.is_empty() && change.key.plural == "services";
    if is_service { vec![change.key.clone()] } else { Vec::new() }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(service) = world.store.get(key) else { return Next::Wait };
    let mut complete = Value::clone(&service);
    allocate(&world.store, &mut complete);
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
pub fn complete(store: &Store, old: Option<&Value>, service: &mut Value) {
    let old = old.filter(|_| text(service, "/spec/type") != "ExternalName");
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let kept = old.and_then(|old| old.pointer(&format!("/spec/{field}")));
        if let (Some(kept), None) = (kept, service.pointer(&format!("/spec/{field}"))) {
            service["spec"][field] = kept.clone();
        }
    }
    allocate(store, service);
}

/// Fills in what the API server gives a Service: type, cluster IP, node ports, target ports.
pub fn allocate(store: &Store, service: &mut Value) {
    let spec = &mut service["spec"];
    if text(spec, "/type").is_empty() {
        spec["type"] = json!("ClusterIP");
    }
    let kind = text(spec, "/type").to_owned();
    let ports = list(spec, "/ports").to_vec();
    let taken = if needs_number(&kind, spec) { Taken::of(store) } else { Taken::default() };
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
    let mut node_ports = taken.node_ports;
    for (index, port) in ports.iter().enumerate() {
        let entry = &mut spec["ports"][index];
        if text(port, "/protocol").is_empty() {
            entry["protocol"] = json!("TCP");
        }
        if port.get("targetPort").is_none() {
            entry["targetPort"] = port.get("port").cloned().unwrap_or_default();
        }
        if matches!(kind.as_str(), "NodePort" | "LoadBalancer") && port.get("nodePort").is_none() {
            let free = (30_000..=32_767).find(|port| node_ports.insert(*port));
            entry["nodePort"] = json!(free);
        }
    }
}

fn needs_number(kind: &str, spec: &Value) -> bool {
    let node_ports = matches!(kind, "NodePort" | "LoadBalancer");
    kind != "ExternalName"
        && (text(spec, "/clusterIP").is_empty()
            || (node_ports && list(spec, "/ports").iter().any(|port| port.get("nodePort").is_none())))
}

/// What other Services have.
#[derive(Default)]
struct Taken {
    addresses: HashSet<String>,
    node_ports: HashSet<u64>,
}

impl Taken {
    fn of(store: &Store) -> Self {
        let mut taken = Self::default();
        for service in store.list("", "services", None) {
            taken.addresses.insert(text(&service, "/spec/clusterIP").to_owned());
            let ports = list(&service, "/spec/ports").iter();
            taken.node_ports.extend(ports.filter_map(|port| port.get("nodePort").and_then(Value::as_u64)));
        }
        taken
    }

    /// A free address of 10.96.0.0/16; the first hundred are for whoever wants a fixed one. Nobody is offered what another
    /// one was just offered: Services are created side by side.
    fn free_address(&self) -> String {
        let begin = OFFERED.fetch_add(1, Ordering::Relaxed) % RANGE;
        let free = (0..RANGE).map(|step| 100 + (begin + step) % RANGE);
        let mut free = free.map(|number| format!("10.96.{}.{}", number / 250, number % 250 + 2));
        free.find(|address| !self.addresses.contains(address)).unwrap_or_default()
    }
}
