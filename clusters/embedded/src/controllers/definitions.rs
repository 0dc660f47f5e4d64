//! The end of CustomResourceDefinitions: the resources of one that is deleted go first.
//!
//! As `pkg/controller/finalizer/crd_finalizer.go` of apiextensions-apiserver 0.34: the definition stays, terminating, until
//! none of its resources is left; those with finalizers hold it.

use serde_json::json;

use super::owned::{is_leaving, set_condition};
use super::reconciler::{Controller, Next};
use crate::api::crd::{CLEANUP, GROUP, PLURAL};
use crate::object::{list, text};
use crate::platform::World;
use crate::store::{Change, ChangeKind, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "definition", concerns, reconcile };

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    let key = &change.key;
    if key.group == GROUP && key.plural == PLURAL {
        return vec![key.clone()];
    }
    let definition = Key::new(GROUP, PLURAL, "", &format!("{}.{}", key.plural, key.group));
    let leaves = change.kind == ChangeKind::Deleted && world.store.get(&definition).is_some_and(|it| is_leaving(&it));
    if leaves { vec![definition] } else { Vec::new() }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(definition) = world.store.get(key).filter(|definition| is_leaving(definition)) else { return Next::Wait };
    let (group, plural) = (text(&definition, "/spec/group"), text(&definition, "/spec/names/plural"));
    for resource in world.store.list(group, plural, None) {
        let of = Key::new(group, plural, crate::object::namespace(&resource), crate::object::name(&resource));
        if let Err(error) = world.store.delete(&of) {
            tracing::debug!(%error, "a custom resource is gone already");
        }
    }
    let empty = world.store.list(group, plural, None).is_empty();
    let written = world.store.update(key, None, |definition| {
        let mut conditions = list(definition, "/status/conditions").to_vec();
        let message = "CustomResource deletion is in progress";
        set_condition(&mut conditions, "Terminating", "True", "InstanceDeletionInProgress", message);
        definition["status"]["conditions"] = json!(conditions);
        if empty && let Some(finalizers) = definition["metadata"]["finalizers"].as_array_mut() {
            finalizers.retain(|finalizer| finalizer != CLEANUP);
        }
        true
    });
    if let Err(error) = written {
        tracing::debug!(%error, "a definition is gone already");
    }
    Next::Wait
}
