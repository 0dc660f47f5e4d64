//! The pods that the steps of a run leave: they have ended, and their logs can be read until their Workflow goes.

use std::sync::PoisonError;

use serde_json::{Value, json};

use super::Run;
use crate::controllers::bootstrap::{CONTROL_PLANE_NODE, NODE_ADDRESS};
use crate::controllers::owned::controller_reference;
use crate::kubelet::streams::Written;
use crate::object::{label, name, text, uid};
use crate::platform::World;
use crate::store::{Key, now};

/// Which Workflow a pod belongs to.
const WORKFLOW_LABEL: &str = "workflows.argoproj.io/workflow";
/// The templates that pods are named after.
pub(super) const DAG_DRIVER: &str = "system-dag-driver";
pub(super) const CONTAINER_DRIVER: &str = "system-container-driver";
pub(super) const IMPLEMENTATION: &str = "system-container-impl";

/// Begins the pod of a container that does not come to its end: its image cannot be pulled, or its command goes on for ever.
/// What becomes of it is the kubelet's business, as with any pod.
pub(super) fn begin(world: &World, run: &Run<'_>, container: &Value) {
    let pod = unended(run.workflow);
    let key = Key::new("", "pods", run.namespace, &pod);
    if world.store.get(&key).is_some() {
        return;
    }
    let object = pod_of(run, &pod, container, false);
    if let Err(error) = world.store.create(&key, object) {
        tracing::debug!(%error, "no pod is begun");
    }
}

/// Stops the pod that [`begin`] has begun.
pub(super) fn stop(world: &World, run: &Run<'_>) {
    let _gone = world.store.delete(&Key::new("", "pods", run.namespace, &unended(run.workflow)));
}

/// The names of the pods of a Workflow that have failed.
pub fn failed(world: &World, namespace: &str, workflow: &str) -> Vec<String> {
    let pods = world.store.list("", "pods", Some(namespace));
    pods.iter()
        .filter(|pod| text(pod, "/status/phase") == "Failed" && label(pod, WORKFLOW_LABEL) == Some(workflow))
        .map(|pod| name(pod).to_owned())
        .collect()
}

/// Removes pods.
pub fn remove(world: &World, namespace: &str, names: &[String]) {
    for name in names {
        let _gone = world.store.delete(&Key::new("", "pods", namespace, name));
    }
}

fn unended(workflow: &Value) -> String {
    format!("{}-{IMPLEMENTATION}-0", name(workflow))
}

/// Leaves a pod; yields its name.
pub(super) fn leave(
    world: &World,
    run: &Run<'_>,
    template: &str,
    phase: &str,
    container: &Value,
    printed: Vec<String>,
) -> String {
    let number = u32::from_be_bytes(*uuid::Uuid::new_v4().as_bytes().first_chunk().unwrap_or(&[0; 4]));
    let pod = format!("{}-{template}-{number}", name(run.workflow));
    let (at, code) = (now(), i64::from(phase == "Failed"));
    let image = text(container, "/image");
    let terminated = json!({"exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" },
        "startedAt": at, "finishedAt": at});
    let mut object = pod_of(run, &pod, container, true);
    object["spec"]["nodeName"] = json!(CONTROL_PLANE_NODE);
    object["status"] = json!({
        "phase": phase, "startTime": at, "hostIP": NODE_ADDRESS,
        "containerStatuses": [{"name": "main", "image": image, "ready": false, "restartCount": 0, "started": false,
            "state": {"terminated": terminated}}],
    });
    match world.store.create(&Key::new("", "pods", run.namespace, &pod), object) {
        Ok(made) => {
            let written = world.memory.of::<Written>(uid(&made));
            *written.0.lock().unwrap_or_else(PoisonError::into_inner) = printed;
        }
        Err(error) => tracing::debug!(%error, "no pod is left"),
    }
    pod
}

/// The pod of a step as Argo makes it, not yet on a node.
fn pod_of(run: &Run<'_>, pod: &str, container: &Value, completed: bool) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": pod, "namespace": run.namespace,
            "labels": {
                "pipeline/runid": run.id, "pipelines.kubeflow.org/v2_component": "true",
                "workflows.argoproj.io/completed": completed.to_string(),
                WORKFLOW_LABEL: name(run.workflow),
            },
            "annotations": {"pipelines.kubeflow.org/v2_component": "true", "sidecar.istio.io/inject": "false"},
            "ownerReferences": [controller_reference(run.workflow, "argoproj.io/v1alpha1", "Workflow")],
        },
        "spec": {
            "serviceAccountName": run.account, "restartPolicy": "Never",
            "containers": [{"name": "main", "image": text(container, "/image"), "command": container["command"],
                "args": container["args"]}],
        },
    })
}
