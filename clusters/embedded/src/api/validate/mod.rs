//! Whether an object is valid: the rules of every object, of built-in kinds, and of definitions' schemas.

mod closed;
pub mod custom;
mod data;
mod definition;
mod immutable;
pub(crate) mod metadata;
mod required;
mod single;

use serde_json::{Value, json};

use super::Status;
use super::kinds::Resource;
use super::schema;

/// One broken rule, as apimachinery's `field.Error`.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// A word of the closed list of causes, for example `FieldValueRequired`.
    pub reason: &'static str,
    /// Path of the field.
    pub field: String,
    /// The sentence behind the path: `Invalid value: …`.
    pub message: String,
}

impl Problem {
    /// A value that breaks a rule.
    #[must_use]
    pub fn invalid(field: impl Into<String>, value: &Value, rule: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            field: field.into(),
            message: format!("Invalid value: {}: {rule}", written(value)),
        }
    }

    /// A value that must be there.
    #[must_use]
    pub fn required(field: impl Into<String>, rule: &str) -> Self {
        let message = if rule.is_empty() { "Required value".into() } else { format!("Required value: {rule}") };
        Self { reason: "FieldValueRequired", field: field.into(), message }
    }

    /// A value that is none of a closed list.
    #[must_use]
    pub fn unsupported(field: impl Into<String>, value: &Value, supported: &[Value]) -> Self {
        let supported: Vec<String> = supported.iter().map(written).collect();
        let message = format!("Unsupported value: {}: supported values: {}", written(value), supported.join(", "));
        Self { reason: "FieldValueNotSupported", field: field.into(), message }
    }

    /// The problem as one of a `Status`' causes.
    #[must_use]
    pub fn cause(&self) -> Value {
        json!({ "reason": self.reason, "message": self.message, "field": self.field })
    }

    /// A field that may not be there, or not be changed.
    #[must_use]
    pub fn forbidden(field: impl Into<String>, rule: &str) -> Self {
        Self { reason: "FieldValueForbidden", field: field.into(), message: format!("Forbidden: {rule}") }
    }
}

/// A value as messages write it: objects and lists as JSON, all else as Go would quote it.
fn written(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(1000) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Refuses an object that is not valid; `old` is the stored one if there is one.
///
/// # Errors
/// 422 with a cause for each problem.
pub fn check(resource: &Resource, old: Option<&Value>, new: &Value, subresource: &str) -> Result<(), Status> {
    let mut problems = metadata::problems(new, resource.definition.is_none());
    problems.extend(old.and_then(|old| metadata::new_finalizers(old, new)));
    match &resource.definition {
        Some(definition) => {
            let version = definition.version(&resource.version).unwrap_or(&Value::Null);
            if let Some(schema) = version.pointer("/schema/openAPIV3Schema") {
                problems.extend(custom::problems(schema, &definition.patterns, old, new));
                problems.extend(custom::unchecked(schema, &problems));
            }
        }
        None => {
            if subresource.is_empty() {
                if let Some((_, schema)) = schema::built_in_kind(&resource.group, &resource.version, &resource.kind) {
                    problems.extend(required::problems(&schema, new));
                }
                problems.extend(closed::problems(resource, new));
                problems.extend(definition::problems(resource, new));
                problems.extend(old.map(|old| immutable::problems(resource, old, new)).unwrap_or_default());
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(invalid(resource, crate::object::name(new), &problems)) }
}

/// 422 for these problems.
#[must_use]
pub fn invalid(resource: &Resource, name: &str, problems: &[Problem]) -> Status {
    let lines: Vec<String> = problems.iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect();
    let text = match lines.as_slice() {
        [only] => only.clone(),
        lines => format!("[{}]", lines.join(", ")),
    };
    let kind = match resource.group.as_str() {
        "" => resource.kind.clone(),
        group => format!("{}.{group}", resource.kind),
    };
    let causes: Vec<Value> = problems.iter().map(Problem::cause).collect();
    let mut details = json!({ "kind": resource.kind, "causes": causes });
    if !name.is_empty() {
        details["name"] = json!(name);
    }
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    Status::new(422, "Invalid", format!("{kind} \"{name}\" is invalid: {text}")).with_details(details)
}
