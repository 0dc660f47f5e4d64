//! DaemonSets: one pod on the one node, if it fits there (`pkg/controller/daemon` of Kubernetes 1.34).

use std::sync::Arc;

use serde_json::{Value, json};

use super::bootstrap::CONTROL_PLANE_NODE;
use super::owned::{controlled, is_leaving, number, owner_key, template_hash, write_status};
use super::pods::{self, Name, is_active};
use super::reconciler::{Controller, Next};
use crate::kubelet::lifecycle::is_ready;
use crate::object::{label, name};
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "daemonset", concerns, reconcile };

const REVISION: &str = "controller-revision-hash";

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    match (change.key.group.as_str(), change.key.plural.as_str()) {
        ("apps", "daemonsets") => vec![change.key.clone()],
        ("", "pods") => owner_key(change, "DaemonSet", "apps", "daemonsets").into_iter().collect(),
        ("", "nodes") => {
            let all = world.store.list("apps", "daemonsets", None);
            all.iter().map(|set| super::owned::key_of("apps", "daemonsets", set)).collect()
        }
        _ => Vec::new(),
    }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(set) = world.store.get(key) else { return Next::Wait };
    if is_leaving(&set) {
        return Next::Wait;
    }
    let hash = template_hash(set.pointer("/spec/template").unwrap_or(&Value::Null));
    let wanted = usize::from(fits(world, &set));
    let pods = active(world, &set);
    // Ended and outdated pods are replaced; more than one is never needed.
    let fresh = |pod: &Value| is_active(pod) && label(pod, REVISION) == Some(&hash);
    let kept = pods.iter().filter(|pod| fresh(pod)).take(wanted).count();
    let mut seen = 0;
    for pod in &pods {
        seen += usize::from(fresh(pod));
        if !fresh(pod) || seen > wanted {
            pods::delete(world, &set, pod);
        }
    }
    let template = set.pointer("/spec/template").cloned().unwrap_or_default();
    let refused = kept < wanted
        && pods::create(world, &set, &template, &Name::Generated(name(&set)), &[(REVISION, &hash)]).is_err();
    status(world, key, &set, wanted, &hash);
    if refused { Next::Retry } else { Next::Wait }
}

fn active(world: &World, set: &Value) -> Vec<Arc<Value>> {
    let mut pods = controlled(world, "", "pods", set);
    pods.retain(|pod| !is_leaving(pod));
    pods
}

/// Whether the node is there and has the labels that the pods want. Daemons tolerate the node being unschedulable.
fn fits(world: &World, set: &Value) -> bool {
    let Some(node) = world.store.get(&Key::new("", "nodes", "", CONTROL_PLANE_NODE)) else { return false };
    let wanted = set.pointer("/spec/template/spec/nodeSelector").and_then(Value::as_object);
    wanted.is_none_or(|wanted| wanted.iter().all(|(key, value)| label(&node, key) == value.as_str()))
}

fn status(world: &World, key: &Key, set: &Value, wanted: usize, hash: &str) {
    let pods = active(world, set);
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let updated = pods.iter().filter(|pod| label(pod, REVISION) == Some(hash)).count();
    let mut status = json!({
        "observedGeneration": number(set, "/metadata/generation", 1), "desiredNumberScheduled": wanted,
        "currentNumberScheduled": pods.len().min(wanted), "numberMisscheduled": pods.len().saturating_sub(wanted),
        "numberReady": ready,
    });
    for (field, count) in [
        ("numberAvailable", ready),
        ("updatedNumberScheduled", updated),
        ("numberUnavailable", wanted.saturating_sub(ready)),
    ] {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    write_status(world, key, status);
}
