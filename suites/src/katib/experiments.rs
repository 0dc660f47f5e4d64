//! The experiments that checks make, and how they end.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use clusters::versions::parts;
use futures::future::BoxFuture;
use harness::context::Seen;
use harness::fixtures::Fixture;
use harness::{Checked, Ctx, Stop};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::server;
use super::trouble::{self, Passes};
use crate::gateway::diagnose::Cause;
use crate::images::BUSYBOX;
use crate::objects::{self, EXPERIMENT, SUGGESTION, TRIAL, items, label, name, text};
use crate::patience::Patience;
use crate::{pipelines, tenants};

/// The label of what belongs to an experiment.
pub const OF: &str = "katib.kubeflow.org/experiment";
/// How long an experiment of a few small trials may take: the images of the suggestion's service are large.
pub const ENDS_WITHIN: Duration = Duration::from_secs(600);
/// How long what belongs to a deleted experiment may take to be gone: a pod is given thirty seconds to end.
pub const GONE_WITHIN: Duration = Duration::from_secs(120);
/// How often is looked.
pub const EVERY: Duration = Duration::from_millis(100);
/// What keeps an experiment from going on counts when it has been seen for so long: it may be over at the next look.
const LASTING: Duration = Duration::from_secs(1);
/// The same for what may pass by itself.
const LASTING_LONG: Duration = Duration::from_secs(60);

/// What a trial does whose objective is least at 2.
pub const SQUARE: &str = "echo loss=$(( (${trialParameters.x} - 2) * (${trialParameters.x} - 2) ))";

/// Stops where the site leaves Katib out.
pub fn installed(cx: &Ctx) -> Checked {
    match parts::named("katib").filter(|part| cx.leaves_out(part)) {
        Some(_) => Err(Stop::LeftOut("Katib".to_owned())),
        None => Ok(()),
    }
}

/// A namespace that the run's user owns.
pub async fn home(cx: &Ctx) -> Checked<String> {
    installed(cx)?;
    pipelines::own::home(cx).await
}

/// A name of this check's for an experiment: short, because labels are made from it.
#[must_use]
pub fn named(cx: &Ctx, what: &str) -> String {
    tenants::name(cx, &format!("{}-{what}", cx.check().id.to_ascii_lowercase()))
}

/// An experiment over the whole numbers from 1 to `most`, whose trials run a script.
#[must_use]
pub fn experiment(namespace: &str, name: &str, algorithm: &str, most: u32, script: &str) -> Value {
    let outside = json!({"sidecar.istio.io/inject": "false"});
    json!({
        "apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": algorithm},
            "parallelTrialCount": 1, "maxTrialCount": 1, "maxFailedTrialCount": 1,
            "parameters": [
                {"name": "x", "parameterType": "int", "feasibleSpace": {"min": "1", "max": most.to_string()}},
            ],
            "trialTemplate": {
                "primaryContainerName": "main", "retain": true,
                "trialParameters": [{"name": "x", "description": "", "reference": "x"}],
                "trialSpec": {"apiVersion": "batch/v1", "kind": "Job", "spec": {"backoffLimit": 0, "template": {
                    "metadata": {"labels": outside, "annotations": outside},
                    "spec": {"restartPolicy": "Never", "containers": [
                        {"name": "main", "image": BUSYBOX, "command": ["sh", "-c", script]},
                    ]},
                }}},
            },
        },
    })
}

/// The same with other counts: at once, in all, failed.
#[must_use]
pub fn counts(mut experiment: Value, parallel: u32, most: u32, failed: u32) -> Value {
    experiment["spec"]["parallelTrialCount"] = json!(parallel);
    experiment["spec"]["maxTrialCount"] = json!(most);
    experiment["spec"]["maxFailedTrialCount"] = json!(failed);
    experiment
}

/// Makes an experiment through the Kubernetes API.
pub async fn create(cx: &Ctx, experiment: Value) -> Checked {
    installed(cx)?;
    let object =
        serde_json::from_value(experiment).map_err(|error| Stop::errored("precondition", error.to_string()))?;
    match cx.own(object).await {
        Ok(_) => Ok(()),
        Err(Stop::Errored(problem)) if problem.message.contains("webhook") => {
            let stop = Stop::failed("the Kubernetes API takes the experiment", problem.message.clone());
            Err(trouble::blamed(cx, stop).await)
        }
        Err(stop) => Err(stop),
    }
}

/// Looks at an experiment until `reached` says what it was waited for.
pub async fn until<T: Send + 'static>(
    cx: &Ctx,
    what: &str,
    (namespace, name): (&str, &str),
    within: Duration,
    reached: impl Fn(&Value) -> Checked<Option<T>> + Sync,
) -> Checked<T> {
    let since: Mutex<Option<Instant>> = Mutex::new(None);
    let (reached, since, patience) = (&reached, &since, &Patience::new());
    cx.eventually(what, within, EVERY, || {
        Box::pin(async move {
            let found = objects::get(cx, EXPERIMENT, namespace, name).await?;
            let Some(found) = found else {
                return Err(Stop::failed(what, format!("there is no Experiment {namespace}/{name}")));
            };
            if let Some(wanted) = reached(&found.data)? {
                return Ok(Seen::Yes(wanted));
            }
            let state = state(&found.data);
            if !patience.is_over() {
                return Ok(Seen::NotYet(state));
            }
            match trouble::of(cx, namespace, name).await? {
                Some((cause, passes)) if lasts(since, passes) => {
                    Err(Stop::failed(what, format!("Experiment {namespace}/{name} is {state}"))
                        .because(cause.what)
                        .fix(cause.fix))
                }
                Some((Cause { what, .. }, _)) => Ok(Seen::NotYet(format!("{state}; {what}"))),
                None => {
                    forget(since);
                    Ok(Seen::NotYet(state))
                }
            }
        }) as BoxFuture<'_, Checked<Seen<T>>>
    })
    .await
}

fn lasts(since: &Mutex<Option<Instant>>, passes: Passes) -> bool {
    let mut since = since.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let long = if passes == Passes::Never { LASTING } else { LASTING_LONG };
    since.get_or_insert_with(Instant::now).elapsed() >= long
}

fn forget(since: &Mutex<Option<Instant>>) {
    *since.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
}

/// Its newest condition, and its counts.
fn state(experiment: &Value) -> String {
    let last = items(experiment, "/status/conditions").last();
    let kind = last.map_or("without a condition", |last| text(last, "/type"));
    let count = |field: &str| objects::number(experiment, &format!("/status/{field}")).unwrap_or(0);
    format!("{kind}, {} of {} trials succeeded", count("trialsSucceeded"), count("trials"))
}

/// The condition of an experiment that is true, if it is this one.
#[must_use]
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    items(object, "/status/conditions").iter().find(|one| text(one, "/type") == kind && text(one, "/status") == "True")
}

/// Waits for an experiment's end, which is to be `Succeeded` or `Failed`.
pub async fn ends(cx: &Ctx, at: (&str, &str), wanted: &'static str) -> Checked<Value> {
    let other = if wanted == "Succeeded" { "Failed" } else { "Succeeded" };
    let what = format!("Experiment {}/{} ends {wanted}", at.0, at.1);
    let reached = until(cx, &what, at, ENDS_WITHIN, |experiment| {
        if condition(experiment, wanted).is_some() {
            return Ok(Some(experiment.clone()));
        }
        match condition(experiment, other) {
            Some(ended) => Err(Stop::failed(&what, format!("it ended {other}: {}", text(ended, "/message")))),
            None => Ok(None),
        }
    })
    .await;
    match reached {
        Err(stop @ Stop::Failed(_)) => Err(trouble::of_ended(cx, at, stop).await),
        reached => reached,
    }
}

/// The trials of an experiment.
pub async fn trials(cx: &Ctx, (namespace, experiment): (&str, &str)) -> Checked<Vec<DynamicObject>> {
    objects::labelled_within(cx, TRIAL, namespace, &format!("{OF}={experiment}")).await
}

/// The value that a trial was given for a parameter.
#[must_use]
pub fn given<'a>(trial: &'a DynamicObject, parameter: &str) -> &'a str {
    let assigned = items(&trial.data, "/spec/parameterAssignments");
    assigned.iter().find(|one| text(one, "/name") == parameter).map_or("", |one| text(one, "/value"))
}

/// Waits until nothing of an experiment is left: no suggestion, trial, job or pod.
pub async fn gone(cx: &Ctx, (namespace, experiment): (&str, &str)) -> Checked {
    cx.eventually("nothing of the experiment is left", GONE_WITHIN, EVERY, || {
        Box::pin(async move {
            for kind in [EXPERIMENT, SUGGESTION] {
                if objects::get(cx, kind, namespace, experiment).await?.is_some() {
                    return Ok(Seen::NotYet(format!("{} {experiment} is there", kind.kind)));
                }
            }
            for kind in [TRIAL, objects::JOB, objects::POD, objects::DEPLOYMENT] {
                let all = objects::within(cx, kind, namespace).await?;
                let left = all.iter().find(|object| {
                    label(object, OF) == experiment || name(object).starts_with(&format!("{experiment}-"))
                });
                if let Some(left) = left {
                    let held = left.metadata.finalizers.clone().unwrap_or_default().join(", ");
                    return Ok(Seen::NotYet(format!("{} {} is there ({held})", kind.kind, name(left))));
                }
            }
            Ok(Seen::Yes(()))
        }) as BoxFuture<'_, Checked<Seen<()>>>
    })
    .await
}

/// An experiment that all checks share: three trials of a grid, made through the UI server, ended. It may not be changed.
#[derive(Debug)]
pub struct Shared(Checked<Ended>);

/// How the shared experiment ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// As Kubernetes has it.
    pub experiment: Value,
}

impl Ended {
    /// Namespace and name.
    #[must_use]
    pub fn at(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
}

impl Fixture for Shared {
    const NAME: &'static str = "an experiment that has ended";
    const WITHIN: Duration = Duration::from_secs(660);

    async fn make(cx: Ctx) -> Checked<Self> {
        Ok(Self(ended(&cx).await))
    }
}

async fn ended(cx: &Ctx) -> Checked<Ended> {
    let (namespace, name) = (home(cx).await?, tenants::name(cx, "kat"));
    server::create(cx, &counts(experiment(&namespace, &name, "grid", 3, SQUARE), 2, 3, 1)).await?;
    let experiment = ends(cx, (&namespace, &name), "Succeeded").await?;
    Ok(Ended { namespace, name, experiment })
}

/// The shared experiment; why it did not end well, if so.
pub async fn shared(cx: &Ctx) -> Checked<Ended> {
    installed(cx)?;
    cx.fixture::<Shared>().await?.0.clone()
}
