//! What the UI server shows of an experiment.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Stop, check};

use super::experiments::{given, shared, trials};
use super::rows::computed;
use super::{server, trouble};
use crate::faults::katib as faults;
use crate::objects::{items, name, text};

const KATIB: &[Profile] = &[Profile::Core, Profile::Katib];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KAT-020",
        "The UI server shows experiment, suggestion and trial as Kubernetes has them",
        Level::Must,
        source("kubeflow/katib", "pkg/ui/v1beta1/backend.go: FetchExperiment, FetchSuggestion, FetchTrial"),
        |cx| Box::pin(objects_shown(cx)),
    )
    .explain(Explain {
        what: "fetch_experiments lists the shared experiment as Succeeded; fetch_experiment, fetch_suggestion and fetch_trial \
               show it, its suggestion and each trial, by name and uid.",
        why: "People judge their tuning by the page.",
        fix: "Look at ClusterRole katib-ui and its binding.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/katib/fetch_experiments/?namespace=$NAMESPACE\"",
    })
    .profiles(KATIB)
    .after(&["KAT-010"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::UI_READS_NO_TRIALS]),
    check(
        "KAT-021",
        "The UI server shows each trial with its state, metric and values",
        Level::Must,
        source("kubeflow/katib", "pkg/ui/v1beta1/hp.go: FetchHPJobInfo"),
        |cx| Box::pin(table(cx)),
    )
    .explain(Explain {
        what: "fetch_hp_job_info is a table with a line a trial: Succeeded, its name, the loss that its program computed, and \
               the value that it was given.",
        why: "It is the table of the experiment's page. Its metrics come from DBManager, not from Kubernetes.",
        fix: "kubectl -n kubeflow logs deployment/katib-ui; look at Service katib-db-manager.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/katib/fetch_hp_job_info/?experimentName=NAME&namespace=$NAMESPACE\"",
    })
    .profiles(KATIB)
    .after(&["KAT-010"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::UI_ASKS_ANOTHER_MANAGER]),
    check(
        "KAT-022",
        "The UI server shows what a trial has reported",
        Level::Must,
        source("kubeflow/katib", "pkg/ui/v1beta1/hp.go: FetchHPJobTrialInfo"),
        |cx| Box::pin(reported(cx)),
    )
    .explain(Explain {
        what: "fetch_hp_job_trial_info of each trial has one line: metric loss with the value that its program computed.",
        why: "It is the curve on a trial's page.",
        fix: "kubectl -n kubeflow logs deployment/katib-ui; look at Service katib-db-manager.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/katib/fetch_hp_job_trial_info/?trialName=NAME&namespace=$NAMESPACE\"",
    })
    .profiles(&[Profile::Katib])
    .after(&["KAT-010"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::UI_ASKS_ANOTHER_MANAGER]),
    check(
        "KAT-023",
        "The UI server shows what a trial's program wrote",
        Level::Must,
        source("kubeflow/katib", "pkg/ui/v1beta1/backend.go: FetchTrialLogs"),
        |cx| Box::pin(logs(cx)),
    )
    .explain(Explain {
        what: "fetch_trial_logs of a trial of the shared experiment, whose template retains its pods, has the line that its \
               program wrote.",
        why: "The first thing that somebody wants to see of a failed trial.",
        fix: "Look at pods/log in ClusterRole katib-ui, and at retain in the trial template.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/katib/fetch_trial_logs/?trialName=NAME&namespace=$NAMESPACE\"",
    })
    .profiles(&[Profile::Katib])
    .after(&["KAT-010"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::UI_READS_NO_LOGS]),
];

async fn objects_shown(cx: &Ctx) -> Checked {
    let ended = shared(cx).await?;
    let (namespace, called) = ended.at();
    let listed = server::fetch(cx, &format!("fetch_experiments/?namespace={namespace}")).await?;
    let own = items(&listed, "").iter().find(|one| text(one, "/name") == called);
    if own.map(|one| (text(one, "/namespace"), text(one, "/status"))) != Some((namespace, "Succeeded")) {
        return Err(Stop::failed(format!("{called} of {namespace} is listed, Succeeded"), format!("{own:?}")));
    }
    let mut wanted = vec![
        (format!("fetch_experiment/?experimentName={called}"), called.to_owned()),
        (format!("fetch_suggestion/?suggestionName={called}"), called.to_owned()),
    ];
    let tried = trials(cx, ended.at()).await?;
    wanted
        .extend(tried.iter().map(|trial| (format!("fetch_trial/?trialName={}", name(trial)), name(trial).to_owned())));
    for (path, shown) in wanted {
        let found = server::fetch(cx, &format!("{path}&namespace={namespace}")).await?;
        if text(&found, "/metadata/name") != shown || items(&found, "/status/conditions").is_empty() {
            return Err(Stop::failed(format!("{shown} with its conditions at /katib/{path}"), format!("{found:.200}")));
        }
    }
    Ok(())
}

/// The lines of a table in a JSON text.
async fn lines(cx: &Ctx, path: &str) -> Checked<Vec<Vec<String>>> {
    let found = server::fetch(cx, path).await?;
    let table = found.as_str().ok_or_else(|| Stop::failed("a table in a JSON text", format!("{found:.200}")))?;
    Ok(table.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect())
}

async fn table(cx: &Ctx) -> Checked {
    let ended = shared(cx).await?;
    let (namespace, called) = ended.at();
    let mut found = lines(cx, &format!("fetch_hp_job_info/?experimentName={called}&namespace={namespace}")).await?;
    let words = |line: [&str; 4]| line.map(str::to_owned).to_vec();
    let mut wanted = vec![words(["Status", "trialName", "loss", "x"])];
    for trial in trials(cx, ended.at()).await? {
        wanted.push(words(["Succeeded", name(&trial), &computed(&trial), given(&trial, "x")]));
    }
    found.sort();
    wanted.sort();
    if found == wanted {
        return Ok(());
    }
    let stop = Stop::failed(format!("the table {wanted:?}"), format!("{found:?}"));
    Err(trouble::blamed(cx, stop).await)
}

async fn reported(cx: &Ctx) -> Checked {
    let ended = shared(cx).await?;
    for trial in trials(cx, ended.at()).await? {
        let path = format!("fetch_hp_job_trial_info/?trialName={}&namespace={}", name(&trial), ended.namespace);
        let found = lines(cx, &path).await?;
        let values: Vec<(&str, &str)> =
            found.iter().skip(1).filter_map(|line| Some((line.first()?.as_str(), line.get(2)?.as_str()))).collect();
        let value = computed(&trial);
        if values != [("loss", value.as_str())] {
            let stop = Stop::failed(format!("trial {}: loss {value}", name(&trial)), format!("{found:?}"));
            return Err(trouble::blamed(cx, stop).await);
        }
    }
    Ok(())
}

async fn logs(cx: &Ctx) -> Checked {
    let ended = shared(cx).await?;
    let tried = trials(cx, ended.at()).await?;
    let trial = tried.first().ok_or_else(|| Stop::failed("a trial of the experiment", "there is none"))?;
    let path = format!("fetch_trial_logs/?trialName={}&namespace={}", name(trial), ended.namespace);
    let found = server::fetch(cx, &path).await?;
    let line = format!("loss={}", computed(trial));
    if found.as_str().is_some_and(|log| log.lines().any(|written| written.ends_with(&line))) {
        return Ok(());
    }
    Err(Stop::failed(format!("a line with {line}"), format!("{found:.300}")))
}
