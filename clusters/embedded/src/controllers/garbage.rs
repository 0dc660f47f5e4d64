//! Garbage collection: what happens to an object's dependants when it goes (`pkg/controller/garbagecollector` of
//! Kubernetes 1.34).
//!
//! *Background*: the owner is gone, so its dependants go. *Foreground*: the owner waits, marked, until the dependants that
//! block it are gone. *Orphan*: the dependants forget the owner first. As there, an owner counts as present only under
//! its `uid`: a namesake is somebody else.

use std::sync::Arc;

use serde_json::{Value, json};

use super::owned::is_leaving;
use super::reconciler::{Controller, Next};
use crate::object::{list, text, uid};
use crate::platform::World;
use crate::store::{Change, ChangeKind, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "garbage-collector", concerns, reconcile };

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    let owners = list(&change.object, "/metadata/ownerReferences");
    if change.kind == ChangeKind::Deleted {
        let mut keys = world.store.owned_by(uid(&change.object));
        // A dependant that goes may be the last that an owner waits for.
        keys.extend(owners.iter().filter_map(|owner| world.store.by_uid(text(owner, "/uid"))));
        return keys;
    }
    let waits =
        is_leaving(&change.object) && [FOREGROUND, ORPHAN].iter().any(|what| has_finalizer(&change.object, what));
    // A foreground deletion reaches the dependants while their owner is still there.
    let begins = waits && change.before.as_ref().is_none_or(|before| !is_leaving(before));
    let mut keys = if begins { world.store.owned_by(uid(&change.object)) } else { Vec::new() };
    if waits || !owners.is_empty() {
        keys.push(change.key.clone());
    }
    keys
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(object) = world.store.get(key) else { return Next::Wait };
    if is_leaving(&object) {
        if has_finalizer(&object, ORPHAN) {
            orphan(world, key, &object);
        } else if has_finalizer(&object, FOREGROUND) && blocking(world, &object).is_empty() {
            drop_finalizer(world, key, FOREGROUND);
        }
        return Next::Wait;
    }
    collect(world, key, &object);
    Next::Wait
}

/// Removes an object whose owners are all gone or wait for it; else the references to those that are gone.
fn collect(world: &World, key: &Key, object: &Value) {
    let references = list(object, "/metadata/ownerReferences");
    if references.is_empty() {
        return;
    }
    let owner =
        |reference: &Value| world.store.by_uid(text(reference, "/uid")).and_then(|owner| world.store.get(&owner));
    let waits_for_it = |owner: &Value| is_leaving(owner) && has_finalizer(owner, FOREGROUND);
    let (mut solid, mut waiting) = (false, false);
    for reference in references {
        match owner(reference) {
            Some(owner) if waits_for_it(&owner) => waiting = true,
            Some(_) => solid = true,
            None => {}
        }
    }
    if solid {
        let gone = references.iter().filter(|one| owner(one).is_none_or(|owner| waits_for_it(&owner)));
        forget(world, key, &gone.map(|one| text(one, "/uid").to_owned()).collect::<Vec<_>>());
        return;
    }
    if waiting && !world.store.owned_by(uid(object)).is_empty() {
        add_finalizer(world, key, FOREGROUND);
    }
    if let Err(error) = world.store.delete(key) {
        tracing::debug!(%error, "gone meanwhile");
    }
}

/// The dependants that an owner in foreground deletion waits for.
fn blocking(world: &World, owner: &Value) -> Vec<Key> {
    let mut keys = world.store.owned_by(uid(owner));
    keys.retain(|key| {
        let dependant = world.store.get(key);
        dependant.is_some_and(|dependant| {
            list(&dependant, "/metadata/ownerReferences").iter().any(|reference| {
                text(reference, "/uid") == uid(owner) && reference["blockOwnerDeletion"] == json!(true)
            })
        })
    });
    keys
}

fn orphan(world: &World, key: &Key, owner: &Arc<Value>) {
    for dependant in world.store.owned_by(uid(owner)) {
        forget(world, &dependant, &[uid(owner).to_owned()]);
    }
    drop_finalizer(world, key, ORPHAN);
}

/// Removes the references to these owners.
fn forget(world: &World, key: &Key, gone: &[String]) {
    if gone.is_empty() {
        return;
    }
    let written = world.store.update(key, None, |object| {
        let is_gone = |reference: &&Value| gone.iter().any(|gone| gone == text(reference, "/uid"));
        let references = list(object, "/metadata/ownerReferences").iter();
        let kept: Vec<Value> = references.filter(|reference| !is_gone(reference)).cloned().collect();
        match object["metadata"].as_object_mut() {
            Some(metadata) if kept.is_empty() => drop(metadata.shift_remove("ownerReferences")),
            Some(metadata) => drop(metadata.insert("ownerReferences".to_owned(), json!(kept))),
            None => {}
        }
        true
    });
    if let Err(error) = written {
        tracing::debug!(%error, "gone meanwhile");
    }
}

/// Whether an object has a finalizer.
pub(super) fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    list(object, "/metadata/finalizers").iter().any(|one| one == finalizer)
}

/// Adds a finalizer to an object that lacks it.
pub(super) fn add_finalizer(world: &World, key: &Key, finalizer: &str) {
    let written = world.store.update(key, None, |object| {
        let absent = !has_finalizer(object, finalizer);
        if absent {
            crate::access::pod_admission::push(&mut object["metadata"], "finalizers", json!(finalizer));
        }
        absent
    });
    if let Err(error) = written {
        tracing::debug!(%error, "gone meanwhile");
    }
}

/// Removes a finalizer; the last one takes a leaving object with it.
pub(super) fn drop_finalizer(world: &World, key: &Key, finalizer: &str) {
    let written = world.store.update(key, None, |object| {
        let Some(finalizers) = object.pointer_mut("/metadata/finalizers").and_then(Value::as_array_mut) else {
            return false;
        };
        finalizers.retain(|one| one != finalizer);
        if finalizers.is_empty()
            && let Some(metadata) = object["metadata"].as_object_mut()
        {
            metadata.shift_remove("finalizers");
        }
        true
    });
    if let Err(error) = written {
        tracing::debug!(%error, "gone meanwhile");
    }
}
