//! The persistence agent of Kubeflow Pipelines: what becomes of a Workflow reaches the API server's rows.
//!
//! A Workflow whose run no row knows is removed, as the real agent was seen to do; one without a run's label is left
//! alone (kubeflow/pipelines 2.3.0 `backend/src/agent/persistence`).

use serde_json::{Value, json};

use super::operators;
use super::reconciler::{Controller, Next};
use crate::actors::pipelines::report::{self, Reported};
use crate::actors::pipelines::workflows::{FINAL_LABEL, GROUP, RUN_LABEL};
use crate::object::{label, namespace, text};
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "persistence-agent", concerns, reconcile };

const IMAGES: &[&str] = &["persistenceagent", "kfp-persistence-agent"];
/// Where the agent finds the API server (its flags `mlPipelineAPIServerName` and `mlPipelineServiceGRPCPort`).
const API: (&str, u16) = ("ml-pipeline", 8887);

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    if operators::begins(change, IMAGES) {
        return operators::all(world, GROUP, "workflows");
    }
    let is_workflow = change.key.group == GROUP && change.key.plural == "workflows";
    if is_workflow && label(&change.object, RUN_LABEL).is_some() { vec![change.key.clone()] } else { Vec::new() }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(workflow) = world.store.get(key) else { return Next::Wait };
    let Some(agent) = operators::running(world, IMAGES) else { return Next::Wait };
    if label(&workflow, RUN_LABEL).is_none() || label(&workflow, FINAL_LABEL) == Some("true") {
        return Next::Wait;
    }
    let Some(rows) = report::rows_behind(world, namespace(&agent), API.0, API.1) else { return Next::Retry };
    match report::workflow(&rows, &workflow) {
        Err(refusal) => {
            tracing::debug!(why = refusal.message(), "not reported");
            Next::Retry
        }
        // The API server stores the row after it has made the Workflow: the first look may come too early.
        Ok(Reported::Unknown) if is_young(&workflow) => Next::Retry,
        Ok(Reported::Unknown) => {
            if let Err(error) = world.store.delete(key) {
                tracing::debug!(%error, "gone already");
            }
            Next::Wait
        }
        Ok(Reported::Kept) => {
            if matches!(text(&workflow, "/status/phase"), "Succeeded" | "Failed" | "Error") {
                let marked = world.store.update(key, None, |workflow| {
                    workflow["metadata"]["labels"][FINAL_LABEL] = json!("true");
                    true
                });
                return if marked.is_ok() { Next::Wait } else { Next::Retry };
            }
            Next::Wait
        }
    }
}

/// Whether a Workflow was made within the last second.
fn is_young(workflow: &Value) -> bool {
    let made = text(workflow, "/metadata/creationTimestamp").parse::<jiff::Timestamp>();
    made.is_ok_and(|made| jiff::Timestamp::now().as_second() - made.as_second() <= 1)
}
