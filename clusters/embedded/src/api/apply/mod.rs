//! Server-side apply and the bookkeeping of who owns which field.
//!
//! Follows structured-merge-diff's `merge/update.go` and apimachinery's `managedfields` of Kubernetes 1.34.

mod duplicates;
pub mod fields;
mod managed;
mod merge;

pub use duplicates::twice;
pub use managed::{Managed, Operation, Writer, record_update};

use serde_json::{Value, json};

use super::Status;
use super::kinds::Resource;
use super::schema;
use fields::{Fields, compare};

/// Applies `config` to the `live` object (`Null` if there is none yet) and returns the new object with its
/// `managedFields`.
///
/// # Errors
/// 409 with a cause for each field that another manager owns with another value, unless `force`.
pub fn apply(resource: &Resource, live: &Value, config: &Value, writer: &Writer, force: bool) -> Result<Value, Status> {
    let schema = schema::of(resource);
    let mut managed = Managed::read(live);
    if managed.is_empty() && !live.is_null() {
        managed.claim_all(&Writer::before_first_apply(&writer.api_version), managed::own(live, resource, &schema));
    }
    let base = if live.is_null() { json!({}) } else { managed::without_bookkeeping(live) };
    let mut config = config.clone();
    if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    let mut new = merge::merged(&base, &config, &schema);
    let applied = managed::stripped(Fields::of(&config, &schema), resource, writer);
    let last = managed.replace(writer, applied);
    if let Some(last) = last {
        merge::prune(&mut new, &last, &managed.union(), &schema);
    }
    let difference = compare(Some(&base), Some(&new), &schema);
    let mut conflicts = managed.conflicts(writer, &difference.changed);
    if writer.manager == KUBECTL {
        forgive_last_applied(&mut conflicts, live, &schema);
    }
    if !conflicts.is_empty() && !force {
        return Err(conflict(&conflicts));
    }
    managed.yield_to(writer, &difference);
    if writer.manager == KUBECTL && live.pointer(LAST_APPLIED).is_some() {
        set_last_applied(&mut new, &config);
    }
    managed.write(&mut new, Some(live), writer);
    Ok(new)
}

/// The manager that `kubectl apply --server-side` is.
const KUBECTL: &str = "kubectl";
/// Where `kubectl apply` without `--server-side` notes what it applied.
const LAST_APPLIED: &str = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";

/// What kubectl itself applied on the client's side before is no conflict for it (`lastappliedmanager.go`).
fn forgive_last_applied(conflicts: &mut Vec<(String, Fields)>, live: &Value, schema: &schema::Schema) {
    let noted = live.pointer(LAST_APPLIED).and_then(Value::as_str);
    let Some(noted) = noted.and_then(|noted| serde_json::from_str::<Value>(noted).ok()) else { return };
    let own = Fields::of(&noted, schema);
    for (_, fields) in conflicts.iter_mut() {
        *fields = fields.without(&own);
    }
    conflicts.retain(|(_, fields)| !fields.is_empty());
}

/// Keeps the note up to date, so that a later client-side apply knows what to take out (`lastappliedupdater.go`).
fn set_last_applied(new: &mut Value, config: &Value) {
    let mut config = config.clone();
    if let Some(annotations) = config.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    if let Some(note) = new.pointer_mut(LAST_APPLIED) {
        *note = json!(format!("{config}\n"));
    }
}

/// The answer to an apply that would take fields from others: one cause for each manager and field.
fn conflict(conflicts: &[(String, Fields)]) -> Status {
    let mut causes = Vec::new();
    let mut lines = Vec::new();
    for (manager, fields) in conflicts {
        let paths = fields.paths();
        match paths.as_slice() {
            [only] => lines.push(format!("conflict with {manager}: {only}")),
            _ => lines.push(format!("conflicts with {manager}:\n- {}", paths.join("\n- "))),
        }
        for path in paths {
            causes.push(json!({
                "reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": path,
            }));
        }
    }
    let message = match causes.len() {
        1 => format!("Apply failed with 1 conflict: {}", lines.join("\n")),
        count => format!("Apply failed with {count} conflicts: {}", lines.join("\n")),
    };
    Status::new(409, "Conflict", message).with_details(json!({ "causes": causes }))
}
