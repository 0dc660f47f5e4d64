//! Jobs: recurring runs in the words of v1beta1.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/api/v1beta1/job.proto`, `backend/src/apiserver/server/api_converter.go`
//! (`toModelJob`, `toApiJobV1`), `backend/src/apiserver/model/job.go` (`ToV1`).

use serde_json::{Value, json};

use super::references;
use super::runs::{of, source};
use crate::actors::pipelines::call::{Call, field, shown, time};
use crate::actors::pipelines::recurring;
use crate::actors::pipelines::refusal::Answered;
use crate::actors::pipelines::rows::{Row, number, text};

/// `POST /jobs`.
pub fn create(call: &Call) -> Answered {
    let body = call.json()?;
    let enabled = body.get("enabled") == Some(&json!(true)) || field(&body, "/mode") == "ENABLED";
    let mut now = of(&body);
    for field in ["max_concurrency", "trigger", "no_catchup"] {
        now[field] = body.get(field).cloned().unwrap_or_default();
    }
    now["mode"] = json!(if enabled { "ENABLE" } else { "DISABLE" });
    recurring::make(call, &now).map(|row| shape(&row))
}

/// `GET /jobs/{id}`.
pub fn get(call: &Call, id: &str) -> Answered {
    recurring::read(call, id).map(|row| shape(&row))
}

/// `GET /jobs`, of a namespace or of an experiment.
pub fn list(call: &Call) -> Answered {
    let [namespace, experiment] = ["NAMESPACE", "EXPERIMENT"].map(|kind| references::listed(call, kind));
    let page = recurring::page(call, &namespace, &experiment)?;
    Ok(shown(json!({
        "jobs": page.rows.iter().map(shape).collect::<Vec<_>>(),
        "total_size": page.total, "next_page_token": page.next,
    })))
}

fn shape(row: &Row) -> Value {
    let set = |column: &str| recurring::is_set(row, column).then_some(true);
    let belongs = [
        ("NAMESPACE", text(row, "Namespace"), "OWNER"),
        ("EXPERIMENT", text(row, "ExperimentUUID"), "OWNER"),
        ("PIPELINE", text(row, "PipelineId"), "CREATOR"),
        ("PIPELINE_VERSION", text(row, "PipelineVersionId"), "CREATOR"),
    ];
    shown(json!({
        "id": text(row, "UUID"), "name": text(row, "DisplayName"), "description": text(row, "Description"),
        "pipeline_spec": source(row), "resource_references": references::shown(&belongs),
        "service_account": text(row, "ServiceAccount"), "max_concurrency": number(row, "MaxConcurrency").to_string(),
        "enabled": set("Enabled"), "no_catchup": set("NoCatchup"),
        "status": if set("Enabled").is_some() { "ENABLED" } else { "DISABLED" },
        "trigger": Some(recurring::trigger_shape(row)).filter(|trigger| *trigger != json!({})),
        "created_at": time(number(row, "CreatedAtInSec")), "updated_at": time(number(row, "UpdatedAtInSec")),
    }))
}
