//! What the persistence agent reports: how far the Workflow of a run is.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/src/apiserver/resource/resource_manager.go` (`ReportWorkflowResource`),
//! checked against what the real agent was seen to do.

use std::sync::Arc;

use serde_json::{Value, json};

use super::call::{id, now};
use super::refusal::Answered;
use super::rows::{Row, Rows, object, text as column};
use super::settings::Settings;
use super::workflows::RUN_LABEL;
use crate::actors::mysql;
use crate::mesh::{config, destination::Destination, endpoints::Found};
use crate::object::{label, namespace, text};
use crate::platform::World;

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reported {
    /// The row says what the Workflow says.
    Kept,
    /// No row knows the run: the Workflow is to be removed.
    Unknown,
}

/// An API server behind a Service.
pub struct Api {
    /// Its pod.
    pub pod: Arc<Value>,
    /// The container in it.
    pub container: String,
}

impl Api {
    /// The one behind a Service's port, if it is there.
    #[must_use]
    pub fn behind(world: &World, home: &str, (service, port): (&str, u16)) -> Option<Self> {
        let Found::Pod(pod, port) = config::endpoints(world).find(&Destination::new(service, home, port)) else {
            return None;
        };
        let container = text(crate::mesh::endpoints::container_at(&pod, port)?, "/name").to_owned();
        Some(Self { pod, container })
    }

    /// The rows that it works on.
    #[must_use]
    pub fn rows(&self, world: &World) -> Rows {
        rows(world, &self.pod, &self.container)
    }

    /// Its configuration.
    #[must_use]
    pub fn settings(&self, world: &World) -> Arc<Settings> {
        Settings::of(world, &self.pod, &self.container)
    }
}

/// The rows of the API server behind a Service, if it is there and its database, too.
#[must_use]
pub fn rows_behind(world: &World, home: &str, service: &str, port: u16) -> Option<Rows> {
    Some(Api::behind(world, home, (service, port))?.rows(world))
}

/// The configuration of the API server behind a Service, if it is there.
#[must_use]
pub fn settings_behind(world: &World, home: &str, api: (&str, u16)) -> Option<Arc<Settings>> {
    Some(Api::behind(world, home, api)?.settings(world))
}

/// The rows that an API server's container works on, reached without a look at the mesh's policies.
#[must_use]
pub fn rows(world: &World, pod: &Value, container: &str) -> Rows {
    let settings = Settings::of(world, pod, container);
    Rows::new(mysql::reach(world, namespace(pod), &settings.host, &settings.port), &settings)
}

/// Notes how far a Workflow is.
///
/// # Errors
/// The database cannot be reached.
pub fn workflow(rows: &Rows, workflow: &Value) -> Answered<Reported> {
    let run = label(workflow, RUN_LABEL).unwrap_or_default();
    let Some(row) = rows.by_id("Failed to get run", "run_details", run)? else { return Ok(Reported::Unknown) };
    let (state, condition) = state_of(workflow);
    let finished = text(workflow, "/status/finishedAt").parse::<jiff::Timestamp>().map_or(0, |at| at.as_second());
    let mut history: Vec<Value> = serde_json::from_str(column(&row, "StateHistory")).unwrap_or_default();
    if history.last().is_none_or(|last| last["State"] != state) {
        history.push(json!({"UpdateTimeInSec": now(), "State": state, "Error": null}));
    }
    let values = [
        state.to_owned().into(),
        condition.to_owned().into(),
        finished.into(),
        json!(history).to_string().into(),
        workflow.to_string().into(),
        run.to_owned().into(),
    ];
    let statement = "UPDATE run_details SET State = ?, Conditions = ?, FinishedAtInSec = ?, StateHistory = ?, \
                     WorkflowRuntimeManifest = ? WHERE UUID = ?";
    rows.execute("Failed to update run", statement, &values)?;
    tasks(rows, &row, workflow)?;
    Ok(Reported::Kept)
}

/// The states of v2 and v1 that a Workflow's phase stands for.
fn state_of(workflow: &Value) -> (&'static str, &'static str) {
    let stopping = workflow.pointer("/spec/activeDeadlineSeconds") == Some(&json!(0));
    match text(workflow, "/status/phase") {
        "Succeeded" => ("SUCCEEDED", "Succeeded"),
        "Failed" => ("FAILED", "Failed"),
        "Error" => ("FAILED", "Error"),
        _ if stopping => ("CANCELING", "Terminating"),
        "Running" => ("RUNNING", "Running"),
        _ => ("PENDING", "Pending"),
    }
}

/// One row a node of the Workflow.
fn tasks(rows: &Rows, run: &Row, workflow: &Value) -> Answered<()> {
    let doing = "Failed to update tasks";
    let seconds =
        |node: &Value, field: &str| text(node, field).parse::<jiff::Timestamp>().map_or(0, |at| at.as_second());
    for (name, node) in workflow.pointer("/status/nodes").and_then(Value::as_object).into_iter().flatten() {
        let state = text(node, "/phase").to_uppercase();
        let known = rows.select(
            doing,
            "SELECT * FROM tasks WHERE RunUUID = ? AND PodName = ?",
            &[column(run, "UUID").to_owned().into(), name.clone().into()],
        )?;
        let finished = seconds(node, "/finishedAt");
        if let Some(row) = known.first() {
            let mut history: Vec<Value> = serde_json::from_str(column(row, "StateHistory")).unwrap_or_default();
            if history.last().is_none_or(|last| last["State"] != state.as_str()) {
                history.push(json!({"UpdateTimeInSec": now(), "State": state}));
            }
            let values = [
                state.into(),
                finished.into(),
                json!(history).to_string().into(),
                column(row, "UUID").to_owned().into(),
            ];
            let statement = "UPDATE tasks SET State = ?, FinishedTimestamp = ?, StateHistory = ? WHERE UUID = ?";
            rows.execute(doing, statement, &values)?;
            continue;
        }
        let task = object(json!({
            "UUID": id(), "Namespace": column(run, "Namespace"), "PipelineName": column(run, "PipelineName"),
            "RunUUID": column(run, "UUID"), "PodName": name, "MLMDExecutionID": "", "CreatedTimestamp": now(),
            "StartedTimestamp": seconds(node, "/startedAt"), "FinishedTimestamp": finished, "Fingerprint": "",
            "Name": text(node, "/displayName"), "ParentTaskUUID": "", "State": state,
            "StateHistory": json!([{"UpdateTimeInSec": now(), "State": state}]).to_string(),
            "ChildrenPods": node.get("children").cloned().unwrap_or_else(|| json!([])).to_string(),
        }));
        rows.insert(doing, "tasks", &task, |error| super::refusal::Refusal::internal(error.to_string()))?;
    }
    Ok(())
}
