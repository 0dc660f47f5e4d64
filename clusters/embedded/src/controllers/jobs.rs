//! Jobs: pods that run to an end (`pkg/controller/job` of Kubernetes 1.34).
//!
//! Indexed completion, pod failure policies and back-off delays are not played: a failed pod is followed by another at
//! once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::events::{Severity, record};
use super::owned::{controlled, is_leaving, number, owner_key, set_condition, write_status};
use super::pods::{self, Name};
use super::reconciler::{Controller, Next};
use crate::kubelet::lifecycle::is_ready;
use crate::object::{list, name, text, uid};
use crate::platform::World;
use crate::store::{Change, Key, now};

pub(super) const CONTROLLER: Controller = Controller { name: "job", concerns, reconcile };

fn concerns(_: &World, change: &Change) -> Vec<Key> {
    match (change.key.group.as_str(), change.key.plural.as_str()) {
        ("batch", "jobs") => vec![change.key.clone()],
        ("", "pods") => owner_key(change, "Job", "batch", "jobs").into_iter().collect(),
        _ => Vec::new(),
    }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(job) = world.store.get(key) else { return Next::Wait };
    if is_leaving(&job) {
        return Next::Wait;
    }
    if job.pointer("/spec/selector").is_none() {
        return complete_specification(world, key, &job);
    }
    if let Some(ended) = ended(&job) {
        return expire(world, key, &job, ended);
    }
    let tally = Tally::of(&controlled(world, "", "pods", &job));
    let refused = if job.pointer("/spec/suspend") == Some(&json!(true)) { false } else { fill(world, &job, &tally) };
    status(world, key, &job);
    if refused { Next::Retry } else { Next::Wait }
}

/// What the API server gives a new Job: a selector by its own uid, and the labels that go with it.
fn complete_specification(world: &World, key: &Key, job: &Value) -> Next {
    let id = uid(job).to_owned();
    let written = world.store.update(key, None, |job| {
        job["spec"]["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": id}});
        for (label, value) in [
            ("batch.kubernetes.io/controller-uid", id.as_str()),
            ("controller-uid", id.as_str()),
            ("batch.kubernetes.io/job-name", key.name.as_str()),
            ("job-name", key.name.as_str()),
        ] {
            job["spec"]["template"]["metadata"]["labels"][label] = json!(value);
        }
        for (field, value) in [
            ("completionMode", json!("NonIndexed")),
            ("parallelism", json!(1)),
            ("backoffLimit", json!(6)),
            ("suspend", json!(false)),
            ("podReplacementPolicy", json!("TerminatingOrFailed")),
        ] {
            if job["spec"].get(field).is_none() {
                job["spec"][field] = value;
            }
        }
        if job["spec"].get("completions").is_none() && job["spec"]["parallelism"] == json!(1) {
            job["spec"]["completions"] = json!(1);
        }
        true
    });
    if written.is_ok() { Next::Wait } else { Next::Retry }
}

/// How a Job's pods stand.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    active: i64,
    ready: i64,
    succeeded: i64,
    failed: i64,
}

impl Tally {
    fn of(pods: &[Arc<Value>]) -> Self {
        let mut tally = Self::default();
        for pod in pods {
            match text(pod, "/status/phase") {
                "Succeeded" => tally.succeeded += 1,
                "Failed" => tally.failed += 1,
                _ => tally.active += 1,
            }
            tally.ready += i64::from(is_ready(pod));
        }
        tally
    }
}

/// Makes the pods that are missing; whether one was refused.
fn fill(world: &World, job: &Value, tally: &Tally) -> bool {
    if tally.failed > number(job, "/spec/backoffLimit", 6) {
        return false;
    }
    let parallelism = number(job, "/spec/parallelism", 1);
    let wanted = match job.pointer("/spec/completions").and_then(Value::as_i64) {
        Some(completions) => parallelism.min(completions - tally.succeeded),
        None if tally.succeeded > 0 => 0,
        None => parallelism,
    };
    let template = job.pointer("/spec/template").cloned().unwrap_or_default();
    (tally.active..wanted).any(|_| pods::create(world, job, &template, &Name::Generated(name(job)), &[]).is_err())
}

fn status(world: &World, key: &Key, job: &Value) {
    let tally = Tally::of(&controlled(world, "", "pods", job));
    let mut status = job.get("status").filter(|status| status.is_object()).cloned().unwrap_or_else(|| json!({}));
    if status.get("startTime").is_none() {
        status["startTime"] = json!(now());
    }
    for (field, count) in
        [("active", tally.active), ("ready", tally.ready), ("succeeded", tally.succeeded), ("failed", tally.failed)]
    {
        match count {
            0 if field != "ready" => drop(status.as_object_mut().map(|status| status.shift_remove(field))),
            count => status[field] = json!(count),
        }
    }
    let mut conditions = list(&status, "/conditions").to_vec();
    let completions = number(job, "/spec/completions", 1);
    if tally.succeeded >= completions && tally.active == 0 {
        set_condition(
            &mut conditions,
            "SuccessCriteriaMet",
            "True",
            "CompletionsReached",
            "Reached expected number of succeeded pods",
        );
        set_condition(
            &mut conditions,
            "Complete",
            "True",
            "CompletionsReached",
            "Reached expected number of succeeded pods",
        );
        status["completionTime"] = json!(now());
        record(world, "job-controller", job, Severity::Normal, "Completed", "Job completed");
    } else if tally.failed > number(job, "/spec/backoffLimit", 6) {
        let message = "Job has reached the specified backoff limit";
        set_condition(&mut conditions, "FailureTarget", "True", "BackoffLimitExceeded", message);
        set_condition(&mut conditions, "Failed", "True", "BackoffLimitExceeded", message);
        record(world, "job-controller", job, Severity::Warning, "BackoffLimitExceeded", message);
    }
    if !conditions.is_empty() {
        status["conditions"] = json!(conditions);
    }
    write_status(world, key, status);
}

/// When a Job ended, if it did.
fn ended(job: &Value) -> Option<jiff::Timestamp> {
    let condition = list(job, "/status/conditions").iter().find(|condition| {
        matches!(text(condition, "/type"), "Complete" | "Failed") && text(condition, "/status") == "True"
    })?;
    text(condition, "/lastTransitionTime").parse().ok()
}

/// Removes a Job that has ended once its time to live is over.
fn expire(world: &World, key: &Key, job: &Value, ended: jiff::Timestamp) -> Next {
    let Some(lives) = job.pointer("/spec/ttlSecondsAfterFinished").and_then(Value::as_i64) else { return Next::Wait };
    let left = ended.as_second() + lives - jiff::Timestamp::now().as_second();
    match u64::try_from(left) {
        Ok(left) if left > 0 => Next::After(Duration::from_secs(left)),
        _ => {
            if let Err(error) = world.store.delete(key) {
                tracing::debug!(%error, "gone meanwhile");
            }
            Next::Wait
        }
    }
}
