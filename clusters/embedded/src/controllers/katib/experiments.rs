//! Experiments: they ask for as many values as trials may run at once, until enough trials have ended, too many have
//! failed, or the goal is reached (`experiment_controller.go`).

use std::sync::Arc;

use serde_json::{Value, json};

use super::conditions::{end, has, holds, set};
use super::summary::{self, count};
use super::{Operator, complain, of_resource, templates};
use crate::actors::katib::{API_VERSION, EXPERIMENT_LABEL, GROUP};
use crate::controllers::owned::{controller_reference, is_leaving, owner_key, write_status};
use crate::controllers::reconciler::{Controller, Next};
use crate::object::{label, list, name, namespace, text};
use crate::platform::World;
use crate::store::{Change, Key, now};
use crate::switches;

pub(in crate::controllers) const CONTROLLER: Controller =
    Controller { name: "experiment-controller", concerns, reconcile };

const FINALIZER: &str = "update-prometheus-metrics";
/// Switches: experiments are not kept to their limits.
const PARALLEL_UNBOUNDED: &str = "katib-parallel-unbounded";
const TRIALS_UNBOUNDED: &str = "katib-trials-unbounded";
const GOAL_IGNORED: &str = "katib-goal-ignored";
/// How many trials run at once where the limit is ignored.
const MANY: i64 = 100;

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    if change.key.group == GROUP && matches!(change.key.plural.as_str(), "trials" | "suggestions") {
        return owner_key(change, "Experiment", GROUP, "experiments").into_iter().collect();
    }
    of_resource(world, change, "experiments")
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(experiment) = world.store.get(key) else { return Next::Wait };
    let Some(operator) = Operator::running(world) else { return Next::Wait };
    if is_leaving(&experiment) || !has_finalizer(&experiment, FINALIZER) {
        return keep_finalizer(world, key, FINALIZER, !is_leaving(&experiment));
    }
    match step(world, &operator, key, &experiment) {
        Ok(next) => next,
        Err(why) => {
            complain(world, CONTROLLER.name, &experiment, &format!("Failed to reconcile: {why}"));
            Next::Retry
        }
    }
}

pub(super) fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    list(object, "/metadata/finalizers").iter().any(|known| known == finalizer)
}

/// Adds a finalizer, or takes it away.
pub(super) fn keep_finalizer(world: &World, key: &Key, finalizer: &str, wanted: bool) -> Next {
    let written = world.store.update(key, None, |object| {
        let mut finalizers = list(object, "/metadata/finalizers").to_vec();
        finalizers.retain(|known| known != finalizer);
        if wanted {
            finalizers.push(json!(finalizer));
        }
        object["metadata"]["finalizers"] = json!(finalizers);
        true
    });
    if written.is_ok() { Next::Wait } else { Next::Retry }
}

fn step(world: &World, operator: &Operator, key: &Key, experiment: &Arc<Value>) -> Result<Next, String> {
    let mut status = experiment.get("status").filter(|status| status.is_object()).cloned().unwrap_or_else(|| json!({}));
    let mut conditions = list(&status, "/conditions").to_vec();
    let ended = |conditions: &[Value]| has(conditions, "Succeeded") || has(conditions, "Failed");
    if ended(&conditions) {
        if matches!(text(experiment, "/spec/resumePolicy"), "Never" | "FromVolume") {
            let restartable = text(experiment, "/spec/resumePolicy") == "FromVolume";
            super::suggestions::succeeded(world, key, restartable);
        }
        if restarts(experiment, &conditions) {
            conditions.retain(|condition| !matches!(text(condition, "/type"), "Succeeded" | "Failed"));
            set(&mut conditions, "Restarting", "True", "ExperimentRestarting", "Experiment is restarted");
            super::suggestions::restarted(world, key);
        } else if count(&status, "trialsRunning") == 0 {
            return Ok(Next::Wait);
        }
    }
    if !has(&conditions, "Created") {
        set(&mut conditions, "Created", "True", "ExperimentCreated", "Experiment is created");
        status = json!({
            "startTime": now(), "completionTime": null, "conditions": conditions,
            "currentOptimalTrial": {"observation": {}},
        });
        write_status(world, key, status);
        return Ok(Next::Wait);
    }
    let mut trials = world.store.list(GROUP, "trials", Some(&key.namespace));
    trials.retain(|trial| label(trial, EXPERIMENT_LABEL) == Some(key.name.as_str()));
    if !trials.is_empty() {
        let reached = summary::write(experiment, &trials, &mut status) && !switches::is_on(&world.store, GOAL_IGNORED);
        if !ended(&conditions) {
            judge(experiment, &mut status, &mut conditions, reached);
        }
    }
    if !ended(&conditions) {
        let made = try_values(world, operator, key, experiment, &status, &trials);
        if let Ok(Some(failed)) = &made {
            end(&mut conditions, "Failed", "ExperimentFailed", failed);
        }
        made?;
    }
    status["conditions"] = json!(conditions);
    write_status(world, key, status);
    Ok(Next::Wait)
}

/// Whether an experiment that has ended is given more trials.
fn restarts(experiment: &Value, conditions: &[Value]) -> bool {
    let most = experiment.pointer("/spec/maxTrialCount").and_then(Value::as_i64);
    let full = conditions.iter().any(|condition| {
        text(condition, "/type") == "Succeeded" && text(condition, "/reason") == "ExperimentMaxTrialsReached"
    });
    let policy = matches!(text(experiment, "/spec/resumePolicy"), "LongRunning" | "FromVolume");
    let trials = crate::controllers::owned::number(experiment, "/status/trials", 0);
    full && policy && most.is_some_and(|most| most > trials)
}

/// Ends an experiment that has reached its goal, its failures or its trials; else it runs.
fn judge(experiment: &Value, status: &mut Value, conditions: &mut Vec<Value>, reached: bool) {
    let limit = |field: &str| experiment.pointer(&format!("/spec/{field}")).and_then(Value::as_i64);
    let unavailable = count(status, "trialMetricsUnavailable");
    let failed = count(status, "trialsFailed") + unavailable;
    let completed = summary::completed(status) + unavailable;
    let too_many = limit("maxFailedTrialCount").is_some_and(|most| failed != 0 && failed >= most);
    let enough = limit("maxTrialCount").is_some_and(|most| completed >= most);
    match (reached, too_many, enough) {
        (true, ..) => {
            let why = "Experiment has succeeded because Objective goal has reached";
            end(conditions, "Succeeded", "ExperimentGoalReached", why);
        }
        (_, true, _) => {
            end(conditions, "Failed", "ExperimentFailed", "Experiment has failed because max failed count has reached");
        }
        (_, _, true) => {
            let why = "Experiment has succeeded because max trial count has reached";
            end(conditions, "Succeeded", "ExperimentMaxTrialsReached", why);
        }
        _ => {
            set(conditions, "Running", "True", "ExperimentRunning", "Experiment is running");
            return;
        }
    }
    status["completionTime"] = json!(now());
}

/// Asks for values where trials are missing, and makes trials of those that were proposed. Yields why the experiment has
/// failed, if its suggestion has.
fn try_values(
    world: &World,
    operator: &Operator,
    key: &Key,
    experiment: &Arc<Value>,
    status: &Value,
    trials: &[Arc<Value>],
) -> Result<Option<String>, String> {
    let limit = |field: &str| experiment.pointer(&format!("/spec/{field}")).and_then(Value::as_i64);
    // Without the webhook's default the real controller fails here.
    let parallel = limit("parallelTrialCount").ok_or("spec.parallelTrialCount is not set")?;
    let parallel = if switches::is_on(&world.store, PARALLEL_UNBOUNDED) { parallel.max(MANY) } else { parallel };
    let active = count(status, "trialsPending") + count(status, "trialsRunning");
    if active > parallel {
        let mut newest: Vec<&Arc<Value>> = trials.iter().filter(|trial| !is_over(trial)).collect();
        newest.sort_by_key(|trial| std::cmp::Reverse(text(trial, "/metadata/creationTimestamp").to_owned()));
        let surplus = usize::try_from(active - parallel).unwrap_or(0);
        for trial in newest.into_iter().take(surplus) {
            operator.remove(world, &Key::new(GROUP, "trials", &key.namespace, name(trial)))?;
        }
        return Ok(None);
    }
    let unbounded = switches::is_on(&world.store, TRIALS_UNBOUNDED);
    let most = limit("maxTrialCount").filter(|_| !unbounded);
    let wanted = most.map_or(parallel, |most| (most - summary::completed(status)).min(parallel));
    let missing = (wanted - active).max(0);
    if missing == 0 {
        return Ok(None);
    }
    let requests = i64::try_from(trials.len()).unwrap_or(i64::MAX).saturating_add(missing);
    let Some(suggestion) = super::suggestions::ask(world, operator, key, experiment, requests)? else {
        return Ok(None);
    };
    if holds(&suggestion, "Failed") {
        return Ok(Some("Suggestion has failed".to_owned()));
    }
    for proposal in list(&suggestion, "/status/suggestions") {
        let called = text(proposal, "/name");
        if trials.iter().all(|trial| name(trial) != called) {
            operator.make(
                world,
                &Key::new(GROUP, "trials", &key.namespace, called),
                trial(world, experiment, proposal)?,
            )?;
        }
    }
    Ok(None)
}

fn is_over(trial: &Value) -> bool {
    ["Succeeded", "Failed", "Killed", "EarlyStopped", "MetricsUnavailable"].iter().any(|kind| holds(trial, kind))
}

/// The trial of a proposal.
fn trial(world: &World, experiment: &Value, proposal: &Value) -> Result<Value, String> {
    let assignments = &proposal["parameterAssignments"];
    let job = templates::job(world, experiment, text(proposal, "/name"), namespace(experiment), assignments)?;
    let mut labels = experiment.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    labels[EXPERIMENT_LABEL] = json!(name(experiment));
    let template = |field: &str| experiment.pointer(&format!("/spec/trialTemplate/{field}")).cloned();
    let mut specification = json!({
        "objective": experiment["spec"]["objective"], "parameterAssignments": assignments, "runSpec": job,
        "metricsCollector": experiment.pointer("/spec/metricsCollectorSpec").cloned().unwrap_or_else(|| json!({})),
    });
    for (field, of) in [
        ("retainRun", "retain"),
        ("primaryPodLabels", "primaryPodLabels"),
        ("primaryContainerName", "primaryContainerName"),
        ("successCondition", "successCondition"),
        ("failureCondition", "failureCondition"),
    ] {
        if let Some(value) = template(of) {
            specification[field] = value;
        }
    }
    Ok(json!({
        "apiVersion": API_VERSION, "kind": "Trial",
        "metadata": {
            "labels": labels, "ownerReferences": [controller_reference(experiment, API_VERSION, "Experiment")],
        },
        "spec": specification,
    }))
}
