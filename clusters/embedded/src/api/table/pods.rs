//! Pods.

use serde_json::{Value, json};

use super::age;
use super::column::{AGE, Column, NAME, number, or};
use crate::object::{list, text};

pub(super) const PODS: &[Column] = &[
    NAME,
    Column::new("Ready", |pod| {
        let statuses = list(pod, "/status/containerStatuses");
        let ready = statuses.iter().filter(|status| status["ready"] == true).count();
        json!(format!("{ready}/{}", list(pod, "/spec/containers").len()))
    }),
    Column::new("Status", |pod| json!(status(pod))),
    Column::new("Restarts", |pod| {
        let statuses = list(pod, "/status/containerStatuses");
        let restarts: i64 = statuses.iter().map(|status| number(status, "/restartCount")).sum();
        let last =
            statuses.iter().map(|status| text(status, "/lastState/terminated/finishedAt")).max().unwrap_or_default();
        match last {
            "" => json!(restarts.to_string()),
            last => json!(format!("{restarts} ({} ago)", age::since(last))),
        }
    }),
    AGE,
    Column::wide("IP", |pod| or(pod, "/status/podIP", "<none>")),
    Column::wide("Node", |pod| or(pod, "/spec/nodeName", "<none>")),
    Column::wide("Nominated Node", |pod| or(pod, "/status/nominatedNodeName", "<none>")),
    Column::wide("Readiness Gates", |_| json!("<none>")),
];

/// What the pod is doing, by its phase and the states of its containers.
fn status(pod: &Value) -> String {
    let reason = text(pod, "/status/reason");
    let mut said = if reason.is_empty() { text(pod, "/status/phase") } else { reason }.to_owned();
    let mut initializing = false;
    let init = list(pod, "/status/initContainerStatuses");
    for (at, status) in init.iter().enumerate() {
        let terminated = &status["state"]["terminated"];
        if terminated["exitCode"] == 0 || status["started"] == true && is_sidecar(pod, at) {
            continue;
        }
        let waiting = text(status, "/state/waiting/reason");
        said = if terminated.is_object() {
            match text(status, "/state/terminated/reason") {
                "" => format!("Init:ExitCode:{}", terminated["exitCode"]),
                reason => format!("Init:{reason}"),
            }
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{at}/{}", list(pod, "/spec/initContainers").len())
        };
        initializing = true;
        break;
    }
    if !initializing {
        let mut running = false;
        for status in list(pod, "/status/containerStatuses").iter().rev() {
            let waiting = text(status, "/state/waiting/reason");
            let terminated = text(status, "/state/terminated/reason");
            if !waiting.is_empty() {
                said = waiting.to_owned();
            } else if !terminated.is_empty() {
                said = terminated.to_owned();
            } else if status["state"]["terminated"].is_object() {
                said = format!("ExitCode:{}", status["state"]["terminated"]["exitCode"]);
            } else if status["ready"] == true && status["state"]["running"].is_object() {
                running = true;
            }
        }
        if said == "Completed" && running {
            let ready = list(pod, "/status/conditions").iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
            said = if ready { "Running" } else { "NotReady" }.into();
        }
    }
    if pod["metadata"]["deletionTimestamp"].is_string() && reason != "NodeLost" {
        said = "Terminating".into();
    }
    said
}

fn is_sidecar(pod: &Value, at: usize) -> bool {
    list(pod, "/spec/initContainers").get(at).is_some_and(|container| container["restartPolicy"] == "Always")
}
