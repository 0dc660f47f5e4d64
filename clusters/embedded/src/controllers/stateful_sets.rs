//! StatefulSets: numbered pods, each with claims of its own (`pkg/controller/statefulset` of Kubernetes 1.34).
//!
//! One step a turn: a pod is made or replaced only when those before it are ready, unless `podManagementPolicy` is
//! `Parallel`. ControllerRevisions are not kept.

use std::sync::Arc;

use serde_json::{Value, json};

use super::owned::{controlled, is_leaving, number, owner_key, template_hash, write_status};
use super::pods::{self, Name};
use super::reconciler::{Controller, Next};
use crate::access::pod_admission::push;
use crate::kubelet::lifecycle::is_ready;
use crate::object::{label, list, name, namespace, text};
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "statefulset", concerns, reconcile };

const REVISION: &str = "controller-revision-hash";

fn concerns(_: &World, change: &Change) -> Vec<Key> {
    match (change.key.group.as_str(), change.key.plural.as_str()) {
        ("apps", "statefulsets") => vec![change.key.clone()],
        ("", "pods") => owner_key(change, "StatefulSet", "apps", "statefulsets").into_iter().collect(),
        _ => Vec::new(),
    }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(set) = world.store.get(key) else { return Next::Wait };
    if is_leaving(&set) {
        return Next::Wait;
    }
    let revision = format!("{}-{}", name(&set), template_hash(set.pointer("/spec/template").unwrap_or(&Value::Null)));
    let moved = advance(world, &set, &revision);
    status(world, key, &set, &revision);
    if moved.is_err() { Next::Retry } else { Next::Wait }
}

fn wanted(set: &Value) -> i64 {
    number(set, "/spec/replicas", 1)
}

/// The number in a pod's name.
fn ordinal(pod: &Value) -> i64 {
    name(pod).rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(-1)
}

/// Makes, replaces or removes pods as far as the order allows now.
fn advance(world: &World, set: &Value, revision: &str) -> Result<(), String> {
    let parallel = text(set, "/spec/podManagementPolicy") == "Parallel";
    let start = number(set, "/spec/ordinals/start", 0);
    for ordinal_wanted in start..start + wanted(set) {
        let pods = controlled(world, "", "pods", set);
        let found = pods.iter().find(|pod| ordinal(pod) == ordinal_wanted);
        match found {
            None => drop(create(world, set, ordinal_wanted, revision)?),
            Some(pod) if matches!(text(pod, "/status/phase"), "Succeeded" | "Failed") => {
                pods::delete(world, set, pod);
                return Ok(());
            }
            Some(pod) if is_ready(pod) => continue,
            Some(_) => {}
        }
        if !parallel {
            return Ok(());
        }
    }
    let mut pods = controlled(world, "", "pods", set);
    pods.sort_by_key(|pod| std::cmp::Reverse(ordinal(pod)));
    let surplus = |pod: &Value| ordinal(pod) >= start + wanted(set) || ordinal(pod) < start;
    let partition = number(set, "/spec/updateStrategy/rollingUpdate/partition", 0);
    let on_delete = text(set, "/spec/updateStrategy/type") == "OnDelete";
    let outdated = |pod: &Value| {
        !on_delete && ordinal(pod) >= partition && label(pod, REVISION).is_some_and(|old| old != revision)
    };
    for pod in pods.iter().filter(|pod| surplus(pod) || outdated(pod)) {
        pods::delete(world, set, pod);
        if !parallel {
            break;
        }
    }
    Ok(())
}

fn create(world: &World, set: &Value, ordinal: i64, revision: &str) -> Result<Arc<Value>, String> {
    let name = format!("{}-{ordinal}", name(set));
    let mut template = set.pointer("/spec/template").cloned().unwrap_or_default();
    for claim in list(set, "/spec/volumeClaimTemplates") {
        let volume = text(claim, "/metadata/name");
        let claim_name = format!("{volume}-{name}");
        let mut object = claim.clone();
        object["apiVersion"] = json!("v1");
        object["kind"] = json!("PersistentVolumeClaim");
        object["metadata"]["name"] = json!(claim_name);
        if let Some(labels) = set.pointer("/spec/selector/matchLabels") {
            object["metadata"]["labels"] = labels.clone();
        }
        super::bootstrap::put(world, "", "persistentvolumeclaims", namespace(set), &claim_name, object);
        if let Some(volumes) = template.pointer_mut("/spec/volumes").and_then(Value::as_array_mut) {
            volumes.retain(|one| text(one, "/name") != volume);
        }
        push(
            &mut template["spec"],
            "volumes",
            json!({"name": volume, "persistentVolumeClaim": {"claimName": claim_name}}),
        );
    }
    template["spec"]["hostname"] = json!(name);
    if !text(set, "/spec/serviceName").is_empty() {
        template["spec"]["subdomain"] = set["spec"]["serviceName"].clone();
    }
    let index = ordinal.to_string();
    let labels = [
        (REVISION, revision),
        ("statefulset.kubernetes.io/pod-name", name.as_str()),
        ("apps.kubernetes.io/pod-index", index.as_str()),
    ];
    pods::create(world, set, &template, &Name::Exactly(&name), &labels)
}

fn status(world: &World, key: &Key, set: &Value, revision: &str) {
    let pods = controlled(world, "", "pods", set);
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let updated = pods.iter().filter(|pod| label(pod, REVISION) == Some(revision)).count();
    let done = usize::try_from(wanted(set)).unwrap_or_default() == updated && updated == pods.len() && ready == updated;
    let before = text(set, "/status/currentRevision");
    let current = if done || before.is_empty() { revision } else { before };
    let of_current = pods.iter().filter(|pod| label(pod, REVISION) == Some(current)).count();
    let mut status = json!({
        "observedGeneration": number(set, "/metadata/generation", 1), "replicas": pods.len(), "collisionCount": 0,
        "availableReplicas": ready, "currentRevision": current, "updateRevision": revision,
    });
    for (field, count) in [("readyReplicas", ready), ("currentReplicas", of_current), ("updatedReplicas", updated)] {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    write_status(world, key, status);
}
