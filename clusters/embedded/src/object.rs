//! Reading the parts of a Kubernetes object that every part of the platform needs.

use serde_json::Value;

/// `metadata.name`, or an empty string.
#[must_use]
pub fn name(object: &Value) -> &str {
    of_metadata(object, "name")
}

/// `metadata.namespace`, or an empty string for a cluster-scoped object.
#[must_use]
pub fn namespace(object: &Value) -> &str {
    of_metadata(object, "namespace")
}

/// `metadata.uid`, or an empty string.
#[must_use]
pub fn uid(object: &Value) -> &str {
    of_metadata(object, "uid")
}

/// These are asked for so often that they do without a JSON pointer, whose tokens are copied.
fn of_metadata<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get("metadata").and_then(|metadata| metadata.get(field)).and_then(Value::as_str).unwrap_or_default()
}

/// The text at a JSON pointer (RFC 6901), or an empty string when absent or no text.
#[must_use]
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The list at a JSON pointer, or an empty one.
#[must_use]
pub fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The value of a label, if set.
#[must_use]
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// Whether all `wanted` labels (a `matchLabels` or Service `selector` map) are on the object. An absent or empty
/// selector matches nothing, as a Service without selector selects nothing.
#[must_use]
pub fn selected_by(object: &Value, wanted: Option<&Value>) -> bool {
    match wanted.and_then(Value::as_object) {
        Some(wanted) if !wanted.is_empty() => {
            wanted.iter().all(|(key, value)| value.as_str().is_some_and(|value| label(object, key) == Some(value)))
        }
        _ => false,
    }
}
