//! Recurring runs that fire: at an interval, and by a cron expression with the newest version of a pipeline.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use harness::check::{Seconds, source};
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::Method;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::PIPELINES;
use super::api::{API, call, get};
use super::obstacles::worker;
use super::own::{
    EVERY, KNOWN_WITHIN, RUN_BOUND, RUN_WITHIN, experiment, home, made, named, remove_afterwards, smallest, until,
    upload, uploaded,
};
use super::recurring::schedule;
use crate::faults::pipelines as faults;
use crate::gateway::diagnose::{Cause, blame};
use crate::objects::{self, items, text};
use crate::patience::Patience;
use crate::rights::{self, Ask};

/// How long a schedule may take to fire: its interval, and the controller's own pace of ten seconds.
const FIRES_WITHIN: Duration = Duration::from_secs(90);
/// The controller of ScheduledWorkflows, and its account.
const CONTROLLER: &str = "ml-pipeline-scheduledworkflow";
const ACCOUNT: &str = "system:serviceaccount:kubeflow:ml-pipeline-scheduledworkflow";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KFP-052",
        "A recurring run fires",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/crd/controller/scheduledworkflow"),
        |cx| Box::pin(fires(cx)),
    )
    .explain(Explain {
        what: "A recurring run with an interval of one second has a run of its own within 90 seconds, which succeeds; \
               switched off, it makes no more.",
        why: "Scheduled production work that stops is noticed by nobody until its results are missed; releases have \
              shipped so.",
        fix: "kubectl -n kubeflow logs deployment/ml-pipeline-scheduledworkflow.",
        reproduce: "Create a recurring run that fires each minute, and look at its runs after two.",
    })
    .profiles(PIPELINES)
    .after(&["KFP-020"])
    .writes()
    .within(Seconds(RUN_BOUND + 90))
    .breaks_on(&[&faults::SCHEDULES_STOPPED]),
    check(
        "KFP-053",
        "A recurring run with a cron schedule fires, with the newest version of its pipeline",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/crd/controller/scheduledworkflow/controller.go: submitNewWorkflowIfNotAlreadySubmitted"),
        |cx| Box::pin(fires_by_cron(cx)),
    )
    .explain(Explain {
        what: "A pipeline has two versions. A recurring run that names the pipeline alone, with the cron expression \
               \"* * * * * *\" (each second), has a run of its own within 90 seconds, which succeeds and names the \
               newer version.",
        why: "Nightly work is scheduled so, and is to follow its pipeline. From 2.5 on the controller asks the API server \
              for such runs: without a token or a right it is refused, and nobody is told.",
        fix: "kubectl -n kubeflow logs deployment/ml-pipeline-scheduledworkflow; apply its Deployment, ClusterRole and \
              ClusterRoleBinding of kubeflow/manifests again.",
        reproduce: "Create a recurring run of a pipeline, version \"always use the latest\", with a cron expression.",
    })
    .profiles(PIPELINES)
    .after(&["KFP-020"])
    .writes()
    .within(Seconds(RUN_BOUND + 90))
    .breaks_on(&[&faults::SCHEDULES_STOPPED, &faults::SCHEDULES_POWERLESS, &faults::SCHEDULES_NAMELESS]),
];

/// A recurring run that has fired, and is off.
struct Fired {
    id: String,
    experiment: String,
    /// Its first run.
    first: String,
    /// Its runs that are remembered to be removed.
    known: Vec<String>,
}

impl Fired {
    /// Makes a recurring run, and switches it off as soon as it has a run.
    async fn once(cx: &Ctx, trigger: Value, (kind, pipeline): (&str, Value)) -> Checked<Self> {
        let namespace = home(cx).await?;
        let experiment = experiment(cx, &namespace, &named(cx, "exp")).await?;
        let mut body = json!({
            "display_name": named(cx, "rec"), "experiment_id": experiment, "max_concurrency": "1", "mode": "ENABLE",
            "no_catchup": true, "trigger": trigger,
        });
        body[kind] = pipeline;
        let id = made(cx, "recurringruns", "recurring_run_id", &body).await?;
        let looked = first_run(cx, &namespace, &experiment, &id).await;
        // Whatever came of it, no more are wanted.
        let off = call(cx, Method::POST, &format!("{API}/recurringruns/{id}:disable"), Some(&json!({}))).await?;
        let first = looked?;
        off.ok(cx).await?;
        let mut fired = Self { id, experiment, first, known: Vec::new() };
        fired.remember(cx).await?;
        Ok(fired)
    }

    fn runs(&self) -> String {
        format!("/runs?experiment_id={}&page_size=50", self.experiment)
    }

    /// Remembers to remove its runs.
    async fn remember(&mut self, cx: &Ctx) -> Checked {
        let listed = get(cx, &self.runs()).await?;
        for run in items(&listed, "/runs") {
            let id = text(run, "/run_id").to_owned();
            if !self.known.contains(&id) {
                remove_afterwards(cx, &format!("/runs/{id}")).await?;
                self.known.push(id);
            }
        }
        Ok(())
    }

    /// Waits until its first run has succeeded.
    async fn succeeds(&self, cx: &Ctx) -> Checked<Value> {
        match until(cx, &self.first, &["SUCCEEDED"], RUN_WITHIN).await {
            Err(stop) => Err(blame(stop, worker(cx).await)),
            Ok(shown) if text(&shown, "/recurring_run_id") != self.id => {
                Err(Stop::failed(format!("a run of recurring run {}", self.id), text(&shown, "/recurring_run_id")))
            }
            Ok(shown) => Ok(shown),
        }
    }

    /// What was begun before it was switched off may still come; then there must be an end: the same number of runs at two
    /// looks that are further apart than the interval.
    async fn settles(&self, cx: &Ctx) -> Checked {
        let (path, last) = (self.runs(), Arc::new(AtomicUsize::new(0)));
        let apart = Duration::from_millis(1200);
        cx.eventually("a recurring run that is off makes no more runs", KNOWN_WITHIN, apart, || {
            let (cx, path, last) = (cx.clone(), path.clone(), Arc::clone(&last));
            Box::pin(async move {
                let now = items(&get(&cx, &path).await?, "/runs").len();
                let before = last.swap(now, Ordering::Relaxed);
                Ok(if before == now { Seen::Yes(()) } else { Seen::NotYet(format!("{now} runs")) })
            }) as BoxFuture<'_, Checked<Seen<()>>>
        })
        .await
    }
}

/// Waits for the first run of a recurring run: of its experiment, which has no others. Yields its id.
async fn first_run(cx: &Ctx, namespace: &str, experiment: &str, recurring: &str) -> Checked<String> {
    let path = format!("/runs?experiment_id={experiment}");
    let patience = &Patience::new();
    cx.eventually("the recurring run has made a run", FIRES_WITHIN, EVERY, || {
        let (cx, path) = (cx.clone(), path.clone());
        let (namespace, recurring) = (namespace.to_owned(), recurring.to_owned());
        Box::pin(async move {
            let listed = get(&cx, &path).await?;
            if let Some(run) = items(&listed, "/runs").first() {
                return Ok(Seen::Yes(text(run, "/run_id").to_owned()));
            }
            if !patience.is_over() {
                return Ok(Seen::NotYet("no run".to_owned()));
            }
            match controller(&cx, &namespace, &recurring).await? {
                None => Ok(Seen::NotYet("no run".to_owned())),
                Some(cause) => {
                    let stop = Stop::failed("the recurring run makes a run", "nobody is there who could make one");
                    Err(stop.because(cause.what).fix(cause.fix))
                }
            }
        }) as BoxFuture<'_, Checked<Seen<String>>>
    })
    .await
}

/// What keeps the controller from ever making a run of a recurring run. Where the ScheduledWorkflow has no Workflow in it,
/// it asks the API server for a run; else it makes the Workflow itself.
async fn controller(cx: &Ctx, namespace: &str, recurring: &str) -> Checked<Option<Cause>> {
    let found = objects::get(cx, objects::DEPLOYMENT, "kubeflow", CONTROLLER).await?;
    let ready = |one: &DynamicObject| objects::number(&one.data, "/status/readyReplicas").unwrap_or(0) > 0;
    let Some(deployment) = found.filter(ready) else {
        return Ok(Some(Cause::new(
            format!("Deployment kubeflow/{CONTROLLER} has no ready pod"),
            format!("kubectl -n kubeflow describe deployment {CONTROLLER}"),
        )));
    };
    let Some(object) = schedule(cx, namespace, recurring).await? else { return Ok(None) };
    let asks = text(&object.data, "/spec/workflow/spec").is_empty();
    if asks && !has_token(&deployment.data) {
        return Ok(Some(Cause::new(
            format!("Deployment kubeflow/{CONTROLLER} has no volume with a token: to the API server it is nobody"),
            format!("apply Deployment {CONTROLLER} of kubeflow/manifests again"),
        )));
    }
    let (group, resource) = if asks { ("pipelines.kubeflow.org", "runs") } else { ("argoproj.io", "workflows") };
    let ask = Ask { verb: "create", group, resource, namespace, ..Ask::default() };
    if rights::allowed(cx, ACCOUNT, &ask).await? {
        return Ok(None);
    }
    Ok(Some(Cause::new(
        format!("ClusterRoleBinding {CONTROLLER}-binding is absent or binds to too little: {ACCOUNT} may not {ask}"),
        format!("apply ClusterRole {CONTROLLER}-role and its binding of kubeflow/manifests again"),
    )))
}

/// Whether a volume of a Deployment's pods holds a token of their account.
fn has_token(deployment: &Value) -> bool {
    items(deployment, "/spec/template/spec/volumes")
        .iter()
        .flat_map(|volume| items(volume, "/projected/sources"))
        .any(|source| source.get("serviceAccountToken").is_some())
}

async fn fires(cx: &Ctx) -> Checked {
    let trigger = json!({"periodic_schedule": {"interval_second": "1"}});
    let mut fired = Fired::once(cx, trigger, ("pipeline_spec", smallest(cx))).await?;
    let (ended, settled) = futures::join!(fired.succeeds(cx), fired.settles(cx));
    fired.remember(cx).await?;
    ended?;
    settled
}

async fn fires_by_cron(cx: &Ctx) -> Checked {
    let (pipeline, older) = uploaded(cx, &home(cx).await?).await?;
    // Which one is newer is told by whole seconds.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let query = format!("upload_version?pipelineid={pipeline}&name={}", named(cx, "v2"));
    let newer = upload(cx, &query, "smallest.json", &smallest(cx).to_string()).await?.ok(cx).await?;
    let newer = text(&newer, "/pipeline_version_id");
    let trigger = json!({"cron_schedule": {"cron": "* * * * * *"}});
    let reference = json!({"pipeline_id": pipeline});
    let mut fired = Fired::once(cx, trigger, ("pipeline_version_reference", reference)).await?;
    let ended = fired.succeeds(cx).await;
    // One run at a time: none can have been begun since it was switched off that is not listed now.
    fired.remember(cx).await?;
    let ended = ended?;
    let version = text(&ended, "/pipeline_version_reference/pipeline_version_id");
    if version == newer {
        return Ok(());
    }
    let which = if version == older { "the older one" } else { "" };
    Err(Stop::failed(
        format!("a run of version {newer}, the newest of pipeline {pipeline}"),
        format!("{version:?} {which}"),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::has_token;

    #[test]
    fn a_token_is_in_a_projected_volume() {
        let with = |volumes| json!({"spec": {"template": {"spec": {"volumes": volumes}}}});
        let token = json!({"serviceAccountToken": {"path": "t", "audience": "pipelines.kubeflow.org"}});
        assert!(has_token(&with(json!([{"name": "x", "emptyDir": {}}, {"projected": {"sources": [token]}}]))));
        for without in [json!(null), json!([]), json!([{"projected": {"sources": [{"configMap": {"name": "c"}}]}}])] {
            assert!(!has_token(&with(without.clone())), "{without}");
        }
    }
}
