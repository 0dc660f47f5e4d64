//! Lists whose items are told apart by keys name no item twice.

use serde_json::Value;

use super::fields::{element, field, written};
use crate::api::schema::{ListMerge, Schema};

/// Where an applied list names an item twice, in words.
#[must_use]
pub fn twice(value: &Value, schema: &Schema, at: &mut String) -> Option<String> {
    let length = at.len();
    match value {
        Value::Object(map) => map.iter().find_map(|(key, value)| {
            at.push_str(&written(&field(key)));
            let found = twice(value, &schema.field(key), at);
            at.truncate(length);
            found
        }),
        Value::Array(items) => {
            let (item_schema, merge) = schema.list();
            if !matches!(merge, ListMerge::Keyed(_)) {
                return None;
            }
            let keys: Vec<String> = items.iter().map(|item| element(item, merge)).collect();
            if let Some((_, twice)) = keys.iter().enumerate().find(|(at, key)| keys[..*at].contains(key)) {
                return Some(format!("{at}: duplicate entries for key {}", written(twice)));
            }
            items.iter().zip(&keys).find_map(|(item, key)| {
                at.push_str(&written(key));
                let found = twice(item, &item_schema, at);
                at.truncate(length);
                found
            })
        }
        _ => None,
    }
}
