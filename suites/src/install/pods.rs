//! Pods: none fails, none keeps restarting, and each runs what its manifest says.

use std::collections::BTreeSet;

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Severity, check};
use kube::api::DynamicObject;
use serde_json::Value;

use super::Differences;
use crate::faults::install as faults;
use crate::objects::{self, POD, items, number, text};

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "INS-020",
        "No pod in the platform's namespaces is failing",
        Level::Should,
        source("kubernetes/website", "Pod Lifecycle: phases, conditions, container states"),
        |cx| Box::pin(failing(cx)),
    )
    .explain(Explain {
        what: "Every pod in the release's namespaces is ready or has completed. Pods that are being deleted do not \
               count; neither do native sidecars as unfinished init containers.",
        why: "A pod that no workload of the release explains is a site's addition or a leftover: either way somebody \
              believes that it works.",
        fix: "kubectl -n NAMESPACE describe pod NAME, and read its events; remove what nobody needs.",
        reproduce: "kubectl get pods -A | grep -v -e Running -e Completed",
    })
    .after(&["INS-001"])
    .breaks_on(&[&faults::STRAY_POD]),
    check(
        "INS-021",
        "No container of the platform restarts again and again",
        Level::Should,
        source("kubernetes/website", "Pod Lifecycle: container restart policy, CrashLoopBackOff"),
        |cx| Box::pin(restarting(cx)),
    )
    .explain(Explain {
        what: "No container in the release's namespaces waits in CrashLoopBackOff. Restarts that lie behind are a \
               finding: on a cold start Pipelines restarts a few times until its database answers.",
        why: "A container between two crashes looks healthy to whoever looks at the right moment.",
        fix: "kubectl -n NAMESPACE logs POD -c CONTAINER --previous",
        reproduce: "kubectl get pods -A --sort-by='.status.containerStatuses[0].restartCount'",
    })
    .after(&["INS-001"]),
    check(
        "INS-022",
        "Every image of the platform is pinned to a version",
        Level::Should,
        source("kubernetes/website", "Images: image names, tags and digests"),
        |cx| Box::pin(pinned(cx)),
    )
    .explain(Explain {
        what: "No container in the release's namespaces uses an image without a tag, or with the tag latest. Images \
               from Docker Hub are a finding: its anonymous pull limit stops a node that starts many pods at once.",
        why: "What was accepted today has to be what runs after the next drain of a node.",
        fix: "Name a tag, better a digest, in the workload's pod template.",
        reproduce: "kubectl get pods -A -o jsonpath='{.items[*].spec.containers[*].image}' | tr ' ' '\\n' | sort -u",
    })
    .after(&["INS-001"])
    .breaks_on(&[&faults::IMAGE_UNPINNED]),
];

/// The pods of the release's namespaces that are to stay.
async fn pods(cx: &Ctx) -> Checked<Vec<DynamicObject>> {
    let mut pods = objects::all(cx, POD).await?;
    pods.retain(|pod| {
        pod.metadata.deletion_timestamp.is_none()
            && cx.version().namespaces().any(|namespace| namespace.name == objects::namespace(pod))
    });
    Ok(pods)
}

async fn failing(cx: &Ctx) -> Checked {
    let mut differences = Differences::default();
    for pod in pods(cx).await? {
        if text(&pod.data, "/status/phase") != "Succeeded" && objects::condition(&pod, "Ready") != "True" {
            differences.add(format!("Pod {}", objects::place(&pod)), format!("is {}", why_not_ready(&pod)));
        }
    }
    differences.judge(
        "all pods in the release's namespaces are ready or have completed",
        "kubectl -n NAMESPACE describe pod NAME, and read its events",
    )
}

/// The most telling words of a pod's status: a container's reason, else an unmet condition, else the phase.
fn why_not_ready(pod: &DynamicObject) -> String {
    let waiting = statuses(pod).find_map(|status| {
        let reason = text(status, "/state/waiting/reason");
        (!reason.is_empty()).then(|| format!("waiting: {reason} (container {})", text(status, "/name")))
    });
    let unmet = || {
        items(&pod.data, "/status/conditions")
            .iter()
            .find(|condition| condition["status"] == "False" && !text(condition, "/message").is_empty())
            .map(|condition| format!("not ready: {}", text(condition, "/message")))
    };
    waiting.or_else(unmet).unwrap_or_else(|| format!("not ready, phase {:?}", text(&pod.data, "/status/phase")))
}

fn statuses(pod: &DynamicObject) -> impl Iterator<Item = &Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"].iter().flat_map(|of| items(&pod.data, of))
}

/// So many restarts of one container are worth a word.
const MANY_RESTARTS: i64 = 3;

async fn restarting(cx: &Ctx) -> Checked {
    let mut differences = Differences::default();
    for pod in pods(cx).await? {
        for status in statuses(&pod) {
            let restarts = number(status, "/restartCount").unwrap_or_default();
            let container = format!("container {} of Pod {}", text(status, "/name"), objects::place(&pod));
            if text(status, "/state/waiting/reason") == "CrashLoopBackOff" {
                differences.add(container, format!("has crashed {restarts} times: {}", last_words(status)));
            } else if restarts >= MANY_RESTARTS {
                cx.finding(
                    Severity::Low,
                    format!("{container} has restarted {restarts} times"),
                    format!("The last time: {}. It runs now.", last_words(status)),
                );
            }
        }
    }
    differences.judge(
        "no container in the release's namespaces waits in CrashLoopBackOff",
        "kubectl -n NAMESPACE logs POD -c CONTAINER --previous",
    )
}

fn last_words(status: &Value) -> String {
    let ended = |field: &str| text(status, &format!("/lastState/terminated/{field}")).to_owned();
    let code = number(status, "/lastState/terminated/exitCode");
    let code = code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
    format!("exit code {code}, {} {}", ended("reason"), ended("finishedAt")).trim_end().to_owned()
}

async fn pinned(cx: &Ctx) -> Checked {
    let mut differences = Differences::default();
    let mut from_hub = BTreeSet::new();
    for pod in pods(cx).await? {
        for container in ["/spec/initContainers", "/spec/containers"].iter().flat_map(|of| items(&pod.data, of)) {
            let image = text(container, "/image");
            if floats(image) {
                differences.add(format!("Pod {}", objects::place(&pod)), format!("runs {image}, which is not pinned"));
            }
            if is_from_hub(image) {
                from_hub.insert(image.to_owned());
            }
        }
    }
    if !from_hub.is_empty() {
        let images: Vec<String> = from_hub.into_iter().collect();
        cx.finding(
            Severity::Low,
            format!("{} images come from Docker Hub", images.len()),
            format!("Mirror them, or give the nodes credentials: {}", images.join(", ")),
        );
    }
    differences.judge(
        "all images in the release's namespaces have a tag other than latest, or a digest",
        "name a tag or a digest in the workload's pod template",
    )
}

/// Whether an image may be another one tomorrow. Source: distribution/reference, `reference.go`.
fn floats(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

/// Whether Docker Hub serves it: a name without a registry is its own (distribution/reference, `normalize.go`).
fn is_from_hub(image: &str) -> bool {
    let registry = image.split_once('/').map(|(registry, _)| registry);
    let named = registry.filter(|registry| registry.contains(['.', ':']) || *registry == "localhost");
    named.is_none_or(|registry| registry == "docker.io")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_digests_pin() {
        for (image, pinned) in [
            ("mysql:8.0.29", true),
            ("python", false),
            ("registry:5000/python", false),
            ("registry:5000/python:3.12", true),
            ("gcr.io/x/y@sha256:00", true),
            ("gcr.io/x/y:latest@sha256:00", true),
            ("gcr.io/x/y:latest", false),
        ] {
            assert_eq!(!floats(image), pinned, "{image}");
        }
    }

    #[test]
    fn names_without_a_registry_are_docker_hubs() {
        for (image, hub) in [
            ("mysql:8.0.29", true),
            ("kserve/kserve-controller:v0.13.1", true),
            ("docker.io/istio/pilot:1.22.1", true),
            ("quay.io/x/y:1", false),
            ("localhost/x:1", false),
            ("registry:5000/x:1", false),
        ] {
            assert_eq!(is_from_hub(image), hub, "{image}");
        }
    }
}
