//! The controller of ScheduledWorkflows of Kubeflow Pipelines: it makes the runs of recurring runs, at their intervals.
//!
//! Cron expressions are read in UTC, whatever `CRON_SCHEDULE_TIMEZONE` says. Source: kubeflow/pipelines 2.3.0
//! `backend/src/crd/controller/scheduledworkflow`.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::operators;
use super::reconciler::{Controller, Next};
use crate::actors::pipelines::firing::{self, Controller as By};
use crate::actors::pipelines::report::Api;
use crate::actors::pipelines::trigger::{Progress, Trigger};
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
    let Some(trigger) = Trigger::of(&schedule) else { return Next::Wait };
    let time = |at: &str| text(&schedule, at).parse::<Timestamp>().ok().map(Timestamp::as_second);
    let now = Timestamp::now();
    let progress = Progress {
        made: time("/metadata/creationTimestamp").unwrap_or_else(|| now.as_second()),
        last: time("/status/trigger/lastTriggeredTime"),
        catches_up: schedule.pointer("/spec/noCatchup") != Some(&json!(true)),
    };
    let Some(due) = trigger.next(progress, now.as_second()) else { return Next::Wait };
    if now.as_second() < due {
        let left = u64::try_from(due.saturating_mul(1000).saturating_sub(now.as_millisecond())).unwrap_or(1);
        return Next::After(Duration::from_millis(left));
    }
    let Some(api) = Api::behind(world, namespace(&controller), API) else { return Next::Retry };
    let Some(container) = operators::container(&controller, IMAGES) else { return Next::Wait };
    let by = By { pod: &controller, container: text(container, "/name") };
    let index = schedule.pointer("/status/trigger/lastIndex").and_then(Value::as_i64).unwrap_or_default() + 1;
    match firing::fire(world, by, &api, &schedule, index) {
        Err(refusal) => {
            tracing::debug!(why = refusal.message(), "no run is made");
            Next::Retry
        }
        Ok(false) => Next::After(Duration::from_secs(1)),
        Ok(true) => {
            let at = Timestamp::from_second(due).unwrap_or(now).to_string();
            let written = world.store.update(key, None, |schedule| {
                schedule["status"]["trigger"] = json!({"lastTriggeredTime": at, "lastIndex": index});
                true
            });
            if written.is_ok() { Next::After(Duration::from_secs(1)) } else { Next::Wait }
        }
    }
}
