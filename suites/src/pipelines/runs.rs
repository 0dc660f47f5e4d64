//! Runs: to their end, stopped, refused, removed.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::check::{Seconds, source};
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::Method;
use kube::api::DynamicObject;
use serde_json::json;

use super::PIPELINES;
use super::api::{API, Refused, call, delete, get, post, trouble};
use super::own::{
    EVERY, KNOWN_WITHIN, RUN_BOUND, RUN_WITHIN, experiment, home, named, pipeline, run, smallest, until, uploaded,
};
use crate::faults::data as data_faults;
use crate::faults::pipelines as faults;
use crate::gateway::diagnose::blame;
use crate::objects::{self, WORKFLOW, items, label, name, text};

const SERVER: &str = "backend/src/apiserver/server/run_server.go";
/// The label that names the run of a Workflow.
const RUN_LABEL: &str = "pipeline/runid";
/// How long a Workflow may take to stop; seven seconds were seen.
pub(super) const STOPPED_WITHIN: Duration = Duration::from_secs(90);

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KFP-040",
        "A run goes to its end and says so",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/v2/compiler/argocompiler, backend/src/agent/persistence"),
        |cx| Box::pin(succeeds(cx)),
    )
    .explain(Explain {
        what: "The smallest pipeline (one container that writes a word) is started in the user's namespace. Within ten \
               minutes its state is SUCCEEDED, its history begins with PENDING and ends with SUCCEEDED, and it has an \
               end.",
        why: "It takes everything: the API server, Argo's controller, the service account, the images of driver and \
              launcher, the object store, ML Metadata, and the persistence agent that brings the news back.",
        fix: "kubectl -n NAMESPACE get workflows,pods; kubectl -n kubeflow logs deployment/workflow-controller; \
              kubectl -n kubeflow logs deployment/ml-pipeline-persistenceagent.",
        reproduce: "Start any pipeline in the UI and look at its state.",
    })
    .profiles(PIPELINES)
    .after(&["KFP-020"])
    .writes()
    .within(Seconds(RUN_BOUND))
    .breaks_on(&[
        &faults::WORKFLOWS_STOPPED,
        &faults::AGENT_STOPPED,
        &faults::API_MAKES_NO_WORKFLOWS,
        &data_faults::BUCKET_ABSENT,
    ]),
    check(
        "KFP-041",
        "A run is a Workflow in its owner's namespace, with the namespace's account",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/resource/resource_manager.go"),
        |cx| Box::pin(workflow(cx)),
    )
    .explain(Explain {
        what: "A run from an uploaded version has exactly one Workflow with its id, in the namespace of its experiment, \
               with the service account default-editor.",
        why: "A run in another namespace, or with another account, works with somebody else's rights and data.",
        fix: "Set DEFAULTPIPELINERUNNERSERVICEACCOUNT to default-editor in ConfigMap pipeline-api-server-config.",
        reproduce: "kubectl get workflows -A -l pipeline/runid=RUN -o yaml",
    })
    .profiles(super::TENANCY)
    .after(&["KFP-030"])
    .writes()
    .within(Seconds(120))
    .breaks_on(&[&faults::OTHER_RUNNER, &faults::API_MAKES_NO_WORKFLOWS]),
    check(
        "KFP-042",
        "A run is stopped when its owner says so",
        Level::Must,
        source("kubeflow/pipelines", SERVER),
        |cx| Box::pin(stopped(cx)),
    )
    .explain(Explain {
        what: "A run that would sleep for an hour is terminated: its state is CANCELING at once, and within 90 seconds \
               it has ended as FAILED (the state CANCELED is never written by this path).",
        why: "A run that cannot be stopped holds its machines until somebody deletes pods by hand.",
        fix: "kubectl -n kubeflow logs deployment/workflow-controller; look at ClusterRole ml-pipeline: it must let \
              workflows be patched.",
        reproduce: "curl -s -b cookies.txt -X POST \"$GATEWAY/pipeline/apis/v2beta1/runs/RUN:terminate\"",
    })
    .profiles(PIPELINES)
    .after(&["KFP-020"])
    .writes()
    .within(Seconds(RUN_BOUND + 90))
    .breaks_on(&[&faults::WORKFLOWS_STOPPED, &faults::AGENT_STOPPED]),
    check(
        "KFP-043",
        "A run whose account is missing fails, and is not left running",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/agent/persistence"),
        |cx| Box::pin(accountless(cx)),
    )
    .explain(Explain {
        what: "A run with a service account that does not exist is accepted, and its state becomes FAILED.",
        why: "Who waits for a run must learn that it cannot go on.",
        fix: "kubectl -n kubeflow logs deployment/workflow-controller, deployment/ml-pipeline-persistenceagent.",
        reproduce: "Start a run with service_account set to a name that the namespace does not have.",
    })
    .profiles(PIPELINES)
    .after(&["KFP-020"])
    .writes()
    .within(Seconds(150))
    .breaks_on(&[&faults::AGENT_STOPPED]),
    check(
        "KFP-044",
        "A run that cannot be made is refused, and leaves nothing",
        Level::Must,
        source("kubeflow/pipelines", SERVER),
        |cx| Box::pin(refused(cx)),
    )
    .explain(Explain {
        what: "A run without an experiment is refused with 400, code 3; one of an unknown experiment with 404, code 5; \
               one of an unknown version, and one without any pipeline, with 500, code 13, as every supported release \
               does. The experiment has no run afterwards.",
        why: "What is refused must leave no half-made run behind that schedules and quotas count.",
        fix: "kubectl -n kubeflow logs deployment/ml-pipeline.",
        reproduce: "curl -s -b cookies.txt -H 'content-type: application/json' -d '{\"display_name\": \"x\"}' \
                    \"$GATEWAY/pipeline/apis/v2beta1/runs\"",
    })
    .profiles(PIPELINES)
    .after(&["KFP-020"])
    .writes()
    .breaks_on(&[&faults::EDITING_LOST, &faults::DATABASE_STOPPED]),
    check(
        "KFP-045",
        "A deleted run takes its Workflow with it",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/resource/resource_manager.go: DeleteRun"),
        |cx| Box::pin(removed(cx)),
    )
    .explain(Explain {
        what: "A run is deleted while it runs: it is unknown to the API, and its Workflow is gone from the namespace.",
        why: "A Workflow that stays goes on working, unseen by the UI.",
        fix: "Look at ClusterRole ml-pipeline: it must let workflows be deleted.",
        reproduce: "curl -s -b cookies.txt -X DELETE \"$GATEWAY/pipeline/apis/v2beta1/runs/RUN\"; kubectl get workflows \
                    -A -l pipeline/runid=RUN",
    })
    .profiles(PIPELINES)
    .after(&["KFP-020"])
    .writes()
    .within(Seconds(120))
    .breaks_on(&[&faults::API_MAKES_NO_WORKFLOWS, &faults::EDITING_LOST]),
];

async fn succeeds(cx: &Ctx) -> Checked {
    let experiment = experiment(cx, &home(cx).await?, &named(cx, "exp")).await?;
    let id = run(cx, &experiment, &smallest(cx)).await?;
    let found = until(cx, &id, &["SUCCEEDED"], RUN_WITHIN).await?;
    let states: Vec<&str> = items(&found, "/state_history").iter().map(|entry| text(entry, "/state")).collect();
    if states.first() != Some(&"PENDING") || states.last() != Some(&"SUCCEEDED") {
        return Err(Stop::failed("a history from PENDING to SUCCEEDED", states.join(", ")));
    }
    if text(&found, "/finished_at").starts_with("1970") || text(&found, "/finished_at").is_empty() {
        return Err(Stop::failed("a run that has ended has finished_at", text(&found, "/finished_at")));
    }
    Ok(())
}

/// The Workflows of a run, wherever they are.
async fn workflows(cx: &Ctx, run: &str) -> Checked<Vec<DynamicObject>> {
    let mut found = objects::all(cx, WORKFLOW).await?;
    found.retain(|workflow| label(workflow, RUN_LABEL) == run);
    Ok(found)
}

async fn workflow(cx: &Ctx) -> Checked {
    let namespace = home(cx).await?;
    let (pipeline, version) = uploaded(cx, &namespace).await?;
    let experiment = experiment(cx, &namespace, &named(cx, "exp")).await?;
    let body = json!({
        "display_name": named(cx, "run"), "experiment_id": experiment,
        "pipeline_version_reference": {"pipeline_id": pipeline, "pipeline_version_id": version},
    });
    let id = super::own::made(cx, "runs", "run_id", &body).await?;
    let found = workflows(cx, &id).await?;
    let places: Vec<&str> = found.iter().map(objects::namespace).collect();
    if places != [namespace.as_str()] {
        return Err(Stop::failed(format!("one Workflow of the run, in {namespace}"), format!("in {places:?}")));
    }
    let account = text(&found[0].data, "/spec/serviceAccountName");
    if account == "default-editor" {
        return Ok(());
    }
    Err(Stop::failed("service account default-editor", format!("service account {account:?}"))
        .at(format!("Workflow {namespace}/{}", name(&found[0])))
        .because("DEFAULTPIPELINERUNNERSERVICEACCOUNT of Deployment kubeflow/ml-pipeline")
        .fix("set it to default-editor in ConfigMap kubeflow/pipeline-api-server-config"))
}

/// A pipeline that would take an hour.
async fn long(cx: &Ctx) -> Checked<String> {
    let experiment = experiment(cx, &home(cx).await?, &named(cx, "exp")).await?;
    let sleeper = pipeline("conformance-sleeper", "sleep 3600", &cx.environment().run_id);
    run(cx, &experiment, &sleeper).await
}

async fn stopped(cx: &Ctx) -> Checked {
    let id = long(cx).await?;
    until(cx, &id, &["RUNNING"], RUN_WITHIN).await?;
    post(cx, &format!("/runs/{id}:terminate"), &json!({})).await?;
    let found = get(cx, &format!("/runs/{id}")).await?;
    let state = text(&found, "/state");
    if !["CANCELING", "FAILED", "CANCELED"].contains(&state) {
        return Err(Stop::failed("the run is CANCELING after :terminate", format!("it is {state}")));
    }
    until(cx, &id, &["FAILED", "CANCELED"], STOPPED_WITHIN).await?;
    Ok(())
}

async fn accountless(cx: &Ctx) -> Checked {
    let experiment = experiment(cx, &home(cx).await?, &named(cx, "exp")).await?;
    let body = json!({
        "display_name": named(cx, "run"), "experiment_id": experiment, "pipeline_spec": smallest(cx),
        "service_account": "conformance-no-such-account",
    });
    let id = super::own::made(cx, "runs", "run_id", &body).await?;
    until(cx, &id, &["FAILED"], STOPPED_WITHIN).await?;
    Ok(())
}

async fn refused(cx: &Ctx) -> Checked {
    let experiment = experiment(cx, &home(cx).await?, &named(cx, "exp")).await?;
    let nowhere = "00000000-0000-4000-8000-000000000000";
    let reference = json!({"pipeline_id": nowhere, "pipeline_version_id": nowhere});
    for (extra, status, code, detail) in [
        (json!({"pipeline_spec": smallest(cx)}), 400, 3, "Experiment id can not be empty"),
        (json!({"pipeline_spec": smallest(cx), "experiment_id": nowhere}), 404, 5, "not found"),
        (json!({"experiment_id": experiment, "pipeline_version_reference": reference}), 500, 13, "Internal"),
        (json!({"experiment_id": experiment}), 500, 13, "Internal"),
    ] {
        let mut body = extra;
        body["display_name"] = json!(named(cx, "bad"));
        let reply = call(cx, Method::POST, &format!("{API}/runs"), Some(&body)).await?;
        let id = text(&reply.body, "/run_id");
        if !id.is_empty() {
            super::own::remove_afterwards(cx, &format!("/runs/{id}")).await?;
        }
        reply.refused(cx, Refused { status, code, detail }).await?;
    }
    let left = get(cx, &format!("/runs?experiment_id={experiment}")).await?;
    match items(&left, "/runs").len() {
        0 => Ok(()),
        some => Err(Stop::failed("no run in the experiment", format!("{some} runs"))),
    }
}

async fn removed(cx: &Ctx) -> Checked {
    let id = long(cx).await?;
    if workflows(cx, &id).await?.is_empty() {
        let stop = Stop::failed("a Workflow of the run", "there is none");
        return Err(blame(stop, trouble(cx).await));
    }
    delete(cx, &format!("/runs/{id}")).await?;
    let gone = call(cx, Method::GET, &format!("{API}/runs/{id}"), None).await?;
    gone.refused(cx, Refused { status: 404, code: 5, detail: "not found" }).await?;
    without_workflow(cx, &id).await
}

/// Waits until no Workflow carries the run's label.
pub(super) async fn without_workflow(cx: &Ctx, run: &str) -> Checked {
    cx.eventually("no Workflow of the run is left", KNOWN_WITHIN, EVERY, || {
        let (cx, run) = (cx.clone(), run.to_owned());
        Box::pin(async move {
            let left = workflows(&cx, &run).await?;
            Ok(match left.first() {
                None => Seen::Yes(()),
                Some(workflow) => Seen::NotYet(format!("Workflow {} is there", name(workflow))),
            })
        }) as BoxFuture<'_, Checked<Seen<()>>>
    })
    .await
}
