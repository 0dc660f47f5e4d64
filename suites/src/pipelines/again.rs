//! What is not done twice, and what is done again: caching, retries.

use futures::future::BoxFuture;
use harness::check::{Seconds, source};
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use serde_json::{Value, json};

use super::PIPELINES;
use super::api::{ACCOUNT, get, post};
use super::own::{
    EVERY, KNOWN_WITHIN, RUN_BOUND, RUN_WITHIN, experiment, home, made, named, pipeline, run, smallest, until,
};
use crate::data::records::CONTEXT_OF_RUN;
use crate::data::rows::{Database, select_in};
use crate::faults::data as data_faults;
use crate::faults::pipelines as faults;
use crate::gateway::diagnose::{Cause, blame};
use crate::objects::text;
use crate::rights::{self, Ask};

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KFP-046",
        "A run that failed is tried again when its owner says so",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/resource/resource_manager.go: RetryRun"),
        |cx| Box::pin(retried(cx)),
    )
    .explain(Explain {
        what: "A run whose container exits with 1 ends FAILED. After :retry it \
               is at work again within 30 s, which its state or its history shows, and ends FAILED again.",
        why: "A long run that failed at its end for want of a machine should not have to begin at its beginning.",
        fix: "Look at ClusterRole ml-pipeline: it must let workflows be updated and pods be deleted; kubectl -n kubeflow \
              logs deployment/workflow-controller.",
        reproduce: "curl -s -b cookies.txt -X POST \"$GATEWAY/pipeline/apis/v2beta1/runs/RUN:retry\"",
    })
    .profiles(PIPELINES)
    .after(&["KFP-020"])
    .writes()
    .within(Seconds(2 * RUN_BOUND))
    .breaks_on(&[&faults::WORKFLOWS_STOPPED, &faults::AGENT_STOPPED, &faults::RETRIES_REFUSED]),
    check(
        "KFP-047",
        "A task with the same inputs is not run again if its pipeline says so",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/v2/driver/cache.go, cacheutils/cache.go"),
        |cx| Box::pin(cached(cx)),
    )
    .explain(Explain {
        what: "A pipeline whose task allows caching runs twice with equal inputs: both succeed, the second execution is \
               CACHED in ML Metadata, and its result is the very artifact of the first.",
        why: "Without it each try of a pipeline trains everything anew; with a wrong one, results of other inputs are \
              taken.",
        fix: "kubectl -n NAMESPACE logs of the second run's container driver; the driver asks ml-pipeline:8887 for tasks.",
        reproduce: "Run a pipeline with caching twice; its second run shows a green arrow in the UI.",
    })
    .profiles(PIPELINES)
    .after(&["KFP-040"])
    .writes()
    .within(Seconds(2 * RUN_BOUND))
    .breaks_on(&[&data_faults::CACHE_FORGETS]),
    check(
        "KFP-048",
        "A run that can never begin is stopped, and leaves nothing at work",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/server/run_server.go: TerminateRun"),
        |cx| Box::pin(endless(cx)),
    )
    .explain(Explain {
        what: "A run whose image cannot be pulled does not end by itself; terminated, it ends within 90 seconds, and when \
               it is deleted no Workflow of it is left.",
        why: "A name of an image is easily mistyped; what waits for it holds its place in quotas for ever.",
        fix: "kubectl -n kubeflow logs deployment/workflow-controller; look at ClusterRole ml-pipeline.",
        reproduce: "Run a pipeline with the image registry.invalid/none:1, then terminate and delete it.",
    })
    .profiles(PIPELINES)
    .after(&["KFP-020"])
    .writes()
    .within(Seconds(RUN_BOUND + 90))
    .breaks_on(&[&faults::WORKFLOWS_STOPPED, &faults::AGENT_STOPPED]),
];

async fn retried(cx: &Ctx) -> Checked {
    let experiment = experiment(cx, &home(cx).await?, &named(cx, "exp")).await?;
    let failing = pipeline("conformance-failing", "echo about to fail; exit 1", &cx.environment().run_id);
    let id = run(cx, &experiment, &failing).await?;
    let ended = until(cx, &id, &["FAILED"], RUN_WITHIN).await?;
    if let Err(stop) = post(cx, &format!("/runs/{id}:retry"), &json!({})).await {
        return Err(blame(stop, powerless(cx).await));
    }
    goes_on(cx, &id, &ended["state_history"]).await?;
    until(cx, &id, &["FAILED"], RUN_WITHIN).await?;
    Ok(())
}

/// What the API server may not do that a retry takes (`resource_manager.go`, RetryRun): it removes the pods that failed, and
/// updates the Workflow.
async fn powerless(cx: &Ctx) -> Checked<Option<Cause>> {
    let namespace = &home(cx).await?;
    let pods = Ask { verb: "delete", resource: "pods", namespace, ..Ask::default() };
    let workflows = Ask { verb: "update", group: "argoproj.io", resource: "workflows", namespace, ..Ask::default() };
    for ask in [pods, workflows] {
        if !rights::allowed(cx, ACCOUNT, &ask).await? {
            return Ok(Some(Cause::new(
                format!("ClusterRole ml-pipeline lets too little: {ACCOUNT} may not {ask}"),
                "apply ClusterRole ml-pipeline of kubeflow/manifests again",
            )));
        }
    }
    Ok(None)
}

/// Waits until a run that had ended is at work again, or has been: where answers are slow it may have ended once more, and
/// its history tells. That begins anew with a retry, so that it does not grow, but it is another.
async fn goes_on(cx: &Ctx, run: &str, known: &Value) -> Checked {
    cx.eventually("the run goes on after :retry", KNOWN_WITHIN, EVERY, || {
        Box::pin(async move {
            let shown = get(cx, &format!("/runs/{run}")).await?;
            let state = text(&shown, "/state");
            let is_on = ["RUNNING", "PENDING"].contains(&state) || shown["state_history"] != *known;
            Ok(if is_on { Seen::Yes(()) } else { Seen::NotYet(format!("it is {state}, with the history of before")) })
        }) as BoxFuture<'_, Checked<Seen<()>>>
    })
    .await
}

/// The smallest pipeline, with caching allowed.
fn caching(cx: &Ctx) -> Value {
    let mut pipeline = smallest(cx);
    pipeline["pipelineInfo"]["name"] = json!("conformance-cached");
    pipeline["root"]["dag"]["tasks"]["say"]["cachingOptions"] = json!({"enableCache": true});
    pipeline
}

async fn cached(cx: &Ctx) -> Checked {
    let experiment = experiment(cx, &home(cx).await?, &named(cx, "exp")).await?;
    let mut seen = Vec::new();
    for which in ["first", "second"] {
        let body = json!({
            "display_name": format!("{}-{which}", named(cx, "run")), "experiment_id": experiment,
            "pipeline_spec": caching(cx),
        });
        let id = made(cx, "runs", "run_id", &body).await?;
        until(cx, &id, &["SUCCEEDED"], RUN_WITHIN).await?;
        let query = format!(
            "SELECT Execution.last_known_state, Artifact.uri FROM {CONTEXT_OF_RUN} JOIN Association ON Association.context_id = \
             Context.id JOIN Execution ON Execution.id = Association.execution_id JOIN Event ON Event.execution_id = \
             Execution.id JOIN EventPath ON EventPath.event_id = Event.id JOIN Artifact ON Artifact.id = \
             Event.artifact_id WHERE Context.name = '{id}' AND Event.type = 4 AND EventPath.step_key = 'said'"
        );
        let rows = select_in(cx, Database::Metadata, &query).await?;
        match rows.as_slice() {
            [row] if row.len() == 2 => seen.push((row[0].clone(), row[1].clone())),
            _ => return Err(Stop::failed(format!("one result of the {which} run"), format!("{rows:?}")).at(query)),
        }
    }
    // 3 is COMPLETE, 5 is CACHED (google/ml-metadata metadata_store.proto: Execution.State).
    let (first, second) = (&seen[0], &seen[1]);
    if first.0 == "3" && second.0 == "5" && first.1 == second.1 {
        return Ok(());
    }
    Err(Stop::failed("3 (COMPLETE), then 5 (CACHED) with the same artifact", format!("{first:?}, then {second:?}"))
        .because("the driver of the second run found no execution with the same fingerprint in Deployment ml-pipeline's tasks")
        .fix("kubectl -n NAMESPACE logs of the second run's driver"))
}

async fn endless(cx: &Ctx) -> Checked {
    let experiment = experiment(cx, &home(cx).await?, &named(cx, "exp")).await?;
    let mut pipeline = smallest(cx);
    pipeline["deploymentSpec"]["executors"]["exec-say"]["container"]["image"] =
        json!("registry.conformance.invalid/none:1");
    let id = run(cx, &experiment, &pipeline).await?;
    until(cx, &id, &["RUNNING"], RUN_WITHIN).await?;
    post(cx, &format!("/runs/{id}:terminate"), &json!({})).await?;
    until(cx, &id, &["FAILED", "CANCELED"], super::runs::STOPPED_WITHIN).await?;
    super::api::delete(cx, &format!("/runs/{id}")).await?;
    super::runs::without_workflow(cx, &id).await
}
