//! Argo's workflow controller, as far as Workflows of Kubeflow Pipelines go through their phases: Running, then
//! Succeeded or Failed; Error if the account is missing.
//!
//! How long a Workflow takes and how it ends, its containers' commands tell, one after the other, as those of any pod
//! here; one whose image cannot be pulled runs, and its pod waits, until it is stopped. What the steps of a run do is done when that time is
//! over ([`perform`]); the pods that they leave have ended. Facts: argo-workflows v3.4.17 as the
//! real controller was seen to act.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::operators;
use super::owned::write_status;
use super::reconciler::{Controller, Next};
use crate::actors::pipelines::steps::{Failure, Outcome, begin, perform, stop};
use crate::actors::pipelines::workflows::{GROUP, RUN_LABEL};
use crate::kubelet::{images, programs, start_up};
use crate::object::{label, list, name, text, uid};
use crate::platform::World;
use crate::store::{Change, ChangeKind, Key, now};

pub(super) const CONTROLLER: Controller = Controller { name: "workflow-controller", concerns, reconcile };

const IMAGES: &[&str] = &["workflow-controller"];
/// What drivers and launchers take at least: long enough that somebody who watches sees the Workflow run.
const SHORTEST: Duration = Duration::from_millis(150);

/// When a Workflow was begun, more exactly than its status says.
#[derive(Default)]
struct Begun(OnceLock<Instant>);

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    if operators::begins(change, IMAGES) {
        return operators::all(world, GROUP, "workflows");
    }
    if change.key.group != GROUP || change.key.plural != "workflows" {
        return Vec::new();
    }
    if change.kind == ChangeKind::Deleted {
        world.memory.forget(uid(&change.object));
    }
    vec![change.key.clone()]
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(workflow) = world.store.get(key) else { return Next::Wait };
    if operators::running(world, IMAGES).is_none() || ended(&workflow) {
        return Next::Wait;
    }
    let account = text(&workflow, "/spec/serviceAccountName");
    if world.store.get(&Key::new("", "serviceaccounts", &key.namespace, account)).is_none() {
        let why = format!(
            "pods \"{}\" is forbidden: error looking up service account {}/{account}: serviceaccount \"{account}\" not \
             found",
            key.name, key.namespace
        );
        end(world, key, &workflow, "Error", &why, &[]);
        return Next::Wait;
    }
    if workflow.pointer("/spec/activeDeadlineSeconds") == Some(&json!(0)) {
        stop(world, &workflow);
        end(world, key, &workflow, "Failed", "workflow shutdown with strategy:  Terminate", &[]);
        return Next::Wait;
    }
    let begun = *world.memory.of::<Begun>(uid(&workflow)).0.get_or_init(Instant::now);
    if text(&workflow, "/status/phase") != "Running" {
        let at = now();
        let nodes = nodes(&workflow, "Running", &at, None, &[]);
        write_status(world, key, json!({"phase": "Running", "startedAt": at, "finishedAt": null, "nodes": nodes}));
        return Next::After(SHORTEST);
    }
    let (lasts, code) = match work(world, &workflow) {
        Ok(work) => work,
        Err(container) => {
            begin(world, &workflow, &container);
            return Next::Wait;
        }
    };
    // The steps are a driver, a driver and the launcher, one after the other: each a pod of its own.
    let pods = start_up::takes(&world.store) * 3;
    let left = (lasts.max(SHORTEST) + pods).saturating_sub(begun.elapsed());
    if !left.is_zero() {
        return Next::After(left);
    }
    let mut outcome = Outcome::default();
    if label(&workflow, RUN_LABEL).is_some() {
        outcome = perform(world, &workflow, |container| programs::ending(container).map_or(0, |(_, code)| code));
    } else if code != 0 {
        let why = format!("main: Error (exit code {code})");
        outcome.failure = Some(Failure { step: "main".to_owned(), why });
    }
    match &outcome.failure {
        None => end(world, key, &workflow, "Succeeded", "", &outcome.cached),
        Some(failure) => end(world, key, &workflow, "Failed", &failure.why, &outcome.cached),
    }
    Next::Wait
}

fn ended(workflow: &Value) -> bool {
    matches!(text(workflow, "/status/phase"), "Succeeded" | "Failed" | "Error")
}

fn end(world: &World, key: &Key, workflow: &Value, phase: &str, message: &str, cached: &[String]) {
    let at = now();
    let started = match text(workflow, "/status/startedAt") {
        "" => at.clone(),
        started => started.to_owned(),
    };
    let mut status = json!({
        "phase": phase, "startedAt": started, "finishedAt": at,
        "nodes": nodes(workflow, phase, &started, Some(&at), cached),
    });
    if !message.is_empty() {
        status["message"] = json!(message);
    }
    write_status(world, key, status);
    world.memory.forget(uid(workflow));
}

/// How long the containers take in all, and the first exit code that is not 0.
///
/// # Errors
/// A container never starts or ends: this one.
fn work(world: &World, workflow: &Value) -> Result<(Duration, i64), Value> {
    let mut all = (Duration::ZERO, 0);
    for container in implementations(workflow) {
        if images::pull_problem(&world.store, text(&container, "/image")).is_some() {
            return Err(container);
        }
        let Some((lasts, code)) = programs::ending(&container) else { return Err(container) };
        all.0 += lasts;
        if code != 0 {
            return Ok((all.0, code));
        }
    }
    Ok(all)
}

/// The containers that the Workflow's arguments describe.
fn implementations(workflow: &Value) -> Vec<Value> {
    list(workflow, "/spec/arguments/parameters")
        .iter()
        .filter(|parameter| text(parameter, "/name").starts_with("implementations-"))
        .filter_map(|parameter| serde_json::from_str(text(parameter, "/value")).ok())
        .collect()
}

/// The nodes of a Workflow: itself, the driver of its root, and of each task the driver, the task, and its container.
/// Those of tasks whose results were there already are skipped.
fn nodes(
    workflow: &Value,
    phase: &str,
    started: &str,
    finished: Option<&str>,
    cached: &[String],
) -> Map<String, Value> {
    let whole = name(workflow);
    let root = list(workflow, "/spec/arguments/parameters")
        .iter()
        .find(|parameter| text(parameter, "/name") == "components-root")
        .and_then(|parameter| serde_json::from_str::<Value>(text(parameter, "/value")).ok())
        .unwrap_or_default();
    let tasks = root.pointer("/dag/tasks").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut names = vec![("root-driver".to_owned(), "Pod"), ("root".to_owned(), "DAG")];
    for task in tasks.keys() {
        names.extend([(format!("{task}-driver"), "Pod"), (task.clone(), "DAG"), (format!("{task}.executor"), "Pod")]);
    }
    let node = |id: &str, shown: &str, kind: &str| {
        let is_skipped = shown.strip_suffix(".executor").is_some_and(|task| cached.iter().any(|one| one == task));
        let phase = if is_skipped { "Skipped" } else { phase };
        json!({"id": id, "name": shown, "displayName": shown.rsplit('.').next(), "type": kind, "phase": phase,
               "startedAt": started, "finishedAt": finished})
    };
    let mut nodes = Map::new();
    nodes.insert(whole.to_owned(), node(whole, whole, "DAG"));
    for (shown, kind) in names {
        let id = format!("{whole}-{shown}");
        nodes.insert(id.clone(), node(&id, &shown, kind));
    }
    nodes
}
