//! PersistentVolumeClaims: the default class, a volume once a pod wants it, protection while a pod uses it
//! (`pkg/controller/volume/persistentvolume`, `…/pvcprotection` of Kubernetes 1.34, rancher's local-path-provisioner).

use serde_json::{Value, json};

use super::bootstrap::{CONTROL_PLANE_NODE, STORAGE_GROUP};
use super::events::{Severity, record};
use super::garbage::{add_finalizer, drop_finalizer};
use super::owned::is_leaving;
use super::reconciler::{Controller, Next};
use crate::kubelet::volumes::claims;
use crate::object::{list, name, text, uid};
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "persistent-volumes", concerns, reconcile };

const IN_USE: &str = "kubernetes.io/pvc-protection";
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    let claim = |namespace: &str, name: &str| Key::new("", "persistentvolumeclaims", namespace, name);
    match (change.key.group.as_str(), change.key.plural.as_str()) {
        ("", "persistentvolumeclaims") => vec![change.key.clone()],
        ("", "pods") => claims(&change.object).iter().map(|name| claim(&change.key.namespace, name)).collect(),
        (STORAGE_GROUP, "storageclasses") => {
            let all = world.store.list("", "persistentvolumeclaims", None);
            all.iter().map(|found| claim(crate::object::namespace(found), name(found))).collect()
        }
        _ => Vec::new(),
    }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(claim) = world.store.get(key) else {
        release(world, key);
        return Next::Wait;
    };
    let used = users(world, key);
    if is_leaving(&claim) {
        if used == 0 {
            drop_finalizer(world, key, IN_USE);
        }
        return Next::Wait;
    }
    add_finalizer(world, key, IN_USE);
    if text(&claim, "/status/phase") == "Bound" {
        return Next::Wait;
    }
    let Some(class) = class(world, &claim) else {
        pending(world, key, &claim, "no persistent volumes available for this claim and no storage class is set");
        return Next::Wait;
    };
    let class_name = name(&class).to_owned();
    let named = world.store.update(key, None, |claim| {
        claim["spec"]["storageClassName"] = json!(class_name);
        true
    });
    let Ok(claim) = named else { return Next::Retry };
    if text(&class, "/volumeBindingMode") == "WaitForFirstConsumer" && used == 0 {
        pending(world, key, &claim, "waiting for first consumer to be created before binding");
    } else {
        bind(world, key, &claim, &class);
    }
    Next::Wait
}

/// How many pods that have not ended mount a claim.
fn users(world: &World, key: &Key) -> usize {
    let pods = world.store.list("", "pods", Some(&key.namespace));
    pods.iter().filter(|pod| super::pods::is_active(pod) && claims(pod).contains(&key.name)).count()
}

/// The claim's class, or the default one.
fn class(world: &World, claim: &Value) -> Option<std::sync::Arc<Value>> {
    match claim.pointer("/spec/storageClassName").and_then(Value::as_str) {
        Some(named) => world.store.get(&Key::new(STORAGE_GROUP, "storageclasses", "", named)),
        None => world.store.list(STORAGE_GROUP, "storageclasses", None).into_iter().find(|class| {
            let annotations = class.pointer("/metadata/annotations");
            annotations.and_then(|all| all.get(DEFAULT_CLASS)).is_some_and(|is| is == "true")
        }),
    }
}

fn pending(world: &World, key: &Key, claim: &Value, why: &str) {
    if text(claim, "/status/phase") == "Pending" {
        return;
    }
    let reason = if why.starts_with("waiting") { "WaitForFirstConsumer" } else { "FailedBinding" };
    record(world, "persistentvolume-controller", claim, Severity::Normal, reason, why);
    super::owned::write_status(world, key, json!({"phase": "Pending"}));
}

fn bind(world: &World, key: &Key, claim: &Value, class: &Value) {
    let volume = format!("pvc-{}", uid(claim));
    let capacity = claim.pointer("/spec/resources/requests/storage").cloned().unwrap_or_else(|| json!("1Gi"));
    let modes = list(claim, "/spec/accessModes");
    let object = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {
            "annotations": {"pv.kubernetes.io/provisioned-by": text(class, "/provisioner")},
            "finalizers": ["kubernetes.io/pv-protection"],
        },
        "spec": {
            "accessModes": modes, "capacity": {"storage": capacity}, "storageClassName": name(class),
            "persistentVolumeReclaimPolicy": text(class, "/reclaimPolicy"), "volumeMode": "Filesystem",
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": key.namespace, "name": key.name, "uid": uid(claim)},
            "hostPath": {"path": format!("/var/local-path-provisioner/{volume}_{}_{}", key.namespace, key.name), "type": "DirectoryOrCreate"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [CONTROL_PLANE_NODE]},
            ]}]}},
        },
        "status": {"phase": "Bound"},
    });
    super::bootstrap::put(world, "", "persistentvolumes", "", &volume, object);
    let written = world.store.update(key, None, |claim| {
        claim["spec"]["volumeName"] = json!(volume);
        claim["spec"]["volumeMode"] = json!("Filesystem");
        claim["metadata"]["annotations"]["pv.kubernetes.io/bind-completed"] = json!("yes");
        claim["metadata"]["annotations"]["pv.kubernetes.io/bound-by-controller"] = json!("yes");
        claim["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] = json!(CONTROL_PLANE_NODE);
        claim["metadata"]["annotations"]["volume.kubernetes.io/storage-provisioner"] = class["provisioner"].clone();
        claim["status"] = json!({"phase": "Bound", "accessModes": modes, "capacity": {"storage": capacity}});
        true
    });
    if let Err(error) = written {
        tracing::debug!(%error, "claim gone meanwhile");
    }
}

/// The volume of a claim that is gone: deleted, or kept as `Released`, as its reclaim policy says.
fn release(world: &World, key: &Key) {
    for volume in world.store.list("", "persistentvolumes", None) {
        let of = |field: &str| text(&volume, &format!("/spec/claimRef/{field}"));
        if of("namespace") != key.namespace || of("name") != key.name || text(&volume, "/status/phase") != "Bound" {
            continue;
        }
        let volume_key = Key::new("", "persistentvolumes", "", name(&volume));
        if text(&volume, "/spec/persistentVolumeReclaimPolicy") == "Delete" {
            drop_finalizer(world, &volume_key, "kubernetes.io/pv-protection");
            if let Err(error) = world.store.delete(&volume_key) {
                tracing::debug!(%error, "volume gone meanwhile");
            }
        } else {
            super::owned::write_status(world, &volume_key, json!({"phase": "Released"}));
        }
    }
}
