//! A pod's way from accepted to ready: scheduled, addressed, its containers started, its conditions kept.
//!
//! Phases and conditions as `pkg/kubelet/kubelet_pods.go` and `pkg/kubelet/status` of Kubernetes 1.34; all of it as fast
//! as the store allows, unless [`start_up`] says otherwise.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::containers::{Step, init_step, is_sidecar, status_of, step};
use super::{scheduling, start_up, volumes};
use crate::controllers::bootstrap::{CONTROL_PLANE_NODE, NODE_ADDRESS};
use crate::controllers::events::{Severity, record};
use crate::controllers::owned::{is_leaving, key_of, set_condition};
use crate::controllers::reconciler::{Controller, Next};
use crate::object::{list, namespace, text};
use crate::platform::World;
use crate::store::{Change, ChangeKind, Key, now};
use crate::switches;

pub(crate) const CONTROLLER: Controller = Controller { name: "kubelet", concerns, reconcile };

/// A changed pod; and pods that are not ready yet when something changed that they may wait for.
fn concerns(world: &World, change: &Change) -> Vec<Key> {
    let Key { group, plural, namespace, name } = &change.key;
    let waiting = |home: Option<&str>| {
        let pods = world.store.list("", "pods", home);
        pods.iter().filter(|pod| !is_settled(pod)).map(|pod| key_of("", "pods", pod)).collect()
    };
    match (group.as_str(), plural.as_str()) {
        ("", "pods") => {
            if change.kind == ChangeKind::Deleted {
                world.memory.forget(text(&change.object, "/metadata/uid"));
            }
            vec![change.key.clone()]
        }
        ("", "configmaps") if namespace == switches::NAMESPACE && name == switches::NAME => waiting(None),
        ("", "configmaps" | "secrets" | "persistentvolumeclaims") => {
            if change.kind == ChangeKind::Deleted {
                // With a claim goes what its volume holds.
                world.memory.forget(text(&change.object, "/metadata/uid"));
            }
            waiting(Some(namespace))
        }
        ("", "nodes" | "endpoints") => waiting(None),
        _ => Vec::new(),
    }
}

/// Whether nothing but a change of its own can move a pod: it is ready or has ended.
fn is_settled(pod: &Value) -> bool {
    is_ready(pod) || matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Whether a pod's `Ready` condition is true.
#[must_use]
pub fn is_ready(pod: &Value) -> bool {
    list(pod, "/status/conditions")
        .iter()
        .any(|condition| text(condition, "/type") == "Ready" && text(condition, "/status") == "True")
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(pod) = world.store.get(key) else { return Next::Wait };
    if is_leaving(&pod) || matches!(text(&pod, "/status/phase"), "Succeeded" | "Failed") {
        return Next::Wait;
    }
    match text(&pod, "/spec/nodeName") {
        // Another scheduler places it.
        "" if !matches!(text(&pod, "/spec/schedulerName"), "" | "default-scheduler") => return Next::Wait,
        "" => {
            schedule(world, key, &pod);
            return Next::Wait;
        }
        CONTROL_PLANE_NODE => {}
        // There is no such node.
        _ => return Next::Wait,
    }
    let (status, again) = observed(world, &pod);
    crate::controllers::owned::write_status(world, key, status);
    again.map_or(Next::Wait, Next::After)
}

/// Binds a pod to the node, or says why not.
fn schedule(world: &World, key: &Key, pod: &Value) {
    let node = scheduling::node_for(&world.store, pod);
    if let Err(reason) = &node {
        record(world, "default-scheduler", pod, Severity::Warning, "FailedScheduling", reason);
    }
    let written = world.store.update(key, None, |pod| {
        let mut conditions = list(pod, "/status/conditions").to_vec();
        match &node {
            Ok(node) => {
                pod["spec"]["nodeName"] = json!(node);
                set_condition(&mut conditions, "PodScheduled", "True", "", "");
            }
            Err(reason) => {
                set_condition(&mut conditions, "PodScheduled", "False", "Unschedulable", reason);
            }
        }
        pod["status"]["phase"] = json!("Pending");
        pod["status"]["conditions"] = json!(conditions);
        true
    });
    if let (Ok(node), Ok(pod)) = (node, written) {
        let message = format!("Successfully assigned {}/{} to {node}", key.namespace, key.name);
        record(world, "default-scheduler", &pod, Severity::Normal, "Scheduled", &message);
    }
}

/// The pod's status as the node sees it now, and when to look again because a container will end.
fn observed(world: &World, pod: &Value) -> (Value, Option<Duration>) {
    let claims_bound = volumes::claims(pod).iter().all(|claim| {
        let claim = world.store.get(&Key::new("", "persistentvolumeclaims", namespace(pod), claim));
        claim.is_some_and(|claim| text(&claim, "/status/phase") == "Bound")
    });
    if let Some((volume, reason)) = volumes::problem(&world.store, pod) {
        let message = format!("MountVolume.SetUp failed for volume \"{volume}\" : {reason}");
        record(world, "kubelet", pod, Severity::Warning, "FailedMount", &message);
    }
    let starts_in = start_up::left(world, pod);
    let (mut init, mut ahead) = (Vec::new(), claims_bound && starts_in.is_none());
    for container in list(pod, "/spec/initContainers") {
        let last = status_of(pod, "/status/initContainerStatuses", container);
        let Step { status, .. } = init_step(world, pod, container, last, ahead);
        let done = status.pointer("/state/terminated").is_some()
            || (is_sidecar(container) && status.pointer("/state/running").is_some());
        ahead = ahead && done;
        init.push(status);
    }
    let steps: Vec<Step> = list(pod, "/spec/containers")
        .iter()
        .map(|container| step(world, pod, container, status_of(pod, "/status/containerStatuses", container), ahead))
        .collect();
    let again = steps.iter().filter_map(|step| step.ends_in).chain(starts_in).min();
    let containers: Vec<Value> = steps.into_iter().map(|step| step.status).collect();
    let mut status = pod.get("status").cloned().unwrap_or_else(|| json!({}));
    let phase = phase(&containers);
    status["phase"] = json!(phase);
    address(world, pod, &mut status);
    status["conditions"] = json!(conditions(pod, phase, ahead, &init, &containers));
    if !init.is_empty() {
        status["initContainerStatuses"] = json!(init);
    }
    status["containerStatuses"] = json!(containers);
    status["qosClass"] = json!(super::quality_of_service(pod));
    (status, again)
}

fn phase(containers: &[Value]) -> &'static str {
    let all = |state: &str| containers.iter().all(|status| status.pointer(state).is_some());
    if !containers.is_empty() && all("/state/terminated") {
        let well = containers.iter().all(|status| status.pointer("/state/terminated/exitCode") == Some(&json!(0)));
        return if well { "Succeeded" } else { "Failed" };
    }
    let never_ran = |status: &Value| {
        status.pointer("/state/waiting").is_some() && status.pointer("/lastState/terminated").is_none()
    };
    if containers.iter().any(never_ran) { "Pending" } else { "Running" }
}

/// Addresses and start time, given once.
fn address(world: &World, pod: &Value, status: &mut Value) {
    #[derive(Default)]
    struct Given(AtomicU32);
    if status.get("startTime").is_some() {
        return;
    }
    let own = if pod.pointer("/spec/hostNetwork").and_then(Value::as_bool) == Some(true) {
        NODE_ADDRESS.to_owned()
    } else {
        let number = world.memory.of::<Given>("pod addresses").0.fetch_add(1, Ordering::Relaxed);
        format!("10.244.{}.{}", number / 250 % 250, number % 250 + 2)
    };
    status["startTime"] = json!(now());
    status["hostIP"] = json!(NODE_ADDRESS);
    status["hostIPs"] = json!([{"ip": NODE_ADDRESS}]);
    status["podIPs"] = json!([{"ip": own}]);
    status["podIP"] = json!(own);
}

fn conditions(pod: &Value, phase: &str, initialized: bool, init: &[Value], containers: &[Value]) -> Vec<Value> {
    let mut conditions = list(pod, "/status/conditions").to_vec();
    let ended = matches!(phase, "Succeeded" | "Failed");
    let unready: Vec<&str> = init
        .iter()
        .filter(|status| status.pointer("/state/terminated").is_none())
        .chain(containers)
        .filter(|status| status["ready"] != json!(true))
        .map(|status| text(status, "/name"))
        .collect();
    let mut set = |kind: &str, holds: bool, reason: &str, message: &str| {
        let (status, reason, message) = if holds { ("True", "", "") } else { ("False", reason, message) };
        set_condition(&mut conditions, kind, status, reason, message);
    };
    set("PodReadyToStartContainers", !ended, "", "");
    let waiting: Vec<&str> = init
        .iter()
        .filter(|status| status.pointer("/state/waiting").is_some())
        .map(|status| text(status, "/name"))
        .collect();
    let message = format!("containers with incomplete status: [{}]", waiting.join(" "));
    set("Initialized", initialized || ended, "ContainersNotInitialized", &message);
    let (reason, message) = match phase {
        "Succeeded" => ("PodCompleted", String::new()),
        "Failed" => ("PodFailed", String::new()),
        _ => ("ContainersNotReady", format!("containers with unready status: [{}]", unready.join(" "))),
    };
    let ready = !ended && unready.is_empty();
    set("Ready", ready, reason, &message);
    set("ContainersReady", ready, reason, &message);
    conditions
}
