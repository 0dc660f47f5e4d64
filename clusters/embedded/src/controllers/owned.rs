//! Owners and what they own.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::object::{list, name, text, uid};
use crate::platform::World;
use crate::store::{Change, Key};

/// The owner reference of an object that `owner` controls. `api_version` and `kind` are the owner's.
pub fn controller_reference(owner: &Value, api_version: &str, kind: &str) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "name": name(owner), "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// The reference to an object's controlling owner.
pub fn controller_of(object: &Value) -> Option<&Value> {
    list(object, "/metadata/ownerReferences")
        .iter()
        .find(|reference| reference.get("controller").and_then(Value::as_bool) == Some(true))
}

/// Whether `owner` controls an object.
pub fn is_controlled_by(object: &Value, owner: &Value) -> bool {
    controller_of(object).is_some_and(|reference| text(reference, "/uid") == uid(owner))
}

/// The objects of a resource in the owner's namespace that it controls.
pub fn controlled(world: &World, group: &str, plural: &str, owner: &Value) -> Vec<Arc<Value>> {
    let home = crate::object::namespace(owner);
    let fits = |key: &Key| key.group == group && key.plural == plural && key.namespace == home;
    let keys = world.store.owned_by(uid(owner)).into_iter().filter(fits);
    keys.filter_map(|key| world.store.get(&key)).filter(|object| is_controlled_by(object, owner)).collect()
}

/// The controlling owner of the changed object, if of this kind.
pub fn owner_key(change: &Change, kind: &str, group: &str, plural: &str) -> Option<Key> {
    let reference = controller_of(&change.object)?;
    (text(reference, "/kind") == kind && text(reference, "/apiVersion").split('/').next() == Some(group))
        .then(|| Key::new(group, plural, &change.key.namespace, text(reference, "/name")))
}

/// The key of an object of a resource.
pub fn key_of(group: &str, plural: &str, object: &Value) -> Key {
    Key::new(group, plural, crate::object::namespace(object), name(object))
}

/// Whether an object is on its way out.
pub fn is_leaving(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// A number of an object, or a default.
pub fn number(object: &Value, pointer: &str, absent: i64) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(absent)
}

/// Sets a condition in a list of conditions; `lastTransitionTime` moves only with its status. Returns whether anything
/// changed.
pub fn set_condition(conditions: &mut Vec<Value>, kind: &str, status: &str, reason: &str, message: &str) -> bool {
    let now = crate::store::now();
    let old = conditions.iter().position(|condition| text(condition, "/type") == kind);
    let mut fresh = json!({"type": kind, "status": status, "lastTransitionTime": now});
    for (field, value) in [("reason", reason), ("message", message)] {
        if !value.is_empty() {
            fresh[field] = json!(value);
        }
    }
    let Some(index) = old else {
        conditions.push(fresh);
        return true;
    };
    let condition = &mut conditions[index];
    if ["/status", "/reason", "/message"].iter().all(|field| text(condition, field) == text(&fresh, field)) {
        return false;
    }
    if text(condition, "/status") == status {
        fresh["lastTransitionTime"] = condition["lastTransitionTime"].clone();
    }
    *condition = fresh;
    true
}

/// Writes an object's status if it differs.
pub fn write_status(world: &World, key: &Key, status: Value) {
    let written = world.store.update(key, None, |object| {
        object["status"] = status;
        true
    });
    if let Err(error) = written {
        tracing::debug!(%error, "status not written");
    }
}

/// Five characters for a generated name (`apimachinery/pkg/util/rand`: no vowels, nothing that looks like another).
pub fn suffix() -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    uuid::Uuid::new_v4().as_bytes()[..5].iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % 27])).collect()
}

/// A short hash of a template in the alphabet of generated names.
pub fn template_hash(template: &Value) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut hash: u32 = 0x811c_9dc5;
    for byte in template.to_string().bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    hash.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % 27])).collect()
}
