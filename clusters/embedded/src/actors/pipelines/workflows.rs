//! The Kubernetes objects of runs and schedules: Workflows of Argo, ScheduledWorkflows of Kubeflow Pipelines.

use std::sync::Arc;

use serde_json::{Value, json};

use super::specification::Specification;
use crate::controllers::owned::suffix;
use crate::platform::World;
use crate::store::Key;

/// The API group of Workflows.
pub const GROUP: &str = "argoproj.io";
/// The label that names the run of a Workflow.
pub const RUN_LABEL: &str = "pipeline/runid";

/// The label of a Workflow whose end the rows know.
pub const FINAL_LABEL: &str = "pipeline/persistedFinalState";

/// Makes the Workflow of a run, given by its id and name.
///
/// # Errors
/// What the Kubernetes API says.
pub fn create(
    world: &World,
    namespace: &str,
    of: &Specification,
    (run, run_name): (&str, &str),
    account: &str,
    config: &Value,
) -> Result<Arc<Value>, String> {
    let prefix = format!("{}-", of.name());
    let workflow = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
        "metadata": {
            "generateName": prefix, "labels": {RUN_LABEL: run},
            "annotations": {"pipelines.kubeflow.org/run_name": run_name},
        },
        "spec": of.workflow(run, account, config), "status": {"startedAt": null, "finishedAt": null},
    });
    let key = Key::new(GROUP, "workflows", namespace, &format!("{prefix}{}", suffix()));
    store(world, &key, workflow)
}

/// Makes the ScheduledWorkflow of a recurring run.
///
/// # Errors
/// What the Kubernetes API says.
pub fn schedule(world: &World, namespace: &str, name: &str, specification: Value) -> Result<Arc<Value>, String> {
    // Object names take less than names of recurring runs do.
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let mut prefix: String = name.to_lowercase().chars().filter(|c| fits(*c)).take(53).collect();
    if prefix.is_empty() {
        prefix.push_str("job-");
    }
    let object = json!({
        "apiVersion": "kubeflow.org/v1beta1", "kind": "ScheduledWorkflow",
        "metadata": {"generateName": prefix}, "spec": specification,
    });
    store(world, &schedule_key(namespace, &format!("{prefix}{}", suffix())), object)
}

fn store(world: &World, key: &Key, mut object: Value) -> Result<Arc<Value>, String> {
    object["metadata"]["name"] = json!(key.name);
    object["metadata"]["namespace"] = json!(key.namespace);
    world.store.create(key, object).map_err(|error| error.to_string())
}

/// Removes a Workflow, if it is there.
pub fn delete(world: &World, namespace: &str, name: &str) {
    remove(world, &Key::new(GROUP, "workflows", namespace, name));
}

/// Removes a ScheduledWorkflow, if it is there.
pub fn unschedule(world: &World, namespace: &str, name: &str) {
    remove(world, &schedule_key(namespace, name));
}

fn remove(world: &World, key: &Key) {
    if let Err(error) = world.store.delete(key) {
        tracing::debug!(%error, "gone already");
    }
}

/// Tells a Workflow to stop: no time is left to it.
pub fn stop(world: &World, namespace: &str, name: &str) {
    change(world, &Key::new(GROUP, "workflows", namespace, name), |workflow| {
        workflow["spec"]["activeDeadlineSeconds"] = json!(0);
    });
}

/// Lets a Workflow that failed begin again.
pub fn restart(world: &World, namespace: &str, name: &str) {
    change(world, &Key::new(GROUP, "workflows", namespace, name), |workflow| {
        if let Some(specification) = workflow["spec"].as_object_mut() {
            specification.shift_remove("activeDeadlineSeconds");
        }
        // Its end is to be reported again.
        if let Some(labels) = workflow["metadata"]["labels"].as_object_mut() {
            labels.shift_remove(FINAL_LABEL);
        }
        workflow["status"] = json!({"startedAt": null, "finishedAt": null});
    });
}

/// Lets a schedule make runs, or not.
pub fn switch(world: &World, namespace: &str, name: &str, enabled: bool) {
    change(world, &schedule_key(namespace, name), |schedule| schedule["spec"]["enabled"] = json!(enabled));
}

fn change(world: &World, key: &Key, edit: impl Fn(&mut Value)) {
    let changed = world.store.update(key, None, |object| {
        edit(object);
        true
    });
    if let Err(error) = changed {
        tracing::debug!(%error, "gone meanwhile");
    }
}

fn schedule_key(namespace: &str, name: &str) -> Key {
    Key::new("kubeflow.org", "scheduledworkflows", namespace, name)
}
