//! What is left of v1beta1: lists by namespace, and the question whether somebody may use viewers.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/api/v1beta1`, `backend/src/apiserver/server/auth_server.go`.

use serde_json::{Value, json};

use super::call::{Call, shown};
use super::identity::{self, Wish};
use super::refusal::{Answered, Refusal, Within as _};
use super::{experiments, recurring, runs};

/// `GET /auth?namespace=&resources=VIEWERS&verb=`.
pub fn auth(call: &Call) -> Answered {
    let (namespace, resources, verb) = (call.asked("namespace"), call.asked("resources"), call.asked("verb"));
    let missing = |text: &str| Err(Refusal::invalid(text).within("Authorize request is not valid"));
    if namespace.is_empty() {
        return missing("Namespace is empty. Please specify a valid namespace");
    }
    if resources.is_empty() || resources == "UNASSIGNED_RESOURCES" {
        return missing("Resources not specified. Please specify a valid resources");
    }
    if verb.is_empty() || verb == "UNASSIGNED_VERB" {
        return missing("Verb not specified. Please specify a valid verb");
    }
    let verb = verb.to_lowercase();
    let (resource, group) = (resources.to_lowercase(), "kubeflow.org");
    let wish = Wish { group, resource: &resource, verb: &verb, namespace: &namespace, name: "" };
    identity::check(&call.visit, &call.settings, &call.head.headers, &wish)
        .within("Failed to authorize the request")?;
    Ok(json!({}))
}

/// The namespace that a list's reference key names; empty where it names none.
fn namespace(call: &Call) -> String {
    let kind = call.asked("resource_reference_key.type");
    if kind == "NAMESPACE" { call.asked("resource_reference_key.id") } else { String::new() }
}

/// `GET /experiments`.
pub fn experiments(call: &Call) -> Answered {
    let listed = experiments::list(call, &namespace(call), "List v1beta1 experiments failed")?;
    Ok(renamed(listed, "experiments", "experiments", "experiment_id"))
}

/// `GET /runs`.
pub fn runs(call: &Call) -> Answered {
    let listed = runs::list(call, &namespace(call), "Failed to list v1beta1 runs")?;
    Ok(renamed(listed, "runs", "runs", "run_id"))
}

/// `GET /jobs`.
pub fn jobs(call: &Call) -> Answered {
    let listed = recurring::list(call, &namespace(call))?;
    Ok(renamed(listed, "recurringRuns", "jobs", "recurring_run_id"))
}

/// The same list with the names of v1beta1: id, name, and what each entry belongs to.
fn renamed(mut listed: Value, from: &str, to: &str, id: &str) -> Value {
    let items = listed.as_object_mut().and_then(|members| members.shift_remove(from)).unwrap_or_default();
    let owner = |kind: &str, of: &Value| json!({"key": {"type": kind, "id": of}, "relationship": "OWNER"});
    let item = |item: &Value| {
        let mut references = Vec::new();
        if let Some(namespace) = item.get("namespace") {
            references.push(owner("NAMESPACE", namespace));
        }
        if let Some(experiment) = item.get("experiment_id").filter(|_| id != "experiment_id") {
            references.push(owner("EXPERIMENT", experiment));
        }
        let state = item.get("storage_state").and_then(Value::as_str).map(|state| format!("STORAGESTATE_{state}"));
        shown(json!({
            "id": item.get(id), "name": item.get("display_name"), "description": item.get("description"),
            "created_at": item.get("created_at"), "resource_references": references, "storage_state": state,
        }))
    };
    listed[to] = items.as_array().into_iter().flatten().map(item).collect();
    shown(listed)
}
