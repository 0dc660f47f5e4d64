//! Experiments: what runs are gathered in; each belongs to a namespace.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/src/apiserver/server/experiment_server.go`.

use serde_json::{Value, json};

use super::call::{Call, field, id, now, shown, time};
use super::listing::{self, EXPERIMENTS};
use super::refusal::{Answered, Refusal, Within as _};
use super::rows::{Row, number, object, text};

const NO_NAMESPACE: &str = "An experiment cannot have an empty namespace in multi-user mode";
const DENIED: &str = "Failed to authorize with API";

/// `POST /experiments`.
pub fn create(call: &Call, body: &Value) -> Answered {
    let (name, namespace) = (field(body, "/display_name"), field(body, "/namespace"));
    let old = call.old();
    if name.is_empty() {
        let refusal = Refusal::invalid("Experiment must have a non-empty name");
        return Err(refusal
            .into_internal("Failed to convert API experiment to model experiment")
            .within(&format!("[ExperimentServer]: Failed to create a {old}experiment due to conversion error")));
    }
    add(call, body, name, namespace).within(&format!("Failed to create a {old}experiment"))
}

fn add(call: &Call, body: &Value, name: &str, namespace: &str) -> Answered {
    in_namespace(call, "create", namespace, name).within("Failed to authorize the request")?;
    let row = object(json!({
        "UUID": id(), "Name": name, "Description": field(body, "/description"), "CreatedAtInSec": now(),
        "Namespace": namespace, "StorageState": "AVAILABLE",
    }));
    call.rows.insert("Failed to add experiment to experiment table", "experiments", &row, |_| {
        Refusal::taken(format!(
            "Failed to create a new experiment. The name {name} already exists. Please specify a new name"
        ))
    })?;
    Ok(shape(&row))
}

/// `GET /experiments`.
pub fn list(call: &Call, namespace: &str) -> Answered {
    let what = format!("List {}experiments failed", call.old());
    in_namespace(call, "list", namespace, "").within(DENIED).within(&what)?;
    let scope = [("Namespace", namespace)];
    let page = listing::page(&call.rows, &EXPERIMENTS, &call.head.uri, &scope, "Failed to list experiments");
    let page = page.within(&what)?;
    Ok(shown(json!({
        "experiments": page.rows.iter().map(shape).collect::<Vec<_>>(),
        "total_size": page.total, "next_page_token": page.next,
    })))
}

/// `GET /experiments/{id}`.
pub fn get(call: &Call, id: &str) -> Answered {
    Ok(shape(&reached(call, id, "get").within(&format!("Failed to fetch {}experiment", call.old()))?))
}

/// `DELETE /experiments/{id}`.
pub fn delete(call: &Call, id: &str) -> Answered {
    let what = format!("Failed to delete {}experiment", call.old());
    reached(call, id, "delete").within(&what)?;
    call.rows.execute(&what, "DELETE FROM experiments WHERE UUID = ?", &[id.to_owned().into()])?;
    Ok(json!({}))
}

/// `POST /experiments/{id}:archive` and `:unarchive`. Its runs are archived with it, and stay so.
pub fn store(call: &Call, id: &str, verb: &str) -> Answered {
    let what = format!("Failed to {verb} {}experiment", call.old());
    reached(call, id, verb).within(&what)?;
    let state = if verb == "archive" { "ARCHIVED" } else { "AVAILABLE" };
    let values = [state.to_owned().into(), id.to_owned().into()];
    call.rows.execute(&what, "UPDATE experiments SET StorageState = ? WHERE UUID = ?", &values)?;
    if verb == "archive" {
        call.rows.execute(&what, "UPDATE run_details SET StorageState = ? WHERE ExperimentUUID = ?", &values)?;
    }
    Ok(json!({}))
}

/// The namespace of the experiment that something is to belong to. For one user alone that is the API server's own
/// (`resource_manager.go`, `GetNamespaceFromExperimentId`).
pub fn namespace_of(call: &Call, id: &str) -> Answered<String> {
    if id.is_empty() {
        return Err(Refusal::invalid("Experiment id can not be empty in multi-user mode"));
    }
    let found = call.rows.by_id("Failed to get experiment", "experiments", id);
    let found = found.and_then(|row| row.ok_or_else(|| Refusal::absent("Experiment", id)));
    let found = found
        .within(&format!("Failed to fetch namespace from experiment {id}"))
        .within(&format!("Failed to fetch namespace for experiment {id}"))?;
    match text(&found, "Namespace") {
        "" if !call.settings.multi_user => Ok(crate::object::namespace(&call.visit.pod).to_owned()),
        namespace => Ok(namespace.to_owned()),
    }
}

/// An experiment that the caller may do this to.
fn reached(call: &Call, id: &str, verb: &str) -> Answered<Row> {
    let found = call.rows.by_id("Failed to get experiment", "experiments", id);
    let found = found.and_then(|row| row.ok_or_else(|| Refusal::absent("Experiment", id)));
    let row = found.within("Failed to get experiment").within("Failed to authorize the request")?;
    in_namespace(call, verb, text(&row, "Namespace"), text(&row, "Name")).within("Failed to authorize the request")?;
    Ok(row)
}

fn in_namespace(call: &Call, verb: &str, namespace: &str, name: &str) -> Answered<()> {
    if call.settings.multi_user && namespace.is_empty() {
        return Err(Refusal::invalid(NO_NAMESPACE));
    }
    call.may(verb, "experiments", namespace, name).within(DENIED)
}

fn shape(row: &Row) -> Value {
    shown(json!({
        "experiment_id": text(row, "UUID"), "display_name": text(row, "Name"),
        "description": text(row, "Description"), "created_at": time(number(row, "CreatedAtInSec")),
        "namespace": text(row, "Namespace"), "storage_state": text(row, "StorageState"),
    }))
}
