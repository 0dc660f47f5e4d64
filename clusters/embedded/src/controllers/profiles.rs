//! Kubeflow's profile-controller: the namespace of a Profile and what it holds
//! (`components/profile-controller/controllers/profile_controller.go`, kubeflow v1.8.0 to v1.10.0; checked against what
//! the real controller was seen to do).
//!
//! As there, a namespace whose `owner` annotation is not the Profile's owner stops everything, and no condition says so.
//! Plugins are not played.

use serde_json::{Value, json};

use super::garbage::{add_finalizer, drop_finalizer, has_finalizer};
use super::operators;
use super::owned::{controller_reference, is_leaving};
use super::profile_contents::{self, Settings};
use super::reconciler::{Controller, Next};
use crate::object::{list, text};
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "profile-controller", concerns, reconcile };

const GROUP: &str = "kubeflow.org";
const IMAGES: &[&str] = &["profile-controller"];
const FINALIZER: &str = "profile-finalizer";

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    if operators::begins(change, IMAGES) {
        return operators::all(world, GROUP, "profiles");
    }
    match (change.key.group.as_str(), change.key.plural.as_str()) {
        (GROUP, "profiles") => vec![change.key.clone()],
        ("", "namespaces") => vec![Key::new(GROUP, "profiles", "", &change.key.name)],
        // The controller watches these kinds by their owner; quotas it does not watch.
        ("", "serviceaccounts")
        | ("rbac.authorization.k8s.io", "rolebindings")
        | ("security.istio.io", "authorizationpolicies") => {
            let owners = list(&change.object, "/metadata/ownerReferences").iter();
            owners
                .filter(|owner| text(owner, "/kind") == "Profile")
                .map(|owner| Key::new(GROUP, "profiles", "", text(owner, "/name")))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(profile) = world.store.get(key) else { return Next::Wait };
    let Some(pod) = operators::running(world, IMAGES) else { return Next::Wait };
    if is_leaving(&profile) {
        drop_finalizer(world, key, FINALIZER);
        return Next::Wait;
    }
    let settings = Settings::of(world, &pod, operators::container(&pod, IMAGES));
    let Some(home) = namespace(world, key, &profile, &settings) else { return Next::Wait };
    if is_leaving(&home) {
        return Next::Wait;
    }
    // Without an owner the RoleBinding of the owner is refused by the API, and the rest is not reached.
    let owned = !text(&profile, "/spec/owner/name").is_empty();
    profile_contents::provide(world, &profile, &settings);
    if owned && !has_finalizer(&profile, FINALIZER) {
        add_finalizer(world, key, FINALIZER);
    }
    Next::Wait
}

/// The Profile's namespace with its labels; `None` if it is somebody else's.
fn namespace(world: &World, key: &Key, profile: &Value, settings: &Settings) -> Option<std::sync::Arc<Value>> {
    let home = Key::new("", "namespaces", "", &key.name);
    let owner = text(profile, "/spec/owner/name");
    if world.store.get(&home).is_none() {
        let mut labels = settings.labels.clone();
        labels["istio-injection"] = json!("enabled");
        labels["kubernetes.io/metadata.name"] = json!(key.name);
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {
                "annotations": {"owner": owner}, "labels": labels,
                "ownerReferences": [controller_reference(profile, "kubeflow.org/v1", "Profile")],
            },
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
        });
        super::bootstrap::put(world, "", "namespaces", "", &key.name, object);
        return world.store.get(&home);
    }
    let found = world.store.get(&home)?;
    if found.pointer("/metadata/annotations").and_then(|all| all.get("owner")).and_then(Value::as_str) != Some(owner) {
        return None;
    }
    let labelled = world.store.update(&home, None, |namespace| {
        for (label, value) in settings.labels.as_object().into_iter().flatten() {
            let labels = &mut namespace["metadata"]["labels"];
            match (value.as_str(), labels.get(label)) {
                (Some(""), Some(_)) => drop(labels.as_object_mut().map(|labels| labels.shift_remove(label))),
                (Some(value), None) if !value.is_empty() => labels[label] = json!(value),
                _ => {}
            }
        }
        true
    });
    labelled.ok()
}
