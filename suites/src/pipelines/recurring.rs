//! Recurring runs: made, switched off and on, removed.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::Method;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::PIPELINES;
use super::api::{API, Refused, call, delete, get, post};
use super::own::{experiment, home, made, named, remove_afterwards, smallest};
use crate::faults::pipelines as faults;
use crate::objects::{self, SCHEDULED_WORKFLOW, text};

const SERVER: &str = "backend/src/apiserver/server/job_server.go";
/// So seldom that none fires while a check runs.
const SELDOM: u32 = 30 * 24 * 3600;

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KFP-050",
        "A recurring run is made, switched off and on, and removed",
        Level::Must,
        source("kubeflow/pipelines", SERVER),
        |cx| Box::pin(life(cx)),
    )
    .explain(Explain {
        what: "A recurring run with a long interval is created as ENABLED, with a ScheduledWorkflow in the user's \
               namespace; after :disable API and object say so, after :enable again; deleted, both are gone.",
        why: "A schedule that cannot be switched off starts runs for ever.",
        fix: "Look at ClusterRole ml-pipeline (scheduledworkflows); kubectl -n kubeflow logs deployment/ml-pipeline.",
        reproduce: "kubectl -n NAMESPACE get scheduledworkflows -o yaml",
    })
    .profiles(PIPELINES)
    .after(&["KFP-020"])
    .writes()
    .within(Seconds(60))
    .breaks_on(&[&faults::EDITING_LOST, &faults::DATABASE_STOPPED]),
    check(
        "KFP-051",
        "A recurring run has room for one to ten runs at a time",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/server/api_converter.go: max_concurrency"),
        |cx| Box::pin(concurrency(cx)),
    )
    .explain(Explain {
        what: "With max_concurrency 0 and 11 a recurring run is refused with 400, code 3; with 10 it is made.",
        why: "This bound keeps one schedule from taking the whole cluster.",
        fix: "kubectl -n kubeflow logs deployment/ml-pipeline.",
        reproduce: "Create a recurring run with max_concurrency 11.",
    })
    .profiles(PIPELINES)
    .after(&["KFP-020"])
    .writes()
    .breaks_on(&[&faults::EDITING_LOST]),
    check(
        "KFP-054",
        "A recurring run whose cron expression makes no sense is refused",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/server/api_converter.go: cron.Parse"),
        |cx| Box::pin(expressions(cx)),
    )
    .explain(Explain {
        what: "Words, four fields, and a minute 60 are refused as a cron expression with 400, code 3.",
        why: "A schedule that is taken and never fires is noticed when its results are missed.",
        fix: "kubectl -n kubeflow logs deployment/ml-pipeline.",
        reproduce: "Create a recurring run with the cron expression \"every minute\".",
    })
    .profiles(PIPELINES)
    .after(&["KFP-020"])
    .writes()
    .breaks_on(&[&faults::EDITING_LOST]),
];

fn body(cx: &Ctx, experiment: &str, concurrency: u32) -> Value {
    json!({
        "display_name": named(cx, "rec"), "experiment_id": experiment, "pipeline_spec": smallest(cx),
        "max_concurrency": concurrency.to_string(), "mode": "ENABLE",
        "trigger": {"periodic_schedule": {"interval_second": SELDOM.to_string()}},
    })
}

/// The ScheduledWorkflow of a recurring run: its uid is the recurring run's id.
pub(super) async fn schedule(cx: &Ctx, namespace: &str, id: &str) -> Checked<Option<DynamicObject>> {
    let found = objects::within(cx, SCHEDULED_WORKFLOW, namespace).await?;
    Ok(found.into_iter().find(|schedule| schedule.metadata.uid.as_deref() == Some(id)))
}

async fn life(cx: &Ctx) -> Checked {
    let namespace = home(cx).await?;
    let experiment = experiment(cx, &namespace, &named(cx, "exp")).await?;
    let id = made(cx, "recurringruns", "recurring_run_id", &body(cx, &experiment, 1)).await?;
    for (verb, status, enabled) in
        [("", "ENABLED", true), (":disable", "DISABLED", false), (":enable", "ENABLED", true)]
    {
        if !verb.is_empty() {
            post(cx, &format!("/recurringruns/{id}{verb}"), &json!({})).await?;
        }
        let found = get(cx, &format!("/recurringruns/{id}")).await?;
        let object = schedule(cx, &namespace, &id).await?;
        let of_object = object.as_ref().and_then(|object| object.data.pointer("/spec/enabled")?.as_bool());
        if text(&found, "/status") != status || of_object != Some(enabled) {
            let actual = format!("{} by the API, enabled {of_object:?} in the object", text(&found, "/status"));
            return Err(Stop::failed(format!("{status} after {:?}", verb), actual));
        }
    }
    delete(cx, &format!("/recurringruns/{id}")).await?;
    let gone = call(cx, Method::GET, &format!("{API}/recurringruns/{id}"), None).await?;
    gone.refused(cx, Refused { status: 404, code: 5, detail: "not found" }).await?;
    match schedule(cx, &namespace, &id).await? {
        None => Ok(()),
        Some(left) => Err(Stop::failed("no ScheduledWorkflow is left", format!("{} is there", objects::place(&left)))),
    }
}

/// A recurring run is refused; one that is made all the same is removed again.
async fn refused(cx: &Ctx, body: &Value, detail: &'static str) -> Checked {
    let reply = call(cx, Method::POST, &format!("{API}/recurringruns"), Some(body)).await?;
    let id = text(&reply.body, "/recurring_run_id");
    if !id.is_empty() {
        remove_afterwards(cx, &format!("/recurringruns/{id}")).await?;
    }
    reply.refused(cx, Refused { status: 400, code: 3, detail }).await
}

async fn expressions(cx: &Ctx) -> Checked {
    let experiment = experiment(cx, &home(cx).await?, &named(cx, "exp")).await?;
    for cron in ["every minute", "0 0 * *", "0 60 * * * *"] {
        let mut body = body(cx, &experiment, 1);
        body["trigger"] = json!({"cron_schedule": {"cron": cron}});
        refused(cx, &body, "Schedule cron is not a supported format").await?;
    }
    Ok(())
}

async fn concurrency(cx: &Ctx) -> Checked {
    let experiment = experiment(cx, &home(cx).await?, &named(cx, "exp")).await?;
    for number in [0, 11] {
        refused(cx, &body(cx, &experiment, number), "Max concurrency").await?;
    }
    made(cx, "recurringruns", "recurring_run_id", &body(cx, &experiment, 10)).await?;
    Ok(())
}
