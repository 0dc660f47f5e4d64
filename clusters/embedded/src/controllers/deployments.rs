//! Deployments: a ReplicaSet for each template, rolled over from one to the next (`pkg/controller/deployment` of
//! Kubernetes 1.34).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::deployment_rollout::{Size, next, replicas, slack};
use super::events::{Severity, record};
use super::owned::{
    controlled, controller_reference, is_leaving, key_of, number, owner_key, set_condition, template_hash, write_status,
};
use super::reconciler::{Controller, Next};
use crate::object::{list, name, text};
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "deployment", concerns, reconcile };

const REVISION: &str = "deployment.kubernetes.io/revision";

fn concerns(_: &World, change: &Change) -> Vec<Key> {
    match (change.key.group.as_str(), change.key.plural.as_str()) {
        ("apps", "deployments") => vec![change.key.clone()],
        ("apps", "replicasets") => owner_key(change, "Deployment", "apps", "deployments").into_iter().collect(),
        _ => Vec::new(),
    }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(deployment) = world.store.get(key) else { return Next::Wait };
    if is_leaving(&deployment) || !deployment.pointer("/spec/template").is_some_and(Value::is_object) {
        return Next::Wait;
    }
    let paused = deployment.pointer("/spec/paused").and_then(Value::as_bool) == Some(true);
    let mut sets = controlled(world, "apps", "replicasets", &deployment);
    if !paused && current(&deployment, &sets).is_none() {
        create_set(world, &deployment, &sets);
        sets = controlled(world, "apps", "replicasets", &deployment);
    }
    let new = current(&deployment, &sets);
    if let (Some(new), false) = (&new, paused) {
        raise_revision(world, key, new, &sets);
    }
    scale(world, &deployment, new.as_deref(), &sets);
    clean_up(world, &deployment, new.as_deref(), &sets);
    status(world, key, &deployment)
}

/// The ReplicaSet of the present template.
fn current(deployment: &Value, sets: &[Arc<Value>]) -> Option<Arc<Value>> {
    let template = deployment.pointer("/spec/template")?;
    sets.iter().find(|set| without_hash(set) == *template).cloned()
}

fn without_hash(set: &Value) -> Value {
    let mut template = set.pointer("/spec/template").cloned().unwrap_or_default();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove("pod-template-hash");
    }
    template
}

fn create_set(world: &World, deployment: &Value, sets: &[Arc<Value>]) {
    let mut template = deployment.pointer("/spec/template").cloned().unwrap_or_default();
    let hash = template_hash(&template);
    let name = format!("{}-{hash}", name(deployment));
    template["metadata"]["labels"]["pod-template-hash"] = json!(hash);
    let mut selector = deployment.pointer("/spec/selector").cloned().unwrap_or_default();
    selector["matchLabels"]["pod-template-hash"] = json!(hash);
    let wanted = replicas(deployment);
    let room = wanted_total(deployment, sets);
    let set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "labels": template.pointer("/metadata/labels"),
            "annotations": {
                REVISION: (last_revision(sets) + 1).to_string(), "deployment.kubernetes.io/desired-replicas": wanted.to_string(),
                "deployment.kubernetes.io/max-replicas": room.to_string(),
            },
            "ownerReferences": [controller_reference(deployment, "apps/v1", "Deployment")],
        },
        "spec": {"replicas": 0, "selector": selector, "template": template},
    });
    let key = Key::new("apps", "replicasets", crate::object::namespace(deployment), &name);
    if let Err(error) = world.store.create(&key, set) {
        tracing::debug!(%error, "no ReplicaSet made");
    }
}

fn wanted_total(deployment: &Value, sets: &[Arc<Value>]) -> i64 {
    let wanted = replicas(deployment);
    let existing: i64 = sets.iter().map(|set| number(set, "/spec/replicas", 0)).sum();
    wanted.max(existing) + slack(deployment, wanted).surge()
}

fn revision(set: &Value) -> i64 {
    set.pointer("/metadata/annotations")
        .and_then(|all| all.get(REVISION))
        .and_then(Value::as_str)
        .map_or(0, |revision| revision.parse().unwrap_or_default())
}

fn last_revision(sets: &[Arc<Value>]) -> i64 {
    sets.iter().map(|set| revision(set)).max().unwrap_or_default()
}

/// A template that was rolled back to becomes the newest revision; the Deployment shows the number.
fn raise_revision(world: &World, key: &Key, new: &Value, sets: &[Arc<Value>]) {
    let last = sets.iter().filter(|set| name(set) != name(new)).map(|set| revision(set)).max().unwrap_or_default();
    let number = if revision(new) > last { revision(new) } else { last + 1 };
    for key in [key, &key_of("apps", "replicasets", new)] {
        let annotated = world.store.update(key, None, |object| {
            object["metadata"]["annotations"][REVISION] = json!(number.to_string());
            true
        });
        if let Err(error) = annotated {
            tracing::debug!(%error, "revision not written");
        }
    }
}

fn size(set: &Value) -> Size {
    Size {
        wanted: number(set, "/spec/replicas", 0),
        existing: number(set, "/status/replicas", 0),
        available: number(set, "/status/availableReplicas", 0),
    }
}

fn scale(world: &World, deployment: &Value, new: Option<&Value>, sets: &[Arc<Value>]) {
    let old: Vec<&Arc<Value>> = sets.iter().filter(|set| new.is_none_or(|new| name(new) != name(set))).collect();
    let Some(new) = new else { return };
    let sizes: Vec<Size> = old.iter().map(|set| size(set)).collect();
    let (grown, shrunk) = next(deployment, replicas(deployment), size(new), &sizes);
    resize(world, deployment, new, grown);
    for (set, wanted) in old.into_iter().zip(shrunk) {
        resize(world, deployment, set, wanted);
    }
}

fn resize(world: &World, deployment: &Value, set: &Value, wanted: i64) {
    let before = number(set, "/spec/replicas", 0);
    if before == wanted {
        return;
    }
    let written = world.store.update(&key_of("apps", "replicasets", set), None, |set| {
        set["spec"]["replicas"] = json!(wanted);
        true
    });
    if written.is_ok() {
        let way = if wanted > before { "up" } else { "down" };
        let message = format!("Scaled {way} replica set {} from {before} to {wanted}", name(set));
        record(world, "deployment-controller", deployment, Severity::Normal, "ScalingReplicaSet", &message);
    }
}

/// Old ReplicaSets without pods go, but for the last ones that a rollback may want.
fn clean_up(world: &World, deployment: &Value, new: Option<&Value>, sets: &[Arc<Value>]) {
    let kept = usize::try_from(number(deployment, "/spec/revisionHistoryLimit", 10)).unwrap_or_default();
    let mut old: Vec<&Arc<Value>> = sets
        .iter()
        .filter(|set| new.is_none_or(|new| name(new) != name(set)) && size(set).wanted == 0 && size(set).existing == 0)
        .collect();
    old.sort_by_key(|set| revision(set));
    for set in old.iter().take(old.len().saturating_sub(kept)) {
        if let Err(error) = world.store.delete(&key_of("apps", "replicasets", set)) {
            tracing::debug!(%error, "old ReplicaSet not removed");
        }
    }
}

/// Counts, conditions, and when the progress deadline is to be looked at.
fn status(world: &World, key: &Key, deployment: &Value) -> Next {
    let sets = controlled(world, "apps", "replicasets", deployment);
    let new = current(deployment, &sets);
    let sum = |field: &str| sets.iter().map(|set| number(set, field, 0)).sum::<i64>();
    let wanted = replicas(deployment);
    let (total, available) = (sum("/status/replicas"), sum("/status/availableReplicas"));
    let updated = new.as_ref().map_or(0, |set| number(set, "/status/replicas", 0));
    let mut status = json!({"observedGeneration": number(deployment, "/metadata/generation", 1)});
    for (field, count) in [
        ("replicas", total),
        ("updatedReplicas", updated),
        ("readyReplicas", sum("/status/readyReplicas")),
        ("availableReplicas", available),
        ("unavailableReplicas", (sum("/spec/replicas").max(wanted) - available).max(0)),
    ] {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    let mut conditions = list(deployment, "/status/conditions").to_vec();
    if available >= wanted - slack(deployment, wanted).unavailable() {
        set_condition(
            &mut conditions,
            "Available",
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        );
    } else {
        let message = "Deployment does not have minimum availability.";
        set_condition(&mut conditions, "Available", "False", "MinimumReplicasUnavailable", message);
    }
    let failure = sets
        .iter()
        .find_map(|set| list(set, "/status/conditions").iter().find(|one| one["type"] == "ReplicaFailure").cloned());
    conditions.retain(|condition| condition["type"] != "ReplicaFailure");
    conditions.extend(failure);
    let complete = updated == wanted && total == wanted && available >= wanted;
    let moved = ["updatedReplicas", "readyReplicas", "availableReplicas"].iter().any(|field| {
        let before = deployment.pointer("/status").and_then(|status| status.get(*field));
        before != status.get(*field)
    });
    let left = progress(&mut conditions, deployment, new.as_deref(), complete, moved);
    status["conditions"] = json!(conditions);
    write_status(world, key, status);
    left.map_or(Next::Wait, Next::After)
}

/// Keeps the `Progressing` condition; the time until the deadline passes while nothing moves.
fn progress(
    conditions: &mut Vec<Value>,
    deployment: &Value,
    new: Option<&Value>,
    complete: bool,
    moved: bool,
) -> Option<Duration> {
    let set = new.map(name).unwrap_or_default();
    let last = conditions.iter().find(|condition| condition["type"] == "Progressing").cloned().unwrap_or_default();
    let mut update = |status: &str, reason: &str, message: &str| {
        if set_condition(conditions, "Progressing", status, reason, message) || moved {
            stamp(conditions);
        }
    };
    if complete {
        update("True", "NewReplicaSetAvailable", &format!("ReplicaSet \"{set}\" has successfully progressed."));
        return None;
    }
    let deadline = number(deployment, "/spec/progressDeadlineSeconds", 600);
    let since = text(&last, "/lastUpdateTime").parse::<jiff::Timestamp>().ok();
    let waited = since.map_or(0, |since| jiff::Timestamp::now().as_second() - since.as_second());
    let started = text(&last, "/reason") != "NewReplicaSetAvailable" && !last.is_null();
    if started && !moved && waited >= deadline {
        update("False", "ProgressDeadlineExceeded", &format!("ReplicaSet \"{set}\" has timed out progressing."));
        return None;
    }
    if text(&last, "/reason") == "ProgressDeadlineExceeded" && !moved {
        return None;
    }
    if !started || moved {
        update("True", "ReplicaSetUpdated", &format!("ReplicaSet \"{set}\" is progressing."));
    }
    let left = if started && !moved { deadline - waited } else { deadline };
    Some(Duration::from_secs(u64::try_from(left.max(1)).unwrap_or(1)))
}

fn stamp(conditions: &mut [Value]) {
    if let Some(condition) = conditions.iter_mut().find(|condition| condition["type"] == "Progressing") {
        condition["lastUpdateTime"] = json!(crate::store::now());
    }
}
