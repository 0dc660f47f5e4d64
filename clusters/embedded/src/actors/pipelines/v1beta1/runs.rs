//! Runs of v1beta1, made from an IR as those of v2beta1 are.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/api/v1beta1/run.proto`, `backend/src/apiserver/server/api_converter.go`
//! (`toModelRun`, `toApiRunV1`, `toApiRunDetailV1`), `backend/src/apiserver/model/run.go` (`ToV1`).

use serde_json::{Value, json};

use super::references;
use crate::actors::pipelines::call::{Call, field, shown, time};
use crate::actors::pipelines::refusal::Answered;
use crate::actors::pipelines::rows::{Row, number, text};
use crate::actors::pipelines::runs;

/// States of v2 in the words of v1; any other is `Unknown`.
const STATES: &[(&str, &str)] = &[
    ("PENDING", "Pending"),
    ("PAUSED", "Pending"),
    ("RUNNING", "Running"),
    ("SUCCEEDED", "Succeeded"),
    ("SKIPPED", "Skipped"),
    ("FAILED", "Failed"),
    ("CANCELED", "Failed"),
    ("CANCELING", "Terminating"),
];

/// `POST /runs`.
pub fn create(call: &Call) -> Answered {
    let body = call.json()?;
    runs::make(call, &of(&body)).map(|row| detail(&row))
}

/// `GET /runs/{id}`.
pub fn get(call: &Call, id: &str) -> Answered {
    runs::read(call, id).map(|row| detail(&row))
}

/// `GET /runs`, of a namespace or of an experiment.
pub fn list(call: &Call) -> Answered {
    let [namespace, experiment] = ["NAMESPACE", "EXPERIMENT"].map(|kind| references::listed(call, kind));
    let page = runs::page(call, &namespace, &experiment)?;
    Ok(shown(json!({
        "runs": page.rows.iter().map(shape).collect::<Vec<_>>(),
        "total_size": page.total, "next_page_token": page.next,
    })))
}

/// What v2beta1 is sent for the same.
pub fn of(body: &Value) -> Value {
    let spec = |name: &str| field(body, &format!("/pipeline_spec/{name}"));
    let or = |first, second| if str::is_empty(first) { second } else { first };
    let mut now = json!({
        "display_name": or(field(body, "/name"), spec("pipeline_name")), "run_id": field(body, "/id"),
        "description": field(body, "/description"), "service_account": field(body, "/service_account"),
        "experiment_id": references::named(body, "EXPERIMENT"), "recurring_run_id": references::named(body, "JOB"),
        "pipeline_version_reference": {
            "pipeline_id": or(spec("pipeline_id"), references::named(body, "PIPELINE")),
            "pipeline_version_id": references::named(body, "PIPELINE_VERSION"),
        },
    });
    if let Some(config) = body.pointer("/pipeline_spec/runtime_config") {
        now["runtime_config"] = config.clone();
    }
    if !spec("pipeline_manifest").is_empty() {
        now["pipeline_spec"] = json!(spec("pipeline_manifest"));
    }
    now
}

/// A run with what its Workflow said last.
fn detail(row: &Row) -> Value {
    json!({"run": shape(row), "pipeline_runtime": shown(json!({
        "pipeline_manifest": text(row, "PipelineRuntimeManifest"),
        "workflow_manifest": text(row, "WorkflowRuntimeManifest"),
    }))})
}

fn shape(row: &Row) -> Value {
    let state = STATES.iter().find(|(now, _)| *now == text(row, "State")).map_or("Unknown", |(_, then)| then);
    let (version, pipeline) = (text(row, "PipelineVersionId"), text(row, "PipelineId"));
    let mut belongs = vec![
        ("EXPERIMENT", text(row, "ExperimentUUID"), "OWNER"),
        ("NAMESPACE", text(row, "Namespace"), "OWNER"),
        ("JOB", text(row, "JobUUID"), "CREATOR"),
    ];
    belongs.push(if version.is_empty() {
        ("PIPELINE", pipeline, "CREATOR")
    } else {
        ("PIPELINE_VERSION", version, "CREATOR")
    });
    let archived = (text(row, "StorageState") == "ARCHIVED").then_some("STORAGESTATE_ARCHIVED");
    shown(json!({
        "id": text(row, "UUID"), "name": text(row, "DisplayName"), "description": text(row, "Description"),
        "storage_state": archived, "service_account": text(row, "ServiceAccount"), "status": state,
        "pipeline_spec": source(row), "resource_references": references::shown(&belongs),
        "created_at": time(number(row, "CreatedAtInSec")), "scheduled_at": time(number(row, "ScheduledAtInSec")),
        "finished_at": time(number(row, "FinishedAtInSec")),
    }))
}

/// Pipeline, parameters and root of a run or job.
pub fn source(row: &Row) -> Value {
    let parameters = serde_json::from_str::<Value>(text(row, "RuntimeParameters")).unwrap_or_default();
    let mut config = shown(json!({"pipeline_root": text(row, "PipelineRoot")}));
    if parameters.as_object().is_some_and(|parameters| !parameters.is_empty()) {
        config["parameters"] = parameters;
    }
    shown(json!({
        "pipeline_id": text(row, "PipelineId"), "pipeline_name": text(row, "PipelineName"),
        "pipeline_manifest": text(row, "PipelineSpecManifest"),
        "runtime_config": Some(config).filter(|config| *config != json!({})),
    }))
}
