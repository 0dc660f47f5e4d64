//! Experiments of v1beta1.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/api/v1beta1/experiment.proto`,
//! `backend/src/apiserver/server/api_converter.go` (`toModelExperiment`, `toApiExperimentV1`).

use serde_json::{Value, json};

use super::references;
use crate::actors::pipelines::call::{Call, field, shown};
use crate::actors::pipelines::experiments;
use crate::actors::pipelines::refusal::Answered;

/// `POST /experiments`.
pub fn create(call: &Call) -> Answered {
    let body = call.json()?;
    let now = json!({
        "display_name": field(&body, "/name"), "description": field(&body, "/description"),
        "namespace": references::named(&body, "NAMESPACE"),
    });
    experiments::create(call, &now).map(|made| shape(&made))
}

/// `GET /experiments/{id}`.
pub fn get(call: &Call, id: &str) -> Answered {
    experiments::get(call, id).map(|found| shape(&found))
}

/// `GET /experiments`.
pub fn list(call: &Call) -> Answered {
    let mut listed = experiments::list(call, &references::listed(call, "NAMESPACE"))?;
    if let Some(entries) = listed.get_mut("experiments").and_then(Value::as_array_mut) {
        entries.iter_mut().for_each(|entry| *entry = shape(entry));
    }
    Ok(listed)
}

fn shape(now: &Value) -> Value {
    shown(json!({
        "id": now["experiment_id"], "name": now["display_name"], "description": now["description"],
        "created_at": now["created_at"],
        "resource_references": references::shown(&[("NAMESPACE", field(now, "/namespace"), "OWNER")]),
        "storage_state": format!("STORAGESTATE_{}", field(now, "/storage_state")),
    }))
}
