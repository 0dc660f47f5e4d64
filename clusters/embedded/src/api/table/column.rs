//! One column of a built-in kind, and the cells that many kinds share.

use serde_json::{Value, json};

use super::age;
use crate::object::{list, text};

/// A column: its head, and how a cell comes from an object.
pub(super) struct Column {
    name: &'static str,
    kind: &'static str,
    /// 0: always shown; 1: `-o wide` only.
    priority: u8,
    pub(super) cell: fn(&Value) -> Value,
}

impl Column {
    /// A column that is always shown.
    pub(super) const fn new(name: &'static str, cell: fn(&Value) -> Value) -> Self {
        Self { name, kind: "string", priority: 0, cell }
    }

    /// A column of whole numbers.
    pub(super) const fn number(name: &'static str, cell: fn(&Value) -> Value) -> Self {
        Self { name, kind: "integer", priority: 0, cell }
    }

    /// A column of numbers that is described as one of texts, as some are.
    pub(super) const fn count(name: &'static str, cell: fn(&Value) -> Value) -> Self {
        Self { name, kind: "string", priority: 0, cell }
    }

    /// A column of another type.
    pub(super) const fn typed(name: &'static str, kind: &'static str, cell: fn(&Value) -> Value) -> Self {
        Self { name, kind, priority: 0, cell }
    }

    /// A column that only `-o wide` shows.
    pub(super) const fn wide(name: &'static str, cell: fn(&Value) -> Value) -> Self {
        Self { name, kind: "string", priority: 1, cell }
    }

    /// Whether it holds times.
    pub(super) fn is_date(&self) -> bool {
        self.kind == "date"
    }

    pub(super) fn definition(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "format": if self.name == "Name" { "name" } else { "" },
            "description": "", "priority": self.priority,
        })
    }
}

/// The name of the object.
pub(super) const NAME: Column = Column::new("Name", |object| object["metadata"]["name"].clone());
/// How long ago it was made.
pub(super) const AGE: Column =
    Column::new("Age", |object| json!(age::since(text(object, "/metadata/creationTimestamp"))));

/// A text at a pointer, or what stands for its absence.
pub(super) fn or(object: &Value, pointer: &str, absent: &str) -> Value {
    match text(object, pointer) {
        "" => json!(absent),
        text => json!(text),
    }
}

/// A number at a pointer, or 0.
pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// A map as `key=value,…`.
pub(super) fn pairs(map: Option<&Value>) -> String {
    let pairs: Vec<String> = map
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    if pairs.is_empty() { "<none>".into() } else { pairs.join(",") }
}

/// A label selector.
pub(super) fn selector(object: &Value) -> Value {
    let selector = &object["spec"]["selector"];
    json!(pairs(selector.get("matchLabels").or(Some(selector))))
}

/// One field of all containers of a pod template.
pub(super) fn containers(object: &Value, field: &str) -> Value {
    let values: Vec<&str> = list(object, "/spec/template/spec/containers")
        .iter()
        .filter_map(|container| container[field].as_str())
        .collect();
    json!(values.join(","))
}
