//! The controller of ScheduledWorkflows of Kubeflow Pipelines: it makes the runs of recurring runs, at their intervals.
//!
//! Cron expressions are not played, nor catching up: what was missed is made once. Source: kubeflow/pipelines 2.3.0
//! `backend/src/crd/controller/scheduledworkflow`.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::operators;
use super::reconciler::{Controller, Next};
use crate::actors::pipelines::report;
use crate::object::{namespace, text};
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "scheduledworkflow", concerns, reconcile };

const IMAGES: &[&str] = &["scheduledworkflow", "kfp-scheduled-workflow-controller"];
const GROUP: &str = "kubeflow.org";
/// Where the controller finds the API server.
const API: (&str, u16) = ("ml-pipeline", 8887);

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    if operators::begins(change, IMAGES) {
        return operators::all(world, GROUP, "scheduledworkflows");
    }
    let is_schedule = change.key.group == GROUP && change.key.plural == "scheduledworkflows";
    if is_schedule { vec![change.key.clone()] } else { Vec::new() }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(schedule) = world.store.get(key) else { return Next::Wait };
    let Some(controller) = operators::running(world, IMAGES) else { return Next::Wait };
    if schedule.pointer("/spec/enabled") != Some(&json!(true)) {
        return Next::Wait;
    }
    let Some(interval) = schedule.pointer("/spec/trigger/periodicSchedule/intervalSecond").and_then(Value::as_i64)
    else {
        return Next::Wait;
    };
    let last = [text(&schedule, "/status/trigger/lastTriggeredTime"), text(&schedule, "/metadata/creationTimestamp")];
    let last = last.iter().find_map(|at| at.parse::<Timestamp>().ok()).unwrap_or_else(Timestamp::now);
    let due = last.as_second().saturating_add(interval.max(1));
    let now = Timestamp::now();
    if now.as_second() < due {
        let left = u64::try_from(due.saturating_mul(1000).saturating_sub(now.as_millisecond())).unwrap_or(1);
        return Next::After(Duration::from_millis(left));
    }
    let Some(rows) = report::rows_behind(world, namespace(&controller), API.0, API.1) else { return Next::Retry };
    let number = schedule.pointer("/status/trigger/lastIndex").and_then(Value::as_i64).unwrap_or_default() + 1;
    match report::recur(world, &rows, &schedule, number) {
        Err(refusal) => {
            tracing::debug!(why = refusal.message(), "no run is made");
            Next::Retry
        }
        Ok(false) => Next::After(Duration::from_secs(1)),
        Ok(true) => {
            let written = world.store.update(key, None, |schedule| {
                schedule["status"]["trigger"] = json!({"lastTriggeredTime": crate::store::now(), "lastIndex": number});
                true
            });
            if written.is_ok() { Next::After(Duration::from_secs(1)) } else { Next::Wait }
        }
    }
}
