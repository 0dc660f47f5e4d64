//! Idle notebooks are stopped if the notebook-controller is told so, and only then.
//!
//! Facts: kubeflow/kubeflow `components/notebook-controller/controllers/culling_controller.go`, v1.8.0 to v1.10.0. The
//! settings are read when the program starts. The culler marks every notebook that it looks after as soon as its pod is
//! there; only a later look stops it, a minute or a day on, which is not waited for.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::check::source;
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Severity, Stop, check};
use kube::api::DynamicObject;
use serde_json::Value;

use super::server::{BOUND, Notebook, shared};
use crate::faults::workspaces as faults;
use crate::objects::{self, CONFIG_MAP, DEPLOYMENT, NOTEBOOK, annotation, config_value, items, text};
use crate::workspaces::place::EVERY;
use crate::workspaces::programs::NOTEBOOK_CONTROLLER;

const LOOKED: &str = "notebooks.kubeflow.org/last_activity_check_timestamp";
const STOPPED: &str = "kubeflow-resource-stopped";
/// How long the culler may take to mark a notebook whose pod is there; it does when the controller writes its status.
const MARKED_WITHIN: Duration = Duration::from_secs(10);

/// The checks.
pub static CHECKS: &[Check] = &[check(
    "NBK-022",
    "Idle notebooks are stopped if the notebook-controller is told so, and only then",
    Level::Should,
    source("kubeflow/kubeflow", "components/notebook-controller/controllers/culling_controller.go"),
    |cx| Box::pin(as_told(cx)),
)
.explain(Explain {
    what: "The settings ENABLE_CULLING, CULL_IDLE_TIME and IDLENESS_CHECK_PERIOD of the notebook-controller are read. If \
           culling is on, there is a minute at least before a notebook is stopped, and a notebook of the run's own carries \
           the culler's mark. If it is off, the notebook has neither that mark nor one of being stopped. Values that the \
           controller does not understand are findings. That an idle notebook is stopped in the end is not waited for.",
    why: "Culling gives back what idle notebooks hold, GPUs above all. The controller ignores a value that it does not \
          understand, and reads its settings when it starts: a switch that nobody obeys is found by the bill.",
    fix: "Correct ConfigMap kubeflow/notebook-controller-config-* (ENABLE_CULLING is the word true or false, the times are \
          whole minutes); then kubectl -n kubeflow rollout restart deployment notebook-controller-deployment",
    reproduce: "kubectl -n NAMESPACE get notebook NAME -o jsonpath='{.metadata.annotations}'",
})
.profiles(&[Profile::Notebooks])
.after(&["NBK-004"])
.within(Seconds(BOUND))
.writes()
.breaks_on(&[&faults::CULLING_NOT_BEGUN, &faults::CULLING_AT_ONCE])];

/// The controller's settings as its Deployment gives them, and where they stand.
struct Told {
    place: String,
    enabled: String,
    idle: String,
    period: String,
}

impl Told {
    async fn by(cx: &Ctx, deployment: &DynamicObject) -> Checked<Self> {
        let mut place = format!("Deployment kubeflow/{NOTEBOOK_CONTROLLER}");
        let mut values = [const { String::new() }; 3];
        for (name, value) in ["ENABLE_CULLING", "CULL_IDLE_TIME", "IDLENESS_CHECK_PERIOD"].iter().zip(&mut values) {
            let Some(variable) = variable(deployment, name) else { continue };
            *value = text(variable, "/value").to_owned();
            let refers = |field: &str| text(variable, &format!("/valueFrom/configMapKeyRef/{field}"));
            let (map, key) = (refers("name"), refers("key"));
            if let Some(found) = objects::get(cx, CONFIG_MAP, "kubeflow", map).await?.filter(|_| !map.is_empty()) {
                *value = config_value(&found, key).unwrap_or_default().to_owned();
                place = format!("ConfigMap kubeflow/{map}");
            }
        }
        let [enabled, idle, period] = values;
        Ok(Self { place, enabled, idle, period })
    }

    fn is_on(&self) -> bool {
        self.enabled == "true"
    }

    /// Minutes that a notebook may be idle.
    fn minutes(&self) -> i64 {
        self.idle.parse().unwrap_or(1440)
    }

    /// What the controller does not understand, and what it does then.
    fn misunderstood(&self) -> Vec<String> {
        let number = |value: &str| value.is_empty() || value.parse::<i64>().is_ok();
        let mut found = Vec::new();
        if !matches!(self.enabled.as_str(), "" | "true" | "false") {
            found.push(format!("ENABLE_CULLING is {:?}: only the word true switches culling on", self.enabled));
        }
        if !number(&self.idle) {
            found.push(format!("CULL_IDLE_TIME is {:?}, no number of minutes: 1440 are taken", self.idle));
        }
        if !number(&self.period) {
            let then = if self.is_on() { "the controller ends when it starts" } else { "with culling on it would end" };
            found.push(format!("IDLENESS_CHECK_PERIOD is {:?}, no number of minutes: {then}", self.period));
        }
        found
    }
}

/// A variable of the controller; of two of a name the last one counts.
fn variable<'a>(deployment: &'a DynamicObject, name: &str) -> Option<&'a Value> {
    let containers = items(&deployment.data, "/spec/template/spec/containers").iter();
    containers.flat_map(|container| items(container, "/env")).rfind(|variable| text(variable, "/name") == name)
}

async fn as_told(cx: &Ctx) -> Checked {
    let Some(deployment) = objects::get(cx, DEPLOYMENT, "kubeflow", NOTEBOOK_CONTROLLER).await? else {
        return Err(Stop::absent("Notebooks"));
    };
    let told = Told::by(cx, &deployment).await?;
    for what in told.misunderstood() {
        cx.finding(Severity::Medium, "A setting of culling is not understood", format!("{what} ({}).", told.place));
    }
    if told.is_on() && told.minutes() < 1 {
        return Err(Stop::failed(
            "a notebook may be idle for a minute at least",
            format!("for {}: each is stopped at the culler's next look", told.minutes()),
        )
        .because(format!("CULL_IDLE_TIME of {} is {:?}", told.place, told.idle))
        .fix("give notebooks time, in minutes, and restart the notebook-controller"));
    }
    let notebook = shared(cx).await?;
    if told.is_on() { marked(cx, &told, &notebook).await } else { left_alone(cx, &told, &notebook).await }
}

async fn marked(cx: &Ctx, told: &Told, notebook: &Notebook) -> Checked {
    let wait = format!("notebook {} carries the culler's mark", notebook.name);
    let seen = cx
        .eventually(&wait, MARKED_WITHIN, EVERY, || {
            Box::pin(async {
                let found = objects::get(cx, NOTEBOOK, &notebook.namespace, &notebook.name).await?;
                let marked =
                    |found: &DynamicObject| [LOOKED, STOPPED].iter().any(|key| !annotation(found, key).is_empty());
                Ok(if found.is_some_and(|found| marked(&found)) {
                    Seen::Yes(())
                } else {
                    Seen::NotYet(format!("it has no annotation {LOOKED}"))
                })
            }) as BoxFuture<'_, Checked<Seen<()>>>
        })
        .await;
    seen.map_err(|stop| unheard(stop, told, "true"))
}

async fn left_alone(cx: &Ctx, told: &Told, notebook: &Notebook) -> Checked {
    let found = objects::get(cx, NOTEBOOK, &notebook.namespace, &notebook.name).await?;
    let mark = [LOOKED, STOPPED]
        .into_iter()
        .find(|key| found.as_ref().is_some_and(|found| !annotation(found, key).is_empty()));
    match mark {
        None => Ok(()),
        Some(mark) => {
            let stop =
                Stop::failed("culling is off, and no notebook is culled", format!("{} has {mark}", notebook.name));
            Err(unheard(stop, told, "not true"))
        }
    }
}

/// The controller does something else than its settings say.
fn unheard(stop: Stop, told: &Told, said: &str) -> Stop {
    stop.because(format!(
        "ENABLE_CULLING of {} is {said}, and Deployment kubeflow/{NOTEBOOK_CONTROLLER} was started with something else",
        told.place
    ))
    .fix(format!("kubectl -n kubeflow rollout restart deployment {NOTEBOOK_CONTROLLER}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(enabled: &str, idle: &str, period: &str) -> Told {
        let [enabled, idle, period] = [enabled, idle, period].map(str::to_owned);
        Told { place: "ConfigMap kubeflow/x".to_owned(), enabled, idle, period }
    }

    #[test]
    fn what_the_controller_does_not_understand_is_told() {
        for (settings, count) in [
            (told("false", "1440", "1"), 0),
            (told("", "", ""), 0),
            (told("True", "1440", "1"), 1),
            (told("true", "24h", "1"), 1),
            (told("true", "60", "1m"), 1),
            (told("yes", "1.5", "x"), 3),
        ] {
            assert_eq!(settings.misunderstood().len(), count, "{:?}", settings.misunderstood());
        }
        assert!(told("true", "24h", "1").is_on() && !told("True", "", "").is_on());
        assert_eq!(told("true", "24h", "1").minutes(), 1440);
        assert_eq!(told("true", "-5", "1").minutes(), -5);
    }
}
