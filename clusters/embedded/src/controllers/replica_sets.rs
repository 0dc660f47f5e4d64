//! ReplicaSets: as many pods as asked for (`pkg/controller/replicaset` of Kubernetes 1.34).

use std::sync::Arc;

use serde_json::{Value, json};

use super::owned::{controlled, is_leaving, number, owner_key, set_condition, write_status};
use super::pods::{self, Name, is_active};
use super::reconciler::{Controller, Next};
use crate::kubelet::lifecycle::is_ready;
use crate::object::{list, name};
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "replicaset", concerns, reconcile };

fn concerns(_: &World, change: &Change) -> Vec<Key> {
    match (change.key.group.as_str(), change.key.plural.as_str()) {
        ("apps", "replicasets") => vec![change.key.clone()],
        ("", "pods") => owner_key(change, "ReplicaSet", "apps", "replicasets").into_iter().collect(),
        _ => Vec::new(),
    }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(set) = world.store.get(key) else { return Next::Wait };
    if is_leaving(&set) {
        return Next::Wait;
    }
    let refused = scale(world, &set, active_pods(world, &set));
    status(world, key, &set, refused.as_deref());
    if refused.is_some() { Next::Retry } else { Next::Wait }
}

fn active_pods(world: &World, set: &Value) -> Vec<Arc<Value>> {
    let mut pods = controlled(world, "", "pods", set);
    pods.retain(|pod| is_active(pod));
    pods
}

/// Makes or removes pods; the message if one was refused.
fn scale(world: &World, set: &Value, mut pods: Vec<Arc<Value>>) -> Option<String> {
    let wanted = usize::try_from(number(set, "/spec/replicas", 1)).unwrap_or_default();
    let template = set.pointer("/spec/template").cloned().unwrap_or_default();
    for _ in pods.len()..wanted {
        if let Err(reason) = pods::create(world, set, &template, &Name::Generated(name(set)), &[]) {
            return Some(reason);
        }
    }
    // What is not ready goes first, then the youngest.
    pods.sort_by_key(|pod| (is_ready(pod), std::cmp::Reverse(revision(pod))));
    let surplus = pods.len().saturating_sub(wanted);
    for pod in pods.iter().take(surplus) {
        pods::delete(world, set, pod);
    }
    None
}

fn revision(pod: &Value) -> u64 {
    crate::object::text(pod, "/metadata/resourceVersion").parse().unwrap_or_default()
}

fn status(world: &World, key: &Key, set: &Value, refused: Option<&str>) {
    let pods = active_pods(world, set);
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let mut conditions = list(set, "/status/conditions").to_vec();
    match refused {
        Some(reason) => {
            set_condition(&mut conditions, "ReplicaFailure", "True", "FailedCreate", reason);
        }
        None => conditions.retain(|condition| condition["type"] != "ReplicaFailure"),
    }
    let mut status = json!({
        "replicas": pods.len(), "observedGeneration": number(set, "/metadata/generation", 1),
    });
    for (field, count) in [("fullyLabeledReplicas", pods.len()), ("readyReplicas", ready), ("availableReplicas", ready)]
    {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    if !conditions.is_empty() {
        status["conditions"] = json!(conditions);
    }
    write_status(world, key, status);
}
