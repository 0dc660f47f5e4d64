//! What a built-in kind must say, from its type. Status is left out: controllers write it in their own order, and Go
//! fills what they leave out.

use serde_json::Value;

use super::Problem;
use crate::api::schema::Schema;

/// What is missing.
pub(super) fn problems(schema: &Schema, object: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let (Schema::Map { fields, .. }, Value::Object(map)) = (schema, object) {
        for (name, value) in map.iter().filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status")) {
            if let Some(field) = fields.get(name) {
                walk(&field.link.get(), value, &mut name.clone(), &mut problems);
            }
        }
        missing(fields, map, "", &mut problems);
    }
    problems
}

fn walk(schema: &Schema, value: &Value, path: &mut String, problems: &mut Vec<Problem>) {
    match (schema, value) {
        (Schema::Map { fields, entries, .. }, Value::Object(map)) => {
            missing(fields, map, path, problems);
            for (key, value) in map {
                let length = path.len();
                let link = match (fields.get(key), entries) {
                    (Some(field), _) => {
                        path.push_str(&format!(".{key}"));
                        &field.link
                    }
                    (None, Some(entries)) => {
                        path.push_str(&format!("[{key}]"));
                        entries
                    }
                    (None, None) => continue,
                };
                if value.is_object() || value.is_array() {
                    walk(&link.get(), value, path, problems);
                }
                path.truncate(length);
            }
        }
        (Schema::List { item, .. }, Value::Array(items)) => {
            let item = item.get();
            for (at, value) in items.iter().enumerate() {
                let length = path.len();
                path.push_str(&format!("[{at}]"));
                walk(&item, value, path, problems);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

fn missing(
    fields: &std::collections::BTreeMap<String, crate::api::schema::Field>,
    map: &serde_json::Map<String, Value>,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    for (name, _) in fields.iter().filter(|(_, field)| field.required) {
        // Empty text counts as missing, but a value may be empty, a list may be too.
        let absent = map.get(name).is_none_or(|value| value.is_null() || value == "" && !may_be_empty(name));
        if absent && !may_be_absent(name) {
            let field = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            problems.push(Problem::required(field, ""));
        }
    }
}

/// Texts whose being empty says something.
fn may_be_empty(name: &str) -> bool {
    matches!(name, "value" | "resourceVersion" | "selfLink" | "apiGroup" | "key" | "namespace" | "topologyKey")
}

/// Fields that the types call required, but whose absence Go reads as a value.
fn may_be_absent(name: &str) -> bool {
    matches!(
        name,
        // Lists that may be empty.
        "rules" | "verbs" | "containers" | "accessModes" | "subsets" | "nonResourceURLs" | "paths" | "ports"
        // Of events, leases, revisions and endpoints.
        | "reason" | "eventTime" | "revision" | "involvedObject" | "regarding" | "ready"
        // What rules of the kinds themselves ask for.
        | "template" | "roleRef"
        // A CSIDriver, an EndpointSlice and a scheduling class may leave out what they do not use.
        | "spec" | "value" | "drivers" | "key" | "requests" | "resource"
        // Quantities of divisors and flags.
        | "divisor" | "allowed" | "authenticated"
    )
}
