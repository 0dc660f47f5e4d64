//! Which pods serve a Service: its Endpoints and EndpointSlice (`pkg/controller/endpoint`, `pkg/controller/endpointslice`
//! of Kubernetes 1.34).

use std::sync::Arc;

use serde_json::{Value, json};

use super::owned::{controller_reference, is_leaving};
use super::pods::{is_active, named_port};
use super::reconciler::{Controller, Next};
use crate::kubelet::lifecycle::is_ready;
use crate::object::{list, name, namespace, selected_by, text, uid};
use crate::platform::World;
use crate::store::{Change, Key, Store};

pub(super) const CONTROLLER: Controller = Controller { name: "endpoints", concerns, reconcile };

const SLICES: &str = "discovery.k8s.io";

/// Whether a Service has a ready endpoint.
#[must_use]
pub fn is_served(store: &Store, namespace: &str, service: &str) -> bool {
    store.get(&Key::new("", "endpoints", namespace, service)).is_some_and(|endpoints| {
        list(&endpoints, "/subsets").iter().any(|subset| !list(subset, "/addresses").is_empty())
    })
}

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    match (change.key.group.as_str(), change.key.plural.as_str()) {
        ("", "services") => vec![change.key.clone()],
        ("", "endpoints") => vec![Key { plural: "services".to_owned(), ..change.key.clone() }],
        ("", "pods") => {
            let selects = |service: &Value, pod: &Value| selected_by(pod, service.pointer("/spec/selector"));
            let services = world.store.list("", "services", Some(&change.key.namespace));
            services
                .iter()
                .filter(|service| {
                    selects(service, &change.object)
                        || change.before.as_ref().is_some_and(|before| selects(service, before))
                })
                .map(|service| Key::new("", "services", &change.key.namespace, name(service)))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let endpoints = Key { plural: "endpoints".to_owned(), ..key.clone() };
    let Some(service) = world.store.get(key).filter(|service| !is_leaving(service)) else {
        // Endpoints go with their Service; the slice is owned by it and goes with it too.
        if let Some(found) = world.store.get(&endpoints).filter(|found| is_managed(found)) {
            tracing::debug!(endpoints = name(&found), "removed with its Service");
            let _gone = world.store.delete(&endpoints);
        }
        return Next::Wait;
    };
    if service.pointer("/spec/selector").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty) {
        return Next::Wait;
    }
    let mut pods = world.store.list("", "pods", Some(&key.namespace));
    pods.retain(|pod| {
        is_active(pod) && !text(pod, "/status/podIP").is_empty() && selected_by(pod, service.pointer("/spec/selector"))
    });
    pods.sort_by_key(|pod| name(pod).to_owned());
    let labels = service.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    write(
        world,
        &endpoints,
        json!({
            "apiVersion": "v1", "kind": "Endpoints",
            "metadata": {"labels": with(&labels, "endpoints.kubernetes.io/managed-by", "endpoint-controller")},
            "subsets": subsets(&service, &pods),
        }),
    );
    let mut slice = slice(&service, &pods);
    slice["metadata"]["labels"] = with(
        &with(&labels, "kubernetes.io/service-name", &key.name),
        "endpointslice.kubernetes.io/managed-by",
        "endpointslice-controller.k8s.io",
    );
    let suffix: String = uid(&service).chars().filter(char::is_ascii_hexdigit).take(5).collect();
    write(world, &Key::new(SLICES, "endpointslices", &key.namespace, &format!("{}-{suffix}", key.name)), slice);
    Next::Wait
}

fn is_managed(endpoints: &Value) -> bool {
    crate::object::label(endpoints, "endpoints.kubernetes.io/managed-by").is_some()
}

fn with(labels: &Value, key: &str, value: &str) -> Value {
    let mut labels = labels.clone();
    labels[key] = json!(value);
    labels
}

/// Creates an object, or replaces all of it but its metadata's identity.
fn write(world: &World, key: &Key, object: Value) {
    let fresh = object.clone();
    let updated = world.store.update(key, None, |stored| {
        for field in ["subsets", "endpoints", "ports"] {
            match object.get(field) {
                Some(value) => stored[field] = value.clone(),
                None => drop(stored.as_object_mut().and_then(|stored| stored.remove(field))),
            }
        }
        stored["metadata"]["labels"] = object["metadata"]["labels"].clone();
        true
    });
    if updated.is_err()
        && let Err(error) = world.store.create(key, fresh)
    {
        tracing::debug!(%error, "endpoints not written");
    }
}

/// The port of a pod that a Service port leads to; `None` if it is named and the pod has no such port.
#[must_use]
pub fn target_port(pod: &Value, port: &Value) -> Option<u64> {
    let target = port.get("targetPort").filter(|target| !target.is_null());
    match target {
        None => port.get("port").and_then(Value::as_u64),
        Some(target) => match target.as_u64() {
            Some(0) => port.get("port").and_then(Value::as_u64),
            Some(number) => Some(number),
            None => {
                let named = target.as_str().unwrap_or_default();
                named.parse().ok().or_else(|| named_port(pod, named))
            }
        },
    }
}

fn ports(service: &Value, pod: &Value) -> Vec<Value> {
    list(service, "/spec/ports")
        .iter()
        .filter_map(|port| {
            let protocol = if text(port, "/protocol").is_empty() { "TCP" } else { text(port, "/protocol") };
            let mut entry = json!({"port": target_port(pod, port)?, "protocol": protocol});
            for field in ["name", "appProtocol"] {
                if let Some(value) = port.get(field).filter(|value| value.is_string()) {
                    entry[field] = value.clone();
                }
            }
            Some(entry)
        })
        .collect()
}

fn reference(pod: &Value) -> Value {
    json!({"kind": "Pod", "namespace": namespace(pod), "name": name(pod), "uid": uid(pod)})
}

fn counts_as_ready(service: &Value, pod: &Value) -> bool {
    is_ready(pod) || service.pointer("/spec/publishNotReadyAddresses").and_then(Value::as_bool) == Some(true)
}

/// Endpoints' subsets: pods with the same ports together.
fn subsets(service: &Value, pods: &[Arc<Value>]) -> Vec<Value> {
    let mut subsets: Vec<Value> = Vec::new();
    for pod in pods {
        let ports = json!(ports(service, pod));
        let address = json!({"ip": text(pod, "/status/podIP"), "nodeName": text(pod, "/spec/nodeName"), "targetRef": reference(pod)});
        let field = if counts_as_ready(service, pod) { "addresses" } else { "notReadyAddresses" };
        let index = subsets.iter().position(|subset| subset["ports"] == ports).unwrap_or_else(|| {
            subsets.push(json!({"ports": ports}));
            subsets.len() - 1
        });
        match subsets[index].get_mut(field).and_then(Value::as_array_mut) {
            Some(addresses) => addresses.push(address),
            None => subsets[index][field] = json!([address]),
        }
    }
    subsets
}

fn slice(service: &Value, pods: &[Arc<Value>]) -> Value {
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|pod| {
            let ready = counts_as_ready(service, pod);
            json!({
                "addresses": [text(pod, "/status/podIP")], "nodeName": text(pod, "/spec/nodeName"),
                "conditions": {"ready": ready, "serving": ready, "terminating": false}, "targetRef": reference(pod),
            })
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"ownerReferences": [controller_reference(service, "v1", "Service")]},
        "endpoints": endpoints, "ports": pods.first().map(|pod| ports(service, pod)).unwrap_or_default(),
    })
}
