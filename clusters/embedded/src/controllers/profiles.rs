//! Kubeflow's profile-controller: the namespace of a Profile and what it holds
//! (`components/profile-controller/controllers/profile_controller.go`, kubeflow v1.8.0 to v1.10.0; checked against what
//! the real controller was seen to do).
//!
//! As there, a namespace whose `owner` annotation is not the Profile's owner stops everything, and no condition says so;
//! what the API refuses stops what comes after it: without the finalizer a Profile is not complete.

use serde_json::{Value, json};

use super::garbage::{add_finalizer, drop_finalizer, has_finalizer};
use super::operators;
use super::owned::{controller_reference, is_leaving};
use super::profile_contents;
use super::profile_plugins;
use super::profile_settings::Settings;
use super::reconciler::{Controller, Next};
use crate::object::{list, namespace as namespace_of, text};
use crate::platform::World;
use crate::store::{Change, Key};
use crate::switches;

pub(super) const CONTROLLER: Controller = Controller { name: "profile-controller", concerns, reconcile };

const GROUP: &str = "kubeflow.org";
const IMAGES: &[&str] = &["profile-controller"];
const FINALIZER: &str = "profile-finalizer";
/// Switch: the controller acts on changes of Profiles and namespaces alone.
const CHILDREN_UNWATCHED: &str = "profile-children-unwatched";
/// Switch: the controller takes over namespaces that are somebody else's.
const TAKES_OVER: &str = "profile-takes-namespaces-over";
/// Switch: what the controller makes does not belong to the Profile.
const UNOWNED: &str = "profile-objects-unowned";

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    if operators::begins(change, IMAGES) {
        return operators::all(world, GROUP, "profiles");
    }
    match (change.key.group.as_str(), change.key.plural.as_str()) {
        (GROUP, "profiles") => vec![change.key.clone()],
        ("", "namespaces") => vec![Key::new(GROUP, "profiles", "", &change.key.name)],
        // The file of labels is watched, too.
        ("", "configmaps") if is_mounted(world, &change.key) => operators::all(world, GROUP, "profiles"),
        // The controller watches these kinds by their owner; quotas it does not watch.
        ("", "serviceaccounts")
        | ("rbac.authorization.k8s.io", "rolebindings")
        | ("security.istio.io", "authorizationpolicies")
            if !switches::is_on(&world.store, CHILDREN_UNWATCHED) =>
        {
            let owners = list(&change.object, "/metadata/ownerReferences").iter();
            owners
                .filter(|owner| text(owner, "/kind") == "Profile")
                .map(|owner| Key::new(GROUP, "profiles", "", text(owner, "/name")))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn is_mounted(world: &World, config_map: &Key) -> bool {
    operators::running(world, IMAGES).is_some_and(|pod| {
        namespace_of(&pod) == config_map.namespace
            && list(&pod, "/spec/volumes").iter().any(|volume| text(volume, "/configMap/name") == config_map.name)
    })
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(profile) = world.store.get(key) else { return Next::Wait };
    let Some(pod) = operators::running(world, IMAGES) else { return Next::Wait };
    let settings = Settings::of(world, &pod, operators::container(&pod, IMAGES));
    if is_leaving(&profile) {
        // A foreground deletion waits for what is owned; the real controller makes some of it again meanwhile.
        if settings.may(world, "update", GROUP, "profiles") {
            drop_finalizer(world, key, FINALIZER);
        }
        return Next::Wait;
    }
    if complete(world, key, &profile, &settings).is_some() && !has_finalizer(&profile, FINALIZER) {
        add_finalizer(world, key, FINALIZER);
        // The program writes the whole object back, as its types have it.
        let written = world.store.update(key, None, |profile| {
            let absent = profile.pointer("/spec/resourceQuotaSpec").is_none();
            if absent {
                profile["spec"]["resourceQuotaSpec"] = json!({});
            }
            absent
        });
        if let Err(error) = written {
            tracing::debug!(%error, "profile gone meanwhile");
        }
    }
    Next::Wait
}

/// Provides everything in order, as far as it goes; `None` if something is refused.
fn complete(world: &World, key: &Key, profile: &Value, settings: &Settings) -> Option<()> {
    let home = namespace(world, key, profile, settings)?;
    if is_leaving(&home) {
        return None;
    }
    profile_contents::provide(world, profile, settings)?;
    profile_plugins::apply(world, profile, settings)
}

/// The Profile's namespace with its labels; `None` if it is somebody else's, or cannot be made.
fn namespace(world: &World, key: &Key, profile: &Value, settings: &Settings) -> Option<std::sync::Arc<Value>> {
    let home = Key::new("", "namespaces", "", &key.name);
    let owner = text(profile, "/spec/owner/name");
    let Some(found) = world.store.get(&home) else {
        // A Profile may be called what no namespace can be: with a dot, or longer than 63 characters.
        let fits = key.name.len() <= 63 && !key.name.contains('.');
        return (fits && settings.may(world, "create", "", "namespaces"))
            .then(|| create_namespace(world, &home, profile, settings))
            .flatten();
    };
    let annotations = found.pointer("/metadata/annotations");
    let is_ours = annotations.and_then(|all| all.get("owner")).and_then(Value::as_str) == Some(owner);
    if !is_ours && !switches::is_on(&world.store, TAKES_OVER) {
        return None;
    }
    if !settings.may(world, "update", "", "namespaces") {
        return None;
    }
    world.store.update(&home, None, |namespace| label(namespace, &settings.labels)).ok()
}

fn create_namespace(world: &World, home: &Key, profile: &Value, settings: &Settings) -> Option<std::sync::Arc<Value>> {
    let mut object = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "annotations": {"owner": text(profile, "/spec/owner/name")},
            "labels": {"istio-injection": "enabled", "kubernetes.io/metadata.name": home.name},
            "ownerReferences": owners(world, profile),
        },
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
    });
    label(&mut object, &settings.labels);
    super::bootstrap::put(world, "", "namespaces", "", &home.name, object);
    world.store.get(home)
}

/// What says that an object is the Profile's.
pub(super) fn owners(world: &World, profile: &Value) -> Value {
    if switches::is_on(&world.store, UNOWNED) {
        return json!([]);
    }
    json!([controller_reference(profile, "kubeflow.org/v1", "Profile")])
}

/// Adds the labels that are absent and removes those whose value is empty; returns whether that changed anything.
fn label(namespace: &mut Value, wanted: &Value) -> bool {
    let mut changed = false;
    for (label, value) in wanted.as_object().into_iter().flatten() {
        let labels = &mut namespace["metadata"]["labels"];
        match (value.as_str(), labels.get(label)) {
            (Some(""), Some(_)) => {
                labels.as_object_mut().map(|labels| labels.shift_remove(label));
                changed = true;
            }
            (Some(value), None) if !value.is_empty() => {
                labels[label] = json!(value);
                changed = true;
            }
            _ => {}
        }
    }
    changed
}
