//! One container's way through its states: waiting for image and configuration, running, ended.
//!
//! States and reasons as `pkg/kubelet/kuberuntime` and `pkg/kubelet/images` of Kubernetes 1.34. A container that runs
//! goes on whatever happens to its ConfigMaps; only one that is yet to start looks at them.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::images::pull_problem;
use super::programs::{Program, program};
use super::{environment, volumes};
use crate::actors;
use crate::controllers::events::{Severity, record};
use crate::object::{list, name, text};
use crate::platform::World;
use crate::store::now;

/// How long a kubelet waits before it starts a container again that ended badly, at first and at most.
const BACK_OFF: Duration = Duration::from_secs(10);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(300);

/// A container's new status and, if it will end by itself, after what time.
pub(super) struct Step {
    pub(super) status: Value,
    pub(super) ends_in: Option<Duration>,
}

/// The next status of a container, given its last one.
pub(super) fn step(world: &World, pod: &Value, container: &Value, last: Option<&Value>, may_start: bool) -> Step {
    if let Some(last) = last {
        if last.pointer("/state/terminated").is_some() && !restarts(pod, last) {
            return Step { status: last.clone(), ends_in: None };
        }
        if last.pointer("/state/running").is_some() {
            return running(world, pod, container, last.clone());
        }
    }
    let mut status = blank(container, last);
    if !may_start {
        return waiting(status, "PodInitializing", "");
    }
    if volumes::problem(&world.store, pod).is_some() {
        return waiting(status, "ContainerCreating", "");
    }
    if let Some(problem) = pull_problem(&world.store, text(container, "/image")) {
        record(world, "kubelet", pod, Severity::Warning, "Failed", &problem.event);
        return waiting(status, problem.reason, &problem.message);
    }
    if let Some(problem) = environment::specified(&world.store, pod, container).problem {
        record(world, "kubelet", pod, Severity::Warning, "Failed", &format!("Error: {problem}"));
        return waiting(status, "CreateContainerConfigError", &problem);
    }
    if let Err(complaint) = starts(world, pod, container) {
        return crashed(world, pod, container, status, &complaint);
    }
    status["state"] = json!({"running": {"startedAt": now()}});
    status["started"] = json!(true);
    let id = format!("{}/{}/{}", text(pod, "/metadata/uid"), text(container, "/name"), status["restartCount"]);
    status["containerID"] = json!(format!("containerd://{}", hex(&id)));
    status["imageID"] = json!(image_id(text(container, "/image")));
    record(
        world,
        "kubelet",
        pod,
        Severity::Normal,
        "Started",
        &format!("Started container {}", text(container, "/name")),
    );
    running(world, pod, container, status)
}

/// The status of a container that has not started: what a kubelet shows while it waits.
fn blank(container: &Value, last: Option<&Value>) -> Value {
    let restarts = last.and_then(|last| last.get("restartCount")).and_then(Value::as_u64).unwrap_or_default();
    let ended = last.and_then(|last| last.pointer("/state/terminated"));
    let before = match ended {
        Some(terminated) => json!({"terminated": terminated}),
        None => last.and_then(|last| last.get("lastState")).cloned().unwrap_or_else(|| json!({})),
    };
    json!({
        "name": text(container, "/name"), "image": text(container, "/image"), "imageID": "",
        "ready": false, "started": false, "restartCount": restarts + u64::from(ended.is_some()), "lastState": before,
    })
}

fn waiting(mut status: Value, reason: &str, message: &str) -> Step {
    status["state"] = json!({"waiting": {"reason": reason}});
    if !message.is_empty() {
        status["state"]["waiting"]["message"] = json!(message);
    }
    Step { status, ends_in: None }
}

/// A program that refuses to start: it ends at once and is started again and again, less and less often. What made it
/// refuse may be mended meanwhile, so it is tried on every occasion; only a new complaint or the time that a kubelet
/// would wait counts as a restart.
fn crashed(world: &World, pod: &Value, container: &Value, mut status: Value, complaint: &str) -> Step {
    let container = text(container, "/name");
    let restarts = status["restartCount"].as_u64().unwrap_or_default();
    let last = status.pointer("/lastState/terminated").cloned().unwrap_or_default();
    let back_off = BACK_OFF.saturating_mul(1 << restarts.saturating_sub(1).min(6)).min(LONGEST_BACK_OFF);
    let pod_name = format!("{}_{}({})", name(pod), crate::object::namespace(pod), crate::object::uid(pod));
    let seconds = back_off.as_secs();
    let message = format!("back-off {seconds}s restarting failed container={container} pod={pod_name}");
    let left = back_off.saturating_sub(since(text(&last, "/finishedAt")));
    if text(&last, "/message") == complaint && !left.is_zero() {
        return Step { ends_in: Some(left), ..waiting(status, "CrashLoopBackOff", &message) };
    }
    status["restartCount"] = json!(restarts + 1);
    status["lastState"] = json!({"terminated": {
        "exitCode": 1, "reason": "Error", "message": complaint, "startedAt": now(), "finishedAt": now(),
    }});
    let event = format!("Back-off restarting failed container {container} in pod {pod_name}");
    record(world, "kubelet", pod, Severity::Warning, "BackOff", &event);
    Step { ends_in: Some(back_off), ..waiting(status, "CrashLoopBackOff", &message) }
}

/// How long ago a time was, in whole seconds' precision.
fn since(written: &str) -> Duration {
    let at = written.parse::<jiff::Timestamp>().ok();
    let spent = at.and_then(|at| jiff::Timestamp::now().duration_since(at).try_into().ok());
    spent.unwrap_or_default()
}

fn running(world: &World, pod: &Value, container: &Value, mut status: Value) -> Step {
    let actor = actors::playing(text(container, "/image"));
    if let Some(code) = actor.and_then(|actor| actor.work(world, pod, text(container, "/name"))) {
        return ended(status, code);
    }
    if let Program::For(duration, code) = program(pod, container) {
        let started = text(&status, "/state/running/startedAt");
        let left = duration.saturating_sub(since(started));
        if left.is_zero() {
            return ended(status, code);
        }
        status["ready"] = json!(true);
        return Step { status, ends_in: Some(left) };
    }
    // Readiness that was reached is kept: the played programs do not lose theirs.
    let ready = status["ready"] == json!(true) || is_ready(world, pod, container);
    status["ready"] = json!(ready);
    Step { status, ends_in: None }
}

fn ended(mut status: Value, code: i64) -> Step {
    let reason = if code == 0 { "Completed" } else { "Error" };
    status["state"] = json!({"terminated": {
        "exitCode": code, "reason": reason, "startedAt": text(&status, "/state/running/startedAt"),
        "finishedAt": now(), "containerID": status["containerID"],
    }});
    status["ready"] = json!(false);
    status["started"] = json!(false);
    Step { status, ends_in: None }
}

fn restarts(pod: &Value, status: &Value) -> bool {
    match text(pod, "/spec/restartPolicy") {
        "Never" => false,
        "OnFailure" => status.pointer("/state/terminated/exitCode").and_then(Value::as_i64) != Some(0),
        _ => true,
    }
}

fn starts(world: &World, pod: &Value, container: &Value) -> Result<(), String> {
    match actors::playing(text(container, "/image")) {
        Some(actor) => actor.start(world, pod, text(container, "/name")),
        None => Ok(()),
    }
}

/// Whether a program that runs passes its readiness probe for the first time. An Istio proxy is ready once istiod has
/// sent it its configuration (`pilot-agent`'s `/healthz/ready`).
fn is_ready(world: &World, pod: &Value, container: &Value) -> bool {
    let image = text(container, "/image");
    if is_istio_proxy(image) {
        return crate::controllers::endpoints::is_served(&world.store, "istio-system", "istiod");
    }
    actors::playing(image).is_none_or(|actor| actor.ready(world, pod, text(container, "/name")))
}

/// Whether an image is Istio's proxy, whatever its registry.
#[must_use]
pub fn is_istio_proxy(image: &str) -> bool {
    actors::repository(image).rsplit('/').next().is_some_and(|last| last.starts_with("proxyv2"))
}

/// Containers that are started before the others and stay: init containers with `restartPolicy: Always`.
pub(super) fn is_sidecar(container: &Value) -> bool {
    text(container, "/restartPolicy") == "Always"
}

/// An init container's status once it has done its work, or that of a native sidecar.
pub(super) fn init_step(world: &World, pod: &Value, container: &Value, last: Option<&Value>, may_start: bool) -> Step {
    if is_sidecar(container) {
        return step(world, pod, container, last, may_start);
    }
    if last.is_some_and(|last| last.pointer("/state/terminated").is_some()) {
        return Step { status: last.cloned().unwrap_or_default(), ends_in: None };
    }
    let mut begun = step(world, pod, container, last, may_start);
    if begun.status.pointer("/state/running").is_some() {
        let started = begun.status["state"]["running"]["startedAt"].clone();
        begun.status["state"] = json!({"terminated": {
            "exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": now(),
            "containerID": begun.status["containerID"],
        }});
        begun.status["ready"] = json!(true);
        begun.status["started"] = json!(false);
        begun.ends_in = None;
    }
    begun
}

/// The status of a container by name in a list of statuses.
pub(super) fn status_of<'a>(pod: &'a Value, statuses: &str, container: &Value) -> Option<&'a Value> {
    list(pod, statuses).iter().find(|status| text(status, "/name") == text(container, "/name"))
}

/// What a node says an image resolved to: its own digest if it names one.
fn image_id(image: &str) -> String {
    match image.split_once('@') {
        Some((_, digest)) => format!("{}@{digest}", actors::repository(image)),
        None => format!("{}@sha256:{}", actors::repository(image), hex(image)),
    }
}

fn hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
