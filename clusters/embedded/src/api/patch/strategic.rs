//! Strategic merge patches: lists with a merge key change item by item, and `$patch`, `$deleteFromPrimitiveList/…`,
//! `$setElementOrder/…`, `$retainKeys` direct what happens.
//!
//! Follows apimachinery's `strategicpatch` of Kubernetes 1.34.

use serde_json::{Map, Value};

use crate::api::Status;
use crate::api::decode::as_go_prints;
use crate::api::schema::{ListPatch, Schema};

/// Merges a patch into an object.
///
/// # Errors
/// 400 for directives that make no sense.
pub fn merge(object: &mut Value, patch: &Value, schema: &Schema) -> Result<(), Status> {
    let (Value::Object(map), Value::Object(changes)) = (&mut *object, patch) else {
        *object = without_directives(patch);
        return Ok(());
    };
    match changes.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *object = without_directives(patch);
            return Ok(());
        }
        Some("delete") => {
            *object = Value::Object(Map::new());
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => {
            let shown = as_go_prints(patch);
            return Err(Status::new(500, "", format!("unknown patch type: {other} in map: {shown}")));
        }
    }
    if let Some(retained) = changes.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|key, _| retained.iter().any(|name| name == key.as_str()));
    }
    for (key, change) in changes {
        if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = change.as_array().map(Vec::as_slice).unwrap_or_default();
            if let Some(items) = map.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|item| !gone.contains(item));
            }
        }
    }
    for (key, change) in changes {
        if key.starts_with('$') {
            continue;
        }
        if change.is_null() {
            map.shift_remove(key);
            continue;
        }
        let inner = schema.field(key);
        match (map.get_mut(key), change) {
            (Some(Value::Array(items)), Value::Array(changed)) => {
                let order = changes.get(&format!("$setElementOrder/{key}")).and_then(Value::as_array);
                merge_list(items, changed, order, &inner)?;
            }
            (Some(before), Value::Object(_)) if before.is_object() => merge(before, change, &inner)?,
            _ => {
                if !is_deletion(change) {
                    map.insert(key.clone(), without_directives(change));
                }
            }
        }
    }
    // A list may be named by an order alone: nothing but its order changes.
    for (key, order) in changes {
        if let Some(list) = key.strip_prefix("$setElementOrder/")
            && !changes.contains_key(list)
            && let (Some(items), Some(order)) = (map.get_mut(list).and_then(Value::as_array_mut), order.as_array())
        {
            merge_list(items, &[], Some(order), &schema.field(list))?;
        }
    }
    Ok(())
}

fn merge_list(
    items: &mut Vec<Value>,
    changes: &[Value],
    order: Option<&Vec<Value>>,
    schema: &Schema,
) -> Result<(), Status> {
    let Schema::List { item, patch, .. } = schema else {
        *items = changes.iter().map(without_directives).collect();
        return Ok(());
    };
    match patch {
        ListPatch::Replace => *items = changes.iter().map(without_directives).collect(),
        ListPatch::Add => {
            for change in changes {
                if !items.contains(change) {
                    items.push(change.clone());
                }
            }
            if let Some(order) = order {
                sort_by_order(items, order, Clone::clone);
            }
        }
        ListPatch::Merge(key) => {
            if changes.iter().any(|change| change["$patch"] == "replace") {
                let kept = changes.iter().filter(|change| change["$patch"] != "replace");
                *items = kept.map(without_directives).collect();
                return Ok(());
            }
            let item = item.get();
            let before = items.clone();
            for change in changes {
                let named = change.get(key).filter(|named| !named.is_null());
                let Some(named) = named else {
                    let shown = as_go_prints(change);
                    return Err(Status::new(
                        500,
                        "",
                        format!("map: {shown} does not contain declared merge key: {key}"),
                    ));
                };
                if change["$patch"] == "delete" {
                    items.retain(|known| known.get(key) != Some(named));
                    continue;
                }
                match items.iter_mut().find(|known| known.get(key) == Some(named)) {
                    Some(known) => merge(known, change, &item)?,
                    None => items.push(without_directives(change)),
                }
            }
            let key_of = |item: &Value| item.get(key).cloned().unwrap_or_default();
            match order {
                Some(order) => sort_by_order(items, order, key_of),
                None => patched_first(items, &before, changes, key_of),
            }
        }
    }
    Ok(())
}

/// The order of a patched list: items of the patch in its order, each before the first item that it did not follow
/// before (apimachinery `strategicpatch`, `mergeSortedSlice`).
fn patched_first(items: &mut Vec<Value>, before: &[Value], changes: &[Value], key: impl Fn(&Value) -> Value) {
    let place = |list: &[Value], item: &Value| list.iter().position(|other| key(other) == key(item));
    let (mut patched, kept): (Vec<Value>, Vec<Value>) =
        items.drain(..).partition(|item| place(changes, item).is_some());
    patched.sort_by_key(|item| place(changes, item));
    let (mut patched, mut kept) = (patched.into_iter().peekable(), kept.into_iter().peekable());
    loop {
        let kept_is_less = match (kept.peek(), patched.peek()) {
            (None, None) => return,
            (Some(one), Some(other)) => match (place(before, one), place(before, other)) {
                (Some(one), Some(other)) => one < other,
                _ => false,
            },
            (one, _) => one.is_some(),
        };
        items.extend(if kept_is_less { kept.next() } else { patched.next() });
    }
}

/// Items named by the order take its order; the others stay behind the item they follow now.
fn sort_by_order(items: &mut [Value], order: &[Value], key: impl Fn(&Value) -> Value) {
    let wanted: Vec<Value> =
        order.iter().map(|entry| if entry.is_object() { key(entry) } else { entry.clone() }).collect();
    let place = |item: &Value| wanted.iter().position(|entry| *entry == key(item));
    let places: Vec<usize> =
        items.iter().enumerate().filter(|(_, item)| place(item).is_some()).map(|(at, _)| at).collect();
    let mut named: Vec<Value> = places.iter().map(|at| items[*at].clone()).collect();
    named.sort_by_key(|item| place(item));
    for (at, item) in places.into_iter().zip(named) {
        items[at] = item;
    }
}

fn is_deletion(change: &Value) -> bool {
    change.get("$patch").is_some_and(|directive| directive == "delete")
}

/// What a patch adds where there was nothing: its directives and nulls mean nothing there.
fn without_directives(patch: &Value) -> Value {
    match patch {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(key, value)| !key.starts_with('$') && !value.is_null())
                .map(|(key, value)| (key.clone(), without_directives(value)))
                .collect(),
        ),
        Value::Array(items) => {
            Value::Array(items.iter().filter(|item| !is_deletion(item)).map(without_directives).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(mut object: Value, patch: &Value) -> Value {
        let (_, schema) = crate::api::schema::built_in_kind("apps", "v1", "Deployment").unwrap();
        merge(&mut object, patch, &schema).unwrap();
        object
    }

    fn deployment(containers: &Value) -> Value {
        json!({ "spec": { "template": { "spec": { "containers": containers } } } })
    }

    #[test]
    fn containers_merge_by_name_and_their_ports_by_number() {
        let before = deployment(&json!([
            {"name": "a", "image": "1", "ports": [{"containerPort": 80, "name": "http"}]},
            {"name": "b", "image": "1"},
        ]));
        let patch = deployment(&json!([
            {"name": "a", "image": "2", "ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 81}]},
        ]));
        let after = deployment(&json!([
            {"name": "a", "image": "2", "ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 81}]},
            {"name": "b", "image": "1"},
        ]));
        assert_eq!(patched(before, &patch), after);
    }

    #[test]
    fn directives_delete_replace_order_and_retain() {
        let before = deployment(&json!([{"name": "a"}, {"name": "b"}]));
        let patch = deployment(&json!([{"name": "a", "$patch": "delete"}]));
        assert_eq!(patched(before.clone(), &patch), deployment(&json!([{"name": "b"}])));
        let patch = deployment(&json!([{"$patch": "replace"}, {"name": "c"}]));
        assert_eq!(patched(before.clone(), &patch), deployment(&json!([{"name": "c"}])));
        let order = json!({ "spec": { "template": { "spec": {
            "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
        } } } });
        assert_eq!(patched(before, &order), deployment(&json!([{"name": "b"}, {"name": "a"}])));
        let before = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
        let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
        assert_eq!(patched(before, &patch), json!({"spec": {"strategy": {"type": "Recreate"}}}));
    }

    #[test]
    fn finalizers_add_and_delete_as_scalars() {
        let before = json!({"metadata": {"finalizers": ["a", "b"]}});
        let patch = json!({"metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"]}});
        assert_eq!(patched(before, &patch), json!({"metadata": {"finalizers": ["b", "c"]}}));
    }
}
