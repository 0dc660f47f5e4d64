//! From what was sent to an object of its kind: types, unknown fields, defaults.

use serde_json::{Value, json};

use super::apply::twice;
use super::call::Call;
use super::validate::Problem;
use super::{Status, defaults, schema};

/// How many warnings an answer carries at most.
const WARNINGS: usize = 20;

/// What to do about unknown fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Validation {
    Ignore,
    Warn,
    Strict,
}

impl Validation {
    /// What the query asks for; `options` has checked it.
    fn wanted(call: &Call) -> Self {
        match call.query.get("fieldValidation") {
            Some("Ignore") => Self::Ignore,
            Some("Strict") => Self::Strict,
            _ => Self::Warn,
        }
    }
}

/// Reads an object as its kind and fills in what it leaves out. `patch` is the patch that made it, if one did.
///
/// # Errors
/// 400 for a value of a wrong type, and for unknown fields if the client is strict (422 if a patch brought them).
pub fn decode(
    call: &Call,
    object: &mut Value,
    patch: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Result<(), Status> {
    let validation = Validation::wanted(call);
    let (resource, kind) = (&call.resource, &call.resource.kind);
    let schema = schema::of(resource);
    // What a patch made, before anything is dropped: a refusal shows it.
    let sent = patch.map(|patch| (patch, object.clone()));
    let mut problems = schema::conform(object, &schema, kind, resource.definition.is_some());
    if resource.definition.is_some() {
        problems.unknown.sort();
    }
    let handled =
        |why: &str| format!("{kind} in version \"{}\" cannot be handled as a {kind}: {why}", resource.version);
    if let Some(unreadable) = problems.unreadable {
        return Err(match sent {
            Some((patch, made)) => refused_patch(call, patch, made, &unreadable),
            None => Status::bad_request(handled(&unreadable)),
        });
    }
    if !problems.unknown.is_empty() {
        let unknown: Vec<String> = problems.unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
        match (validation, sent) {
            (Validation::Ignore, _) => {}
            (Validation::Warn, _) => {
                warnings.extend(unknown);
                warnings.truncate(WARNINGS);
            }
            (Validation::Strict, None) => {
                return Err(Status::bad_request(handled(&format!("strict decoding error: {}", unknown.join(", ")))));
            }
            (Validation::Strict, Some((patch, made))) => {
                return Err(refused_patch(
                    call,
                    patch,
                    made,
                    &format!("strict decoding error: {}", unknown.join(", ")),
                ));
            }
        }
    }
    without_empty_metadata(object);
    defaults::fill(resource, object);
    Ok(())
}

/// Go leaves out what is empty.
fn without_empty_metadata(object: &mut Value) {
    let empty = |value: &Value| {
        value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty)
    };
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for part in ["labels", "annotations", "finalizers", "ownerReferences"] {
        if metadata.get(part).is_some_and(empty) {
            metadata.shift_remove(part);
        }
    }
}

/// Reads the configuration of a server-side apply: no defaults, and no unknown fields at all,
/// for nobody could own them. `namespace` is the one that it names itself, if it does.
///
/// # Errors
/// 400, or 500 as Kubernetes answers for fields that a type does not have.
pub fn decode_applied(call: &Call, config: &mut Value, namespace: &str) -> Result<(), Status> {
    let (resource, kind) = (&call.resource, &call.resource.kind);
    let schema = schema::of(resource);
    let custom = resource.definition.is_some();
    let problems = schema::conform(config, &schema, kind, custom);
    let Some(unknown) = problems.unknown.first() else {
        return match problems.unreadable.or_else(|| twice(config, &schema, &mut String::new())) {
            Some(why) => Err(untyped(call, namespace, &why)),
            None => Ok(()),
        };
    };
    Err(untyped(call, namespace, &format!(".{unknown}: field not declared in schema")))
}

/// 422 for a patch that makes no object of the kind. It shows the patch, or, of the types that work on JSON, what they made.
#[must_use]
pub fn refused_patch(call: &Call, patch: &Value, mut made: Value, why: &str) -> Status {
    if made["metadata"].is_object()
        && made["metadata"].get("resourceVersion").is_none()
        && let Ok(stored) = call.stored()
    {
        made["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
    }
    let shown = match call.content_type() {
        "application/strategic-merge-patch+json" => as_go_prints(patch),
        _ => as_go_writes(made).to_string(),
    };
    let problem = Problem::invalid("patch", &json!(shown), why);
    let message = format!(" \"\" is invalid: {}: {}", problem.field, problem.message);
    Status::new(422, "Invalid", message).with_details(json!({ "causes": [problem.cause()] }))
}

/// An object with its keys in the order in which Go writes them: metadata as the type has them, all else by name.
#[must_use]
pub fn as_go_writes(value: Value) -> Value {
    const FIRST: &[&str] = &[
        "manager",
        "operation",
        "name",
        "generateName",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "managedFields",
    ];
    const ENTRY: &[&str] = &["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"];
    fn sorted(value: Value, order: &[&str]) -> Value {
        match value {
            Value::Object(map) => {
                let place = |key: &str| order.iter().position(|name| *name == key).unwrap_or(order.len());
                let mut entries: Vec<_> = map.into_iter().collect();
                entries.sort_by(|(one, _), (other, _)| (place(one), one).cmp(&(place(other), other)));
                let inner = |key: &str| match key {
                    "metadata" => FIRST,
                    "managedFields" => ENTRY,
                    _ => &[],
                };
                entries.into_iter().map(|(key, value)| (key.clone(), sorted(value, inner(&key)))).collect()
            }
            Value::Array(items) => items.into_iter().map(|item| sorted(item, order)).collect(),
            other => other,
        }
    }
    sorted(value, &[])
}

/// A value as Go's `%+v` prints it.
#[must_use]
pub fn as_go_prints(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(as_go_prints).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let mut entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}:{}", as_go_prints(value))).collect();
            entries.sort();
            format!("map[{}]", entries.join(" "))
        }
        other => other.to_string(),
    }
}

fn untyped(call: &Call, namespace: &str, why: &str) -> Status {
    let (resource, route) = (&call.resource, &call.route);
    let message = format!(
        "failed to create typed patch object ({namespace}/{}; {}/{}, Kind={}): {why}",
        route.name, resource.group, resource.version, resource.kind
    );
    Status::new(500, "", message)
}
