//! The culler in Kubeflow's notebook-controller: notebooks that nobody has used for some time are stopped
//! (`components/notebook-controller/controllers/culling_controller.go`, kubeflow v1.8.0 to v1.10.0; checked against what
//! the real one was seen to do). Its settings are the environment of the program when it starts.
//!
//! The server is not asked for its kernels: a notebook counts as idle since its pod came.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::notebooks::{IMAGES, STOPPED, annotation};
use super::operators;
use super::owned::is_leaving;
use super::reconciler::{Controller, Next};
use crate::actors::started;
use crate::kubelet::environment;
use crate::object::text;
use crate::platform::World;
use crate::store::{Change, ChangeKind, Key, now};

pub(super) const CONTROLLER: Controller = Controller { name: "culler", concerns, reconcile };

const GROUP: &str = "kubeflow.org";
const ACTIVITY: &str = "notebooks.kubeflow.org/last-activity";
const LOOKED: &str = "notebooks.kubeflow.org/last_activity_check_timestamp";

/// What the environment says, where it says it so that it is understood.
#[derive(Debug, PartialEq, Eq)]
struct Settings {
    /// Minutes without activity, and between looks; nothing if culling is off.
    minutes: Option<(i64, i64)>,
}

impl Settings {
    fn read(variable: impl Fn(&str) -> String) -> Self {
        let on = variable("ENABLE_CULLING") == "true";
        let idle = variable("CULL_IDLE_TIME").parse().unwrap_or(1440);
        let period = match variable("IDLENESS_CHECK_PERIOD").as_str() {
            "" => Some(1),
            given => given.parse().ok(),
        };
        Self { minutes: period.filter(|_| on).map(|period| (idle, period)) }
    }

    /// Those of the program in a pod, as they were when it started.
    fn of(world: &World, pod: &Value) -> std::sync::Arc<Self> {
        started::kept_or(world, pod, || {
            let name = operators::container(pod, IMAGES).map(|found| text(found, "/name")).unwrap_or_default();
            let variables = environment::variables(&world.store, pod, name);
            Self::read(|variable| variables.get(variable).cloned().unwrap_or_default())
        })
    }
}

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    if operators::begins(change, IMAGES) {
        Settings::of(world, &change.object);
        return operators::all(world, GROUP, "notebooks");
    }
    let is_notebook = change.key.group == GROUP && change.key.plural == "notebooks";
    if is_notebook && change.kind != ChangeKind::Deleted { vec![change.key.clone()] } else { Vec::new() }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(notebook) = world.store.get(key).filter(|notebook| !is_leaving(notebook)) else { return Next::Wait };
    let Some(program) = operators::running(world, IMAGES) else { return Next::Wait };
    let Some((idle, period)) = Settings::of(world, &program).minutes else { return Next::Wait };
    let has_pod = world.store.get(&Key::new("", "pods", &key.namespace, &format!("{}-0", key.name))).is_some();
    if annotation(&notebook, STOPPED).is_some() || !has_pod {
        annotate(world, key, &[(ACTIVITY, None), (LOOKED, None)]);
        return Next::Wait;
    }
    let (Some(since), Some(looked)) = (annotation(&notebook, ACTIVITY), annotation(&notebook, LOOKED)) else {
        annotate(world, key, &[(ACTIVITY, Some(now())), (LOOKED, Some(now()))]);
        return Next::Wait;
    };
    let wait = left(looked, period);
    if wait > 0 {
        return Next::After(Duration::from_secs(wait.unsigned_abs()));
    }
    if left(since, idle) <= 0 {
        annotate(world, key, &[(STOPPED, Some(now())), (ACTIVITY, None), (LOOKED, None)]);
        return Next::Wait;
    }
    annotate(world, key, &[(LOOKED, Some(now()))]);
    Next::After(Duration::from_secs(60 * period.unsigned_abs().max(1)))
}

/// Seconds until so many minutes have passed since a time; none are left of a time that cannot be read.
fn left(since: &str, minutes: i64) -> i64 {
    let since = since.parse::<Timestamp>().map_or(0, Timestamp::as_second);
    since.saturating_add(minutes.saturating_mul(60)).saturating_sub(Timestamp::now().as_second())
}

/// Sets annotations and takes them away.
fn annotate(world: &World, key: &Key, wanted: &[(&str, Option<String>)]) {
    // It may be gone meanwhile.
    _ = world.store.update(key, None, |notebook| {
        let mut changed = false;
        for (name, value) in wanted {
            let annotations = &mut notebook["metadata"]["annotations"];
            match value {
                Some(value) => {
                    changed = true;
                    annotations[*name] = json!(value);
                }
                None => {
                    changed |= annotations.as_object_mut().is_some_and(|all| all.remove(*name).is_some());
                }
            }
        }
        changed
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(on: &str, idle: &str, period: &str) -> Option<(i64, i64)> {
        let variables = [("ENABLE_CULLING", on), ("CULL_IDLE_TIME", idle), ("IDLENESS_CHECK_PERIOD", period)];
        let value = |name: &str| variables.iter().find(|one| one.0 == name).map_or("", |one| one.1).to_owned();
        Settings::read(value).minutes
    }

    #[test]
    fn culling_is_on_by_one_word_alone() {
        assert_eq!(read("true", "60", "5"), Some((60, 5)));
        assert_eq!(read("true", "", ""), Some((1440, 1)));
        assert_eq!(read("true", "1h", "1"), Some((1440, 1)));
        for on in ["", "false", "True", "yes", "1"] {
            assert_eq!(read(on, "60", "5"), None, "{on}");
        }
        assert_eq!(read("true", "60", "1m"), None);
    }

    #[test]
    fn times_that_cannot_be_read_are_over() {
        assert!(left(&now(), 1) > 50);
        assert!(left(&now(), 0) <= 0);
        assert!(left("yesterday", 1440) < 0);
        assert!(left(&now(), i64::MAX) > 0);
    }
}
