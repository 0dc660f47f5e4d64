//! Trials: one job each, and what it reported (`trial_controller.go`). The rows of a trial go with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::conditions::{end, has, set};
use super::experiments::{has_finalizer, keep_finalizer};
use super::job_status::{self, JobStatus};
use super::{Operator, complain, of_resource};
use crate::actors::katib::observations::Entry;
use crate::actors::katib::{API_VERSION, GROUP, UNAVAILABLE, db_manager};
use crate::api::{defaults, kinds};
use crate::controllers::events::{Severity, record};
use crate::controllers::owned::{controller_reference, is_leaving, owner_key, write_status};
use crate::controllers::reconciler::{Controller, Next};
use crate::object::{list, name, namespace, text};
use crate::platform::World;
use crate::store::{Change, Key, now};

pub(in crate::controllers) const CONTROLLER: Controller = Controller { name: "trial-controller", concerns, reconcile };

const FINALIZER: &str = "clean-metrics-in-db";
/// How soon is looked again for metrics of a job that has succeeded.
const AGAIN: Duration = Duration::from_secs(1);
const ENDS: [&str; 5] = ["Succeeded", "Failed", "Killed", "EarlyStopped", "MetricsUnavailable"];

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    match owner_key(change, "Trial", GROUP, "trials") {
        Some(owner) => vec![owner],
        None => of_resource(world, change, "trials"),
    }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(trial) = world.store.get(key) else { return Next::Wait };
    let Some(operator) = Operator::running(world) else { return Next::Wait };
    if is_leaving(&trial) {
        if !has_finalizer(&trial, FINALIZER) {
            return Next::Wait;
        }
        let forgotten =
            db_manager::at(world, &operator.home, &operator.manager).and_then(|rows| rows.forget(&key.name));
        return if forgotten.is_ok() { keep_finalizer(world, key, FINALIZER, false) } else { Next::Retry };
    }
    if !has_finalizer(&trial, FINALIZER) {
        return keep_finalizer(world, key, FINALIZER, true);
    }
    let mut status = trial.get("status").filter(|status| status.is_object()).cloned().unwrap_or_else(|| json!({}));
    let mut conditions = list(&status, "/conditions").to_vec();
    if !has(&conditions, "Created") {
        set(&mut conditions, "Created", "True", "TrialCreated", "Trial is created");
        write_status(world, key, json!({"startTime": now(), "completionTime": null, "conditions": conditions}));
        return Next::Wait;
    }
    match step(world, &operator, &trial, &mut status, &mut conditions) {
        Ok(next) => {
            status["conditions"] = json!(conditions);
            write_status(world, key, status);
            next
        }
        Err(why) => {
            complain(world, CONTROLLER.name, &trial, &format!("Failed to reconcile: {why}"));
            Next::Retry
        }
    }
}

fn step(
    world: &World,
    operator: &Operator,
    trial: &Arc<Value>,
    status: &mut Value,
    conditions: &mut Vec<Value>,
) -> Result<Next, String> {
    let mut wanted = trial.pointer("/spec/runSpec").cloned().unwrap_or_default();
    wanted["metadata"]["ownerReferences"] = json!([controller_reference(trial, API_VERSION, "Trial")]);
    let resource = kinds::of_object(world, &wanted).ok_or_else(|| {
        format!("no matches for kind \"{}\" in version \"{}\"", text(&wanted, "/kind"), text(&wanted, "/apiVersion"))
    })?;
    let key = resource.key(namespace(&wanted), name(&wanted));
    let ended = ENDS.iter().any(|kind| has(conditions, kind));
    let job = match world.store.get(&key) {
        None if ended => return Ok(Next::Wait),
        None => {
            defaults::built_in(&resource.group, &resource.kind, &mut wanted);
            operator.make(world, &key, wanted.clone())?;
            tell(world, trial, Severity::Normal, "JobCreated", &format!("Job {} has been created", key.name));
            Arc::new(wanted)
        }
        Some(_) if ended && trial.pointer("/spec/retainRun") != Some(&json!(true)) => {
            operator.remove(world, &key)?;
            tell(world, trial, Severity::Normal, "JobDeleted", &format!("Job {} has been deleted", key.name));
            return Ok(Next::Wait);
        }
        Some(job) => job,
    };
    if ended {
        return Ok(Next::Wait);
    }
    match job_status::of(trial, &job) {
        JobStatus::Running => {
            if !has(conditions, "Running") {
                set(conditions, "Running", "True", "TrialRunning", "Trial is running");
                tell(world, trial, Severity::Normal, "JobRunning", &format!("Job {} is running", key.name));
            }
        }
        JobStatus::Failed(reason, message) => {
            let (reason, message) = with_job("TrialFailed", "Trial has failed", &reason, &message);
            end(conditions, "Failed", &reason, &message);
            status["completionTime"] = json!(now());
            tell(world, trial, Severity::Normal, "JobFailed", &format!("Job {} has failed", key.name));
        }
        JobStatus::Succeeded(reason, message) => {
            let rows = db_manager::at(world, &operator.home, &operator.manager)?;
            let entries = reported(&rows, trial)?;
            if entries.is_empty() {
                return Ok(Next::After(AGAIN));
            }
            let observation = observation(trial, &entries);
            if is_available(trial, &observation) {
                let (reason, message) = with_job("TrialSucceeded", "Trial has succeeded", &reason, &message);
                end(conditions, "Succeeded", &reason, &message);
                tell(world, trial, Severity::Normal, "JobSucceeded", &format!("Job {} has succeeded", key.name));
            } else {
                let (reason, message) = with_job("MetricsUnavailable", "Metrics are not available", &reason, &message);
                end(conditions, "MetricsUnavailable", &reason, &message);
                let why = format!("Metrics are not available for Job {}", key.name);
                tell(world, trial, Severity::Warning, "MetricsUnavailable", &why);
            }
            status["observation"] = observation;
            status["completionTime"] = json!(now());
        }
    }
    Ok(Next::Wait)
}

fn tell(world: &World, trial: &Value, severity: Severity, reason: &str, message: &str) {
    record(world, CONTROLLER.name, trial, severity, reason, message);
}

/// Reason and message with those of the job's condition.
fn with_job(reason: &str, message: &str, job_reason: &str, job_message: &str) -> (String, String) {
    let joined = |own: &str, what: &str, jobs: &str| {
        if jobs.is_empty() { own.to_owned() } else { format!("{own}. Job {what}: {jobs}") }
    };
    (joined(reason, "reason", job_reason), joined(message, "message", job_message))
}

/// What was reported of the objective and of the further metrics.
fn reported(rows: &crate::actors::katib::observations::Observations, trial: &Value) -> Result<Vec<Entry>, String> {
    let more = list(trial, "/spec/objective/additionalMetricNames").iter().filter_map(Value::as_str);
    let mut entries = Vec::new();
    for metric in std::iter::once(text(trial, "/spec/objective/objectiveMetricName")).chain(more) {
        entries.extend(rows.of(name(trial), metric, "", "")?);
    }
    Ok(entries)
}

/// The least, the greatest and the latest value of each metric that has a strategy.
fn observation(trial: &Value, entries: &[Entry]) -> Value {
    let mut latest: BTreeMap<&str, &str> = BTreeMap::new();
    let metrics: Vec<Value> = list(trial, "/spec/objective/metricStrategies")
        .iter()
        .map(|strategy| {
            let metric = text(strategy, "/name");
            let own = || entries.iter().filter(|entry| entry.metric == metric);
            let numbers = || own().filter_map(|entry| Some((entry.value.parse::<f64>().ok()?, entry.value.as_str())));
            let least = numbers().min_by(|a, b| a.0.total_cmp(&b.0)).map_or(UNAVAILABLE, |(_, written)| written);
            let greatest = numbers().max_by(|a, b| a.0.total_cmp(&b.0)).map_or(UNAVAILABLE, |(_, written)| written);
            // They come by time; of two at the same time the later row counts.
            for entry in own() {
                latest.insert(metric, &entry.value);
            }
            let latest = latest.get(metric).copied().unwrap_or(UNAVAILABLE);
            json!({"name": metric, "min": least, "max": greatest, "latest": latest})
        })
        .collect();
    if metrics.is_empty() { json!({}) } else { json!({"metrics": metrics}) }
}

fn is_available(trial: &Value, observation: &Value) -> bool {
    let objective = text(trial, "/spec/objective/objectiveMetricName");
    list(observation, "/metrics")
        .iter()
        .any(|metric| text(metric, "/name") == objective && text(metric, "/latest") != UNAVAILABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_has_least_greatest_and_latest() {
        let trial = json!({"spec": {"objective": {"objectiveMetricName": "loss", "metricStrategies": [
            {"name": "loss", "value": "min"}, {"name": "speed", "value": "latest"}]}}});
        let entry =
            |metric: &str, value: &str| Entry { time: String::new(), metric: metric.into(), value: value.into() };
        let entries = [entry("loss", "3"), entry("loss", "-1"), entry("loss", "2e0"), entry("other", "9")];
        let observation = observation(&trial, &entries);
        assert_eq!(observation["metrics"][0], json!({"name": "loss", "min": "-1", "max": "3", "latest": "2e0"}));
        assert_eq!(observation["metrics"][1]["latest"], json!(UNAVAILABLE));
        assert!(is_available(&trial, &observation));
        assert!(!is_available(&trial, &json!({})));
    }
}
