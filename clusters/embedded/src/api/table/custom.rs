//! The columns of a custom resource: its name, then `additionalPrinterColumns`, or its age if there are none.

use serde_json::{Value, json};

use super::age;
use super::json_path::JsonPath;
use crate::object::{list, text};

/// One column of a custom resource.
pub(super) struct Column {
    definition: Value,
    path: JsonPath,
}

/// The columns of a version of a definition.
pub(super) fn columns(version: &Value) -> Vec<Column> {
    let column = |name: &str, kind: &str, format: &str, path: &str, priority: i64, description: &str| Column {
        definition: json!({
            "name": name, "type": kind, "format": format, "description": description, "priority": priority,
        }),
        path: JsonPath::parse(path),
    };
    let mut columns = vec![column("Name", "string", "name", ".metadata.name", 0, "")];
    let added = list(version, "/additionalPrinterColumns");
    columns.extend(added.iter().map(|added| {
        let part = |pointer| text(added, pointer);
        let priority = added["priority"].as_i64().unwrap_or_default();
        column(part("/name"), part("/type"), part("/format"), part("/jsonPath"), priority, part("/description"))
    }));
    if added.is_empty() {
        columns.push(column("Age", "date", "", ".metadata.creationTimestamp", 0, ""));
    }
    columns
}

impl Column {
    pub(super) fn definition(&self) -> Value {
        self.definition.clone()
    }

    pub(super) fn cell(&self, object: &Value) -> Value {
        let found = self.path.find(object);
        let Some(first) = found.first() else { return Value::Null };
        match (text(&self.definition, "/type"), first) {
            ("date", Value::String(time)) => json!(age::since(time)),
            ("integer" | "number", Value::Number(_)) | ("boolean", Value::Bool(_)) => (*first).clone(),
            ("string", _) => {
                let written: Vec<String> = found.iter().map(|value| written(value)).collect();
                json!(written.join(","))
            }
            _ => Value::Null,
        }
    }
}

fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
