//! Reading an object as a built-in type, as Kubernetes' decoder does: values of another type are refused, fields that the
//! type does not have are dropped and reported.

use serde_json::Value;

use super::{Scalar, Schema};

/// What was found.
#[derive(Debug, Default)]
pub struct Problems {
    /// Paths of the fields that the type does not have.
    pub unknown: Vec<String>,
    /// The first value of a wrong type: path, what it is, what it should be.
    pub mistyped: Option<(String, &'static str, &'static str)>,
}

/// Drops what the type does not have, and the nulls that mean absence.
pub fn conform(value: &mut Value, schema: &Schema, path: &mut String, problems: &mut Problems) {
    if value.is_null() {
        return;
    }
    match schema {
        Schema::Any => {}
        Schema::Scalar(scalar) => {
            if let Some(wanted) = wrong(value, *scalar)
                && problems.mistyped.is_none()
            {
                problems.mistyped = Some((path.clone(), type_name(value), wanted));
            }
        }
        Schema::Map { fields, entries, .. } => {
            let Value::Object(map) = value else {
                let found = type_name(value);
                problems.mistyped.get_or_insert_with(|| (path.clone(), found, "map"));
                return;
            };
            let keys: Vec<String> = map.keys().cloned().collect();
            for key in keys {
                let link = match (fields.get(&key), entries) {
                    (Some(field), _) => &field.link,
                    (None, Some(entries)) => entries,
                    (None, None) => {
                        map.shift_remove(&key);
                        problems.unknown.push(joined(path, &key));
                        continue;
                    }
                };
                let length = path.len();
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&key);
                if map[&key].is_null() && fields.contains_key(&key) {
                    map.shift_remove(&key);
                } else {
                    conform(&mut map[&key], &link.get(), path, problems);
                }
                path.truncate(length);
            }
        }
        Schema::List { item, .. } => {
            let Value::Array(items) = value else {
                let found = type_name(value);
                problems.mistyped.get_or_insert_with(|| (path.clone(), found, "slice"));
                return;
            };
            let item = item.get();
            for (at, value) in items.iter_mut().enumerate() {
                let length = path.len();
                path.push_str(&format!("[{at}]"));
                conform(value, &item, path, problems);
                path.truncate(length);
            }
        }
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The Go type that a value should have been, if it is not.
fn wrong(value: &Value, scalar: Scalar) -> Option<&'static str> {
    let (fits, wanted) = match scalar {
        Scalar::Text | Scalar::Bytes => (value.is_string(), "string"),
        Scalar::Time => (value.is_string(), "time.Time"),
        Scalar::Bool => (value.is_boolean(), "bool"),
        Scalar::Int32 => (value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()), "int32"),
        Scalar::Int64 => (value.as_i64().is_some(), "int64"),
        Scalar::Number => (value.is_number(), "float64"),
        Scalar::Quantity => (value.is_string() || value.is_number(), "resource.Quantity"),
        Scalar::IntOrString => (value.is_string() || value.as_i64().is_some(), "intstr.IntOrString"),
        Scalar::Unknown => (true, ""),
    };
    (!fits).then_some(wanted)
}
