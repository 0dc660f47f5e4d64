//! What keeps a run from its good end: nobody who could move it, a bucket or an image that is not there, a pod that finds no
//! place, or what Argo says of its steps.

use harness::context::Seen;
use harness::{Checked, Ctx, Stop};
use kube::api::DynamicObject;
use serde_json::Value;

use super::api;
use crate::data::store::no_bucket;
use crate::gateway::diagnose::{Cause, pods_behind};
use crate::objects::{self, items, text};

/// Why a container waits that will not get its image: the kubelet has tried more than once.
const NO_IMAGE: [&str; 3] = ["ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"];

/// Why a run does not come to a good end, as far as the platform is to blame.
pub async fn obstacle(cx: &Ctx, run: &str) -> Checked<Option<Cause>> {
    if let Some(cause) = worker(cx).await? {
        return Ok(Some(cause));
    }
    let shown = api::get(cx, &format!("/runs/{run}")).await?;
    let experiment = api::get(cx, &format!("/experiments/{}", text(&shown, "/experiment_id"))).await?;
    if let Some(cause) = no_bucket(cx, text(&experiment, "/namespace")).await? {
        return Ok(Some(cause));
    }
    let of_run = format!("pipeline/runid={run}");
    let pods = objects::labelled(cx, objects::POD, &of_run).await?;
    if let Some(cause) = pods.iter().find_map(waiting) {
        return Ok(Some(cause));
    }
    Ok(objects::labelled(cx, objects::WORKFLOW, &of_run).await?.iter().find_map(node))
}

/// No use in waiting for a good end that cannot come.
pub async fn hindered(cx: &Ctx, run: &str, state: &str) -> Checked<Seen<Value>> {
    match without_image(cx, run).await? {
        Some(stop) => Err(stop),
        None => stalled(cx, state).await,
    }
}

/// No use in waiting on if nobody is there who could move the run.
pub async fn stalled(cx: &Ctx, state: &str) -> Checked<Seen<Value>> {
    match worker(cx).await? {
        Some(cause) => {
            let stop = Stop::failed("the run goes on", format!("it stays {state}"));
            Err(stop.because(cause.what).fix(cause.fix))
        }
        None => Ok(Seen::NotYet(format!("state {state}"))),
    }
}

/// What keeps a run from ever succeeding: a container of its pods that gets no image.
async fn without_image(cx: &Ctx, run: &str) -> Checked<Option<Stop>> {
    for pod in objects::labelled(cx, objects::POD, &format!("pipeline/runid={run}")).await? {
        let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
        for status in lists.iter().flat_map(|list| objects::items(&pod.data, list)) {
            let (reason, message) = (text(status, "/state/waiting/reason"), text(status, "/state/waiting/message"));
            if NO_IMAGE.contains(&reason) {
                let (container, image) = (text(status, "/name"), text(status, "/image"));
                let stop = Stop::failed(
                    "each container of the run gets its image",
                    format!("container {container} waits: {reason}: {message}"),
                );
                let stop = stop
                    .at(format!("Pod {}", objects::place(&pod)))
                    .because(format!("the nodes cannot pull image {image}"))
                    .fix("mirror the image or name another; --plan --images lists those that the suite itself starts");
                return Ok(Some(stop));
            }
        }
    }
    Ok(None)
}

/// What a pod waits for that has not begun: a place on a node, or something of a container.
fn waiting(pod: &DynamicObject) -> Option<Cause> {
    let place = objects::place(pod);
    let look = |namespace: &str, name: &str| format!("kubectl -n {namespace} describe pod {name}");
    let look = look(objects::namespace(pod), objects::name(pod));
    let scheduled = items(&pod.data, "/status/conditions").iter().find(|one| one["type"] == "PodScheduled");
    if let Some(condition) = scheduled.filter(|condition| condition["status"] == "False") {
        let why = text(condition, "/message");
        return Some(Cause::new(
            format!("Pod {place} has no place on any node: {why}"),
            format!("give the cluster room; {look}"),
        ));
    }
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
    lists.iter().flat_map(|list| items(&pod.data, list)).find_map(|status| {
        let reason = Some(text(status, "/state/waiting/reason")).filter(|reason| !reason.is_empty())?;
        let message = text(status, "/state/waiting/message");
        let told = format!("Pod {place}: container {} waits: {reason}: {message}", text(status, "/name"));
        Some(Cause::new(told.trim_end_matches([':', ' ']), look.clone()))
    })
}

/// What Argo says of the first pod of a Workflow that failed, or could not be made.
fn node(workflow: &DynamicObject) -> Option<Cause> {
    let nodes = workflow.data.pointer("/status/nodes").and_then(Value::as_object)?;
    let node = nodes.values().filter(|node| node["type"] == "Pod").find(|node| {
        let phase = text(node, "/phase");
        ["Failed", "Error"].contains(&phase) || (phase == "Pending" && !text(node, "/message").is_empty())
    })?;
    let (name, phase, message) = (text(node, "/displayName"), text(node, "/phase"), text(node, "/message"));
    Some(Cause::new(
        format!("Workflow {}: its step {name} is {phase}: {message}", objects::place(workflow)),
        format!("kubectl -n {} get pods,events; the step's log names the reason", objects::namespace(workflow)),
    ))
}

/// What keeps runs from going on, or the API from knowing.
pub async fn worker(cx: &Ctx) -> Checked<Option<Cause>> {
    for deployment in ["workflow-controller", "ml-pipeline-persistenceagent"] {
        let found = objects::get(cx, objects::DEPLOYMENT, "kubeflow", deployment).await?;
        let ready = found.is_some_and(|found| objects::number(&found.data, "/status/readyReplicas").unwrap_or(0) > 0);
        if !ready {
            return Ok(Some(Cause::new(
                format!("Deployment kubeflow/{deployment} has no ready pod"),
                format!("kubectl -n kubeflow describe deployment {deployment}"),
            )));
        }
    }
    for (service, deployment) in [
        ("ml-pipeline", "ml-pipeline"),
        ("mysql", "mysql"),
        ("metadata-grpc-service", "metadata-grpc-deployment"),
        ("minio-service", "minio"),
    ] {
        if objects::get(cx, objects::DEPLOYMENT, "kubeflow", deployment).await?.is_some()
            && let Some(cause) = pods_behind(cx, ("kubeflow", service), ("kubeflow", deployment)).await?
        {
            return Ok(Some(cause));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(status: &Value) -> DynamicObject {
        serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "team"}, "status": status})).unwrap()
    }

    fn waits(status: &Value) -> Option<String> {
        waiting(&object(status)).map(|cause| cause.what)
    }

    #[test]
    fn a_pod_that_waits_says_for_what() {
        let alone = json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes: cpu"}]});
        assert_eq!(waits(&alone).unwrap(), "Pod team/p has no place on any node: 0/3 nodes: cpu");
        let pulls = json!({
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "initContainerStatuses": [{"name": "init", "state": {"terminated": {}}}],
            "containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "ContainerCreating"}}}],
        });
        assert_eq!(waits(&pulls).unwrap(), "Pod team/p: container main waits: ContainerCreating");
        for well in [json!({}), json!(null), json!({"containerStatuses": 7, "conditions": {"type": "PodScheduled"}})] {
            assert_eq!(waits(&well), None, "{well}");
        }
    }

    #[test]
    fn argo_s_words_on_a_step_are_told() {
        let told = |nodes: Value| node(&object(&json!({"nodes": nodes}))).map(|cause| cause.what);
        let step = |phase: &str, message: &str| {
            json!({"a": {"type": "DAG", "phase": "Failed"},
                   "b": {"type": "Pod", "phase": phase, "displayName": "driver", "message": message}})
        };
        let expected = "Workflow team/p: its step driver is Failed: Error (exit code 1)";
        assert_eq!(told(step("Failed", "Error (exit code 1)")).unwrap(), expected);
        assert!(told(step("Pending", "pods is forbidden: exceeded quota")).unwrap().contains("exceeded quota"));
        assert_eq!(told(step("Pending", "")), None);
        assert_eq!(told(step("Running", "")), None);
        assert_eq!(told(json!("none")), None);
    }
}
