//! A pipeline of the user's own.

use std::time::Duration;

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Stop, check};
use serde_json::{Value, json};

use super::api;
use super::own::{EVERY, RUN_WITHIN, Wait, experiment, home, made, named, smallest, until_every, uploaded_as};
use super::runs::STOPPED_WITHIN;
use crate::faults::pipelines as faults;
use crate::objects::{items, text};

/// How often a run is looked at that may take an hour.
const SELDOM: Duration = Duration::from_secs(1);

/// The checks.
pub static CHECKS: &[Check] = &[check(
    "KFP-070",
    "The given pipeline runs to its end",
    Level::Must,
    source("kubeflow/pipelines", "backend/src/apiserver/server/pipeline_upload_server.go, run_server.go"),
    |cx| Box::pin(given(cx)),
)
.explain(Explain {
    what: "The pipeline of --pipeline FILE, uploaded as it is under a name of the run's own, runs with the defaults of its \
           parameters in the user's namespace, and ends SUCCEEDED within --pipeline-within (an hour unless said). Without \
           that option the smallest one of the suite's own stands in its place. A run that has not ended by then is \
           terminated; run and pipeline are removed afterwards.",
    why: "Your own workload says more than any of ours. It runs as it is: with its images, its secrets, and its caching.",
    fix: "If the API refuses it, compile it with an SDK of the release; of containers that wait or fail see kubectl -n \
          NAMESPACE get pods -l pipeline/runid=RUN.",
    reproduce: "Upload FILE in the UI (Pipelines, Upload pipeline), then Create run.",
})
.profiles(&[Profile::Pipelines, Profile::Migration])
.after(&["KFP-020"])
.within(Seconds(3800))
.writes()
.breaks_on(&[&faults::WORKFLOWS_STOPPED, &faults::IMAGES_CUT_OFF])];

async fn given(cx: &Ctx) -> Checked {
    let namespace = home(cx).await?;
    let (content, within, every) = match &cx.environment().pipeline {
        Some(given) => (given.text.clone(), given.within, SELDOM),
        None => (smallest(cx).to_string(), RUN_WITHIN, EVERY),
    };
    let (pipeline, version) = uploaded_as(cx, &namespace, "given.yaml", &content).await?;
    let experiment = experiment(cx, &namespace, &named(cx, "exp")).await?;
    let body = json!({
        "display_name": named(cx, "run"), "experiment_id": experiment,
        "pipeline_version_reference": {"pipeline_id": pipeline, "pipeline_version_id": version},
    });
    let id = made(cx, "runs", "run_id", &body).await?;
    match until_every(cx, &id, &["SUCCEEDED"], Wait { within, every }).await {
        Ok(_) => Ok(()),
        Err(stop) => {
            let shown = api::get(cx, &format!("/runs/{id}")).await?;
            if ["PENDING", "RUNNING"].contains(&text(&shown, "/state")) {
                api::post(cx, &format!("/runs/{id}:terminate"), &json!({})).await?;
                let ends = Wait { within: STOPPED_WITHIN, every: EVERY };
                let ended = until_every(cx, &id, &["FAILED", "CANCELED"], ends).await;
                cx.remark(match ended {
                    Ok(ended) => format!("terminated, it ended {}", text(&ended, "/state")),
                    Err(stop) => format!("terminated, it did not end: {stop}"),
                });
            }
            Err(told(stop, &shown))
        }
    }
}

/// Names the tasks that did not end well.
fn told(stop: Stop, run: &Value) -> Stop {
    let Stop::Failed(mut failure) = stop else { return stop };
    let tasks = items(run, "/run_details/task_details").iter();
    let unwell = tasks.filter(|task| !["", "SUCCEEDED", "SKIPPED"].contains(&text(task, "/state")));
    let unwell: Vec<String> =
        unwell.map(|task| format!("{} {}", text(task, "/display_name"), text(task, "/state"))).collect();
    if !unwell.is_empty() {
        failure.actual = format!("{}; its tasks: {}", failure.actual, unwell.join(", "));
    }
    Stop::Failed(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tasks_that_did_not_end_well_are_named() {
        let run = json!({"run_details": {"task_details": [
            {"display_name": "load", "state": "SUCCEEDED"}, {"display_name": "train", "state": "RUNNING"},
        ]}});
        let Stop::Failed(failure) = told(Stop::failed("an end", "none"), &run) else { panic!() };
        assert_eq!(failure.actual, "none; its tasks: train RUNNING");
        let Stop::Failed(failure) = told(Stop::failed("an end", "none"), &json!({})) else { panic!() };
        assert_eq!(failure.actual, "none");
    }
}
