//! The two steps of an apply that make the new object: the applied fields laid over the live ones, and the fields that
//! the applier had and dropped taken out, unless another manager owns them.

use serde_json::Value;

use super::fields::{Fields, element, field};
use crate::api::schema::{ListMerge, Schema};

/// `applied` laid over `live`.
#[must_use]
pub fn merged(live: &Value, applied: &Value, schema: &Schema) -> Value {
    match (live, applied) {
        (Value::Object(live), Value::Object(applied)) if !schema.is_atomic_map() => {
            let mut map = live.clone();
            for (key, value) in applied {
                let value = match live.get(key) {
                    Some(before) => merged(before, value, &schema.field(key)),
                    None => value.clone(),
                };
                map.insert(key.clone(), value);
            }
            Value::Object(map)
        }
        (Value::Array(live), Value::Array(applied)) => {
            let (item, merge) = schema.list();
            match merge {
                ListMerge::Atomic => Value::Array(applied.clone()),
                _ => Value::Array(merged_list(live, applied, &item, merge)),
            }
        }
        _ => applied.clone(),
    }
}

/// Items of both lists: the applied order holds among applied items, the others keep their place among the live ones.
fn merged_list(live: &[Value], applied: &[Value], item: &Schema, merge: &ListMerge) -> Vec<Value> {
    let keys = |items: &[Value]| -> Vec<String> { items.iter().map(|item| element(item, merge)).collect() };
    let (live_keys, applied_keys) = (keys(live), keys(applied));
    let mut out = Vec::with_capacity(live.len().max(applied.len()));
    let mut next = 0;
    let mut take_applied = |upto: usize, out: &mut Vec<Value>| {
        while next < upto {
            let before = live_keys.iter().position(|key| *key == applied_keys[next]);
            out.push(match before {
                Some(before) => merged(&live[before], &applied[next], item),
                None => applied[next].clone(),
            });
            next += 1;
        }
    };
    for (at, key) in live_keys.iter().enumerate() {
        match applied_keys.iter().position(|applied| applied == key) {
            Some(place) => take_applied(place + 1, &mut out),
            None => out.push(live[at].clone()),
        }
    }
    take_applied(applied.len(), &mut out);
    out
}

/// Takes out of `value` what `dropped` names and `owned` does not.
pub fn prune(value: &mut Value, dropped: &Fields, owned: &Fields, schema: &Schema) {
    match value {
        Value::Object(map) if !schema.is_atomic_map() => {
            let keys: Vec<String> = map.keys().cloned().collect();
            for key in keys {
                let path = field(&key);
                let Some(lost) = dropped.below(&path) else { continue };
                let owned = owned.below(&path);
                // Of a part that nobody owns, what nobody applied stays: the name of an object, a default.
                if lost.has_parts() {
                    prune(&mut map[&key], lost, owned.unwrap_or(&Fields::default()), &schema.field(&key));
                }
                if owned.is_none() && (!lost.has_parts() || is_empty(&map[&key])) {
                    map.shift_remove(&key);
                }
            }
        }
        Value::Array(items) => {
            let (item, merge) = schema.list();
            if *merge == ListMerge::Atomic {
                return;
            }
            items.retain_mut(|value| {
                let path = element(value, merge);
                match (dropped.below(&path), owned.below(&path)) {
                    (None, _) => true,
                    (Some(_), None) => false,
                    (Some(lost), Some(owned)) => {
                        prune(value, lost, owned, &item);
                        true
                    }
                }
            });
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}
