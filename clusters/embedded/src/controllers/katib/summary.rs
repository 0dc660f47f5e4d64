//! What an experiment knows of its trials: how many stand how, and which was the best
//! (`pkg/controller.v1beta1/experiment/util/status_util.go`).

use std::sync::Arc;

use serde_json::{Value, json};

use super::conditions::holds;
use crate::actors::katib::UNAVAILABLE;
use crate::controllers::owned::number;
use crate::object::{list, name, text};

/// Conditions of a trial in the order in which they count; the lists and counts of the experiment's status.
const KINDS: [(&str, &str, &str); 7] = [
    ("Killed", "killedTrialList", "trialsKilled"),
    ("Failed", "failedTrialList", "trialsFailed"),
    ("Succeeded", "succeededTrialList", "trialsSucceeded"),
    ("EarlyStopped", "earlyStoppedTrialList", "trialsEarlyStopped"),
    ("Running", "runningTrialList", "trialsRunning"),
    ("MetricsUnavailable", "metricsUnavailableTrialList", "trialMetricsUnavailable"),
    ("", "pendingTrialList", "trialsPending"),
];

/// Writes the summary into a status; whether the objective's goal is reached.
pub(super) fn write(experiment: &Value, trials: &[Arc<Value>], status: &mut Value) -> bool {
    status["trials"] = json!(trials.len());
    let kind_of = |trial: &Value| KINDS.iter().position(|(kind, ..)| kind.is_empty() || holds(trial, kind));
    for (index, (_, listed, counted)) in KINDS.iter().enumerate() {
        let names: Vec<&str> =
            trials.iter().filter(|trial| kind_of(trial) == Some(index)).map(|trial| name(trial)).collect();
        if let (true, Some(members)) = (names.is_empty(), status.as_object_mut()) {
            members.shift_remove(*listed);
            members.shift_remove(*counted);
        } else {
            status[*listed] = json!(names);
            status[*counted] = json!(names.len());
        }
    }
    let Some((best, value)) = best(experiment, trials) else { return false };
    status["currentOptimalTrial"] = json!({
        "bestTrialName": name(best), "parameterAssignments": list(best, "/spec/parameterAssignments"),
        "observation": {"metrics": list(best, "/status/observation/metrics")},
    });
    let goal = experiment.pointer("/spec/objective/goal").and_then(Value::as_f64);
    match (goal, value, text(experiment, "/spec/objective/type")) {
        (Some(goal), Some(value), "minimize") => value <= goal,
        (Some(goal), Some(value), "maximize") => value >= goal,
        _ => false,
    }
}

/// The best trial, and its value if it is a number. Of values that are no numbers the latest trial's counts.
fn best<'a>(experiment: &Value, trials: &'a [Arc<Value>]) -> Option<(&'a Value, Option<f64>)> {
    let mut best: Option<(&Value, Option<f64>)> = None;
    for trial in trials {
        let written = objective(trial);
        if written == UNAVAILABLE {
            continue;
        }
        let value = written.parse::<f64>().ok();
        let better = match (value, best) {
            (Some(value), Some((_, Some(so_far)))) => match text(experiment, "/spec/objective/type") {
                "minimize" => value < so_far,
                "maximize" => value > so_far,
                _ => false,
            },
            _ => true,
        };
        if better {
            best = Some((trial.as_ref(), value));
        }
    }
    best
}

/// A trial's value of the objective, by its strategy.
fn objective(trial: &Value) -> &str {
    let metric = text(trial, "/spec/objective/objectiveMetricName");
    let strategies = list(trial, "/spec/objective/metricStrategies");
    let strategy = strategies.iter().find(|strategy| text(strategy, "/name") == metric);
    let found = list(trial, "/status/observation/metrics").iter().find(|found| text(found, "/name") == metric);
    let (Some(strategy), Some(found)) = (strategy, found) else { return UNAVAILABLE };
    let value = match text(strategy, "/value") {
        "min" => text(found, "/min"),
        "max" => text(found, "/max"),
        "latest" => text(found, "/latest"),
        _ => return UNAVAILABLE,
    };
    if value == UNAVAILABLE { text(found, "/latest") } else { value }
}

/// How many trials have ended in whatever way.
pub(super) fn completed(status: &Value) -> i64 {
    count(status, "trialsSucceeded")
        + count(status, "trialsFailed")
        + count(status, "trialsKilled")
        + count(status, "trialsEarlyStopped")
}

/// A count of the status, 0 where it is left out.
pub(super) fn count(status: &Value, field: &str) -> i64 {
    number(status, &format!("/{field}"), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(called: &str, kind: &str, value: &str) -> Arc<Value> {
        Arc::new(json!({
            "metadata": {"name": called},
            "spec": {
                "objective": {"objectiveMetricName": "loss", "metricStrategies": [{"name": "loss", "value": "min"}]},
                "parameterAssignments": [{"name": "x", "value": called}],
            },
            "status": {
                "conditions": [{"type": kind, "status": "True"}],
                "observation": {"metrics": [{"name": "loss", "min": value, "max": value, "latest": value}]},
            },
        }))
    }

    #[test]
    fn the_best_trial_is_found_and_all_are_counted() {
        let experiment = |goal: Value| json!({"spec": {"objective": {"type": "minimize", "goal": goal}}});
        let trials = [
            trial("a", "Succeeded", "4"),
            trial("b", "Succeeded", "-1.5"),
            trial("c", "Running", UNAVAILABLE),
            trial("d", "MetricsUnavailable", UNAVAILABLE),
        ];
        let mut status = json!({"trialsFailed": 9, "failedTrialList": ["old"]});
        assert!(!write(&experiment(Value::Null), &trials, &mut status));
        assert_eq!(text(&status, "/currentOptimalTrial/bestTrialName"), "b");
        assert_eq!(
            (count(&status, "trials"), count(&status, "trialsSucceeded"), count(&status, "trialsFailed")),
            (4, 2, 0)
        );
        assert_eq!(status["metricsUnavailableTrialList"], json!(["d"]));
        assert!(write(&experiment(json!(-1)), &trials, &mut status));
        assert!(!write(&experiment(json!(-2)), &trials, &mut status));
    }
}
