//! How rows of runs and recurring runs are shown.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/src/apiserver/server/api_converter.go`.

use serde_json::{Value, json};

use super::call::{Call, shown, time};
use super::refusal::Answered;
use super::rows::{Row, number, text};

/// A run, as `GET /runs/{id}` shows it.
///
/// # Errors
/// Its tasks cannot be read.
pub fn run(call: &Call, row: &Row) -> Answered {
    let parsed = |column: &str| serde_json::from_str::<Value>(text(row, column)).unwrap_or_default();
    let mut run = json!({
        "experiment_id": text(row, "ExperimentUUID"), "run_id": text(row, "UUID"),
        "display_name": text(row, "DisplayName"), "storage_state": text(row, "StorageState"),
        "description": text(row, "Description"), "service_account": text(row, "ServiceAccount"),
        "created_at": time(number(row, "CreatedAtInSec")), "scheduled_at": time(number(row, "ScheduledAtInSec")),
        "finished_at": time(number(row, "FinishedAtInSec")), "state": text(row, "State"),
        "recurring_run_id": text(row, "JobUUID"), "state_history": history(&parsed("StateHistory")),
    });
    source(row, &mut run);
    let query = "SELECT * FROM tasks WHERE RunUUID = ? ORDER BY CreatedTimestamp, rowid";
    let tasks = call.rows.select("Failed to list tasks", query, &[text(row, "UUID").to_owned().into()])?;
    if !tasks.is_empty() {
        run["run_details"] = json!({"task_details": tasks.iter().map(task).collect::<Vec<_>>()});
    }
    Ok(shown(run))
}

/// Pipeline, parameters and root of a run or recurring run.
pub fn source(row: &Row, into: &mut Value) {
    let parsed = |column: &str| serde_json::from_str::<Value>(text(row, column)).unwrap_or_default();
    match (text(row, "PipelineId"), text(row, "PipelineVersionId")) {
        ("", "") => into["pipeline_spec"] = parsed("PipelineSpecManifest"),
        (pipeline, version) => {
            into["pipeline_version_reference"] =
                shown(json!({"pipeline_id": pipeline, "pipeline_version_id": version}));
        }
    }
    let mut config = json!({"pipeline_root": text(row, "PipelineRoot")});
    let parameters = parsed("RuntimeParameters");
    if parameters.as_object().is_some_and(|parameters| !parameters.is_empty()) {
        config["parameters"] = parameters;
    }
    let config = shown(config);
    if config != json!({}) {
        into["runtime_config"] = config;
    }
}

fn history(kept: &Value) -> Vec<Value> {
    let entries = kept.as_array().into_iter().flatten();
    entries
        .map(|entry| json!({"update_time": time(entry["UpdateTimeInSec"].as_i64().unwrap_or_default()), "state": entry["State"]}))
        .collect()
}

fn task(row: &Row) -> Value {
    let at = |column: &str| time(number(row, column));
    let pods = serde_json::from_str::<Value>(text(row, "ChildrenPods")).unwrap_or_default();
    let pods = pods.as_array().into_iter().flatten().map(|pod| json!({"pod_name": pod})).collect::<Vec<_>>();
    shown(json!({
        "run_id": text(row, "RunUUID"), "task_id": text(row, "UUID"), "display_name": text(row, "Name"),
        "create_time": at("CreatedTimestamp"), "start_time": at("StartedTimestamp"),
        "end_time": at("FinishedTimestamp"), "state": text(row, "State"), "child_tasks": pods,
        "state_history": history(&serde_json::from_str::<Value>(text(row, "StateHistory")).unwrap_or_default()),
    }))
}
