//! The scheduler of a cluster with one node: whether a pod fits there, and if not, why.
//!
//! Reasons are worded as kube-scheduler's plugins word them (`pkg/scheduler/framework/plugins` of Kubernetes 1.34).

use serde_json::Value;

use super::fields::quantity;
use super::volumes::claims;
use crate::controllers::bootstrap::{CONTROL_PLANE_NODE, STORAGE_GROUP};
use crate::object::{list, namespace, text};
use crate::store::{Key, Store};

/// The node for a pod, or why there is none.
///
/// # Errors
/// The message of the pod's `PodScheduled` condition.
pub fn node_for(store: &Store, pod: &Value) -> Result<&'static str, String> {
    let Some(node) = store.get(&Key::new("", "nodes", "", CONTROL_PLANE_NODE)) else {
        return Err("no nodes available to schedule pods".to_owned());
    };
    let refusal = missing_claim(store, pod).or_else(|| unfit(&node, pod));
    match refusal {
        None => Ok(CONTROL_PLANE_NODE),
        Some(reason) => Err(format!("0/1 nodes are available: {reason}.")),
    }
}

fn missing_claim(store: &Store, pod: &Value) -> Option<String> {
    for name in claims(pod) {
        let Some(claim) = store.get(&Key::new("", "persistentvolumeclaims", namespace(pod), &name)) else {
            return Some(format!("persistentvolumeclaim \"{name}\" not found"));
        };
        let class = text(&claim, "/spec/storageClassName");
        let waits = store
            .get(&Key::new(STORAGE_GROUP, "storageclasses", "", class))
            .is_some_and(|class| text(&class, "/volumeBindingMode") == "WaitForFirstConsumer");
        if text(&claim, "/status/phase") != "Bound" && !waits {
            return Some("pod has unbound immediate PersistentVolumeClaims".to_owned());
        }
    }
    None
}

fn unfit(node: &Value, pod: &Value) -> Option<String> {
    if node.pointer("/spec/unschedulable").and_then(Value::as_bool) == Some(true) {
        return Some("1 node(s) were unschedulable".to_owned());
    }
    let labels = node.pointer("/metadata/labels");
    let wanted = pod.pointer("/spec/nodeSelector").and_then(Value::as_object);
    let fits = wanted.is_none_or(|wanted| {
        wanted.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
    });
    if !fits {
        return Some("1 node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    insufficient(node, pod).map(|resource| format!("1 Insufficient {resource}"))
}

/// A resource of which the pod's containers ask for more than the node has. What other pods use is not counted.
fn insufficient(node: &Value, pod: &Value) -> Option<String> {
    let mut wanted = std::collections::BTreeMap::<&str, i128>::new();
    for container in list(pod, "/spec/containers") {
        let requests = container.pointer("/resources/requests").or_else(|| container.pointer("/resources/limits"));
        for (resource, amount) in requests.and_then(Value::as_object).into_iter().flatten() {
            *wanted.entry(resource).or_default() += quantity(amount).unwrap_or_default();
        }
        // An extended resource (a GPU) may be named in the limits alone.
        for (resource, amount) in
            container.pointer("/resources/limits").and_then(Value::as_object).into_iter().flatten()
        {
            let asked =
                container.pointer("/resources/requests").is_some_and(|requests| requests.get(resource).is_some());
            if resource.contains('/') && !asked && container.pointer("/resources/requests").is_some() {
                *wanted.entry(resource).or_default() += quantity(amount).unwrap_or_default();
            }
        }
    }
    let has = |resource: &str| {
        node.pointer("/status/allocatable").and_then(|all| all.get(resource)).and_then(quantity).unwrap_or_default()
    };
    wanted.into_iter().find(|(resource, amount)| *amount > has(resource)).map(|(resource, _)| resource.to_owned())
}
