//! Limits of an experiment: how many trials at once, in all, and how many may fail; its goal; and its end by hand.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Stop, check};
use serde_json::json;

use super::experiments::{
    ENDS_WITHIN, condition, counts, create, ends, experiment, gone, home, installed, named, trials, until,
};
use super::watched::{AT_ONCE, IN_ALL, Watched};
use super::{rows, server};
use crate::faults::katib as faults;
use crate::objects::{EXPERIMENT, delete, name, number, text};

const KATIB: &[Profile] = &[Profile::Katib];
const STATUS: &str = "pkg/controller.v1beta1/experiment/util/status_util.go";
const CONTROLLER: &str = "pkg/controller.v1beta1/experiment/experiment_controller.go: ReconcileTrials";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KAT-030",
        "No more trials run at once than an experiment says",
        Level::Must,
        source("kubeflow/katib", CONTROLLER),
        |cx| Box::pin(at_once(cx)),
    )
    .explain(Explain {
        what: "An experiment of four trials, three at once, is watched to its end, change by change: never are more than \
               three pending or running.",
        why: "Each may hold a GPU.",
        fix: "kubectl -n kubeflow logs deployment/katib-controller",
        reproduce: "kubectl -n NAMESPACE get trials -w",
    })
    .profiles(KATIB)
    .after(&["KAT-011"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::PARALLEL_UNBOUNDED]),
    check(
        "KAT-031",
        "No more trials are made than an experiment says",
        Level::Must,
        source("kubeflow/katib", CONTROLLER),
        |cx| Box::pin(in_all(cx)),
    )
    .explain(Explain {
        what: "The experiment of KAT-030 ends with exactly four trials, because its trials are used up.",
        why: "The bill is the number of trials.",
        fix: "kubectl -n kubeflow logs deployment/katib-controller",
        reproduce: "kubectl -n NAMESPACE get trials -l katib.kubeflow.org/experiment=NAME",
    })
    .profiles(KATIB)
    .after(&["KAT-011"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::TRIALS_UNBOUNDED]),
    check(
        "KAT-032",
        "Failing trials are counted, and too many end an experiment",
        Level::Must,
        source("kubeflow/katib", STATUS),
        |cx| Box::pin(failing(cx)),
    )
    .explain(Explain {
        what: "An experiment whose trials exit with 3 and of which one may fail ends Failed after one trial, which is counted \
               as failed.",
        why: "A mistake in the program must not cost all trials.",
        fix: "kubectl -n kubeflow logs deployment/katib-controller",
        reproduce: "kubectl -n NAMESPACE get experiment NAME -o jsonpath='{.status}'",
    })
    .profiles(KATIB)
    .after(&["KAT-004"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::CONTROLLER_MAKES_NO_JOBS]),
    check(
        "KAT-033",
        "A trial that reports no metric counts as one without metrics",
        Level::Must,
        source("kubeflow/katib", "pkg/metricscollector/v1beta1/file-metricscollector: newObservationLog"),
        |cx| Box::pin(silent(cx)),
    )
    .explain(Explain {
        what: "A trial whose program writes no loss becomes MetricsUnavailable, the row unavailable tells so, and the \
               experiment ends Failed.",
        why: "It is the most frequent mistake of new users; an experiment that waits for ever tells them nothing.",
        fix: "kubectl -n NAMESPACE logs POD -c metrics-logger-and-collector",
        reproduce: "kubectl -n NAMESPACE get trials -o yaml",
    })
    .profiles(KATIB)
    .after(&["KAT-004"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::COLLECTOR_IMAGE_MALFORMED]),
    check(
        "KAT-034",
        "An experiment ends when its goal is reached",
        Level::Must,
        source("kubeflow/katib", STATUS),
        |cx| Box::pin(goal(cx)),
    )
    .explain(Explain {
        what: "An experiment of up to five trials, one at once, whose first trial reaches the goal ends Succeeded with the \
               reason ExperimentGoalReached after one trial.",
        why: "What is good enough need not be paid for any longer.",
        fix: "kubectl -n kubeflow logs deployment/katib-controller",
        reproduce: "kubectl -n NAMESPACE get experiment NAME -o jsonpath='{.status.conditions}'",
    })
    .profiles(KATIB)
    .after(&["KAT-011"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::GOAL_IGNORED]),
    check(
        "KAT-035",
        "An experiment that never ends can be removed, with all that runs for it",
        Level::Must,
        source("kubeflow/katib", "pkg/controller.v1beta1/trial/trial_controller.go"),
        |cx| Box::pin(endless(cx)),
    )
    .explain(Explain {
        what: "An experiment whose trial sleeps for an hour runs. Deleted, its suggestion, trial, job and pods are gone within \
               two minutes.",
        why: "A pod that goes on after its experiment is deleted is found on the bill.",
        fix: "Look at finalizers: kubectl -n NAMESPACE get experiments,trials,jobs -o yaml",
        reproduce: "kubectl -n NAMESPACE delete experiment NAME; kubectl -n NAMESPACE get trials,jobs,pods",
    })
    .profiles(KATIB)
    .after(&["KAT-004"])
    .within(Seconds(800))
    .writes()
    .breaks_on(&[&faults::CONTROLLER_MAKES_NO_JOBS]),
];

async fn at_once(cx: &Ctx) -> Checked {
    installed(cx)?;
    let went = cx.fixture::<Watched>().await?.went()?;
    if (1..=AT_ONCE).contains(&went.most) {
        return Ok(());
    }
    Err(Stop::failed(format!("at most {AT_ONCE} trials at once"), format!("{} were seen", went.most))
        .because("Deployment kubeflow/katib-controller does not keep to parallelTrialCount"))
}

async fn in_all(cx: &Ctx) -> Checked {
    installed(cx)?;
    let went = cx.fixture::<Watched>().await?.went()?;
    if went.trials == IN_ALL && went.reason == "ExperimentMaxTrialsReached" {
        return Ok(());
    }
    let found = format!("{} trials, {}", went.trials, went.reason);
    Err(Stop::failed(format!("{IN_ALL} trials, ExperimentMaxTrialsReached"), found)
        .because("Deployment kubeflow/katib-controller does not keep to maxTrialCount"))
}

async fn failing(cx: &Ctx) -> Checked {
    let (namespace, called) = (home(cx).await?, named(cx, "fails"));
    let bad = experiment(&namespace, &called, "random", 3, "echo x=${trialParameters.x}; exit 3");
    create(cx, counts(bad, 1, 3, 1)).await?;
    let ended = ends(cx, (&namespace, &called), "Failed").await?;
    let counted = (number(&ended, "/status/trialsFailed"), number(&ended, "/status/trials"));
    if counted == (Some(1), Some(1)) {
        return Ok(());
    }
    Err(Stop::failed("one trial, counted as failed", format!("failed and all: {counted:?}")))
}

async fn silent(cx: &Ctx) -> Checked {
    let (namespace, called) = (home(cx).await?, named(cx, "silent"));
    create(cx, experiment(&namespace, &called, "random", 3, "echo nothing ${trialParameters.x}")).await?;
    let at = (namespace.as_str(), called.as_str());
    // With one trial in all, its end is the experiment's, in whatever way.
    let ended = until(cx, "the trial counts as one without metrics", at, ENDS_WITHIN, |experiment| {
        Ok((number(experiment, "/status/trialMetricsUnavailable") == Some(1)).then(|| experiment.clone()))
    })
    .await?;
    let tried = trials(cx, at).await?;
    let unavailable = tried.iter().find(|trial| condition(&trial.data, "MetricsUnavailable").is_some());
    let Some(trial) = unavailable else {
        return Err(Stop::failed("a trial that is MetricsUnavailable", ended["status"].to_string()));
    };
    let found = rows::of(cx, name(trial)).await?;
    if found == [["loss", "unavailable"]] {
        return Ok(());
    }
    Err(Stop::failed("the row loss, unavailable", format!("{found:?}")))
}

async fn goal(cx: &Ctx) -> Checked {
    let (namespace, called) = (home(cx).await?, named(cx, "goal"));
    let mut easy = counts(experiment(&namespace, &called, "random", 3, "echo loss=${trialParameters.x}"), 1, 5, 1);
    easy["spec"]["objective"]["goal"] = json!(10);
    create(cx, easy).await?;
    let ended = ends(cx, (&namespace, &called), "Succeeded").await?;
    let reason = condition(&ended, "Succeeded").map_or("", |one| text(one, "/reason"));
    let tried = number(&ended, "/status/trials");
    if (reason, tried) == ("ExperimentGoalReached", Some(1)) {
        return Ok(());
    }
    Err(Stop::failed("one trial, ExperimentGoalReached", format!("{tried:?}, {reason}"))
        .because("Deployment kubeflow/katib-controller does not keep to the goal"))
}

async fn endless(cx: &Ctx) -> Checked {
    let (namespace, called) = (home(cx).await?, named(cx, "endless"));
    let endless = experiment(&namespace, &called, "random", 3, "sleep 3600 && echo loss=${trialParameters.x}");
    server::create(cx, &endless).await?;
    let at = (namespace.as_str(), called.as_str());
    until(cx, "a trial runs", at, ENDS_WITHIN, |experiment| {
        Ok((number(experiment, "/status/trialsRunning") == Some(1)).then_some(()))
    })
    .await?;
    delete(cx, EXPERIMENT, &namespace, &called).await?;
    gone(cx, at).await
}
