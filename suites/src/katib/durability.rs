//! What was reported outlives restarts of Katib's programs.

use futures::future::BoxFuture;
use harness::check::{Isolation, Seconds, source};
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Stop, check};

use super::experiments::{EVERY, installed, shared, trials};
use super::{rows, server, trouble};
use crate::durability::restart::{BACK_WITHIN, Part, restart};
use crate::faults::katib as faults;
use crate::gateway::diagnose::{Cause, blame};
use crate::objects::{self, CLAIM, DEPLOYMENT, items, name, text};

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KAT-060",
        "What trials reported outlives a restart of DBManager",
        Level::Must,
        source("kubeflow/katib", "cmd/db-manager/v1beta1/main.go"),
        |cx| Box::pin(manager(cx)),
    )
    .explain(Explain {
        what: "The pod of katib-db-manager is deleted. When another is ready, the rows of the shared experiment are the same, \
               and the UI server shows its trials with their metrics.",
        why: "Nodes are drained every month.",
        fix: "kubectl -n kubeflow logs deployment/katib-db-manager: does it find its database and the password?",
        reproduce: "kubectl -n kubeflow delete pod -l katib.kubeflow.org/component=db-manager",
    })
    .profiles(&[Profile::Katib, Profile::Durability])
    .isolation(Isolation::Destructive)
    .after(&["KAT-050"])
    .within(Seconds(1100))
    .writes()
    .breaks_on(&[&faults::PASSWORD_CHANGED]),
    check(
        "KAT-061",
        "What trials reported outlives a restart of Katib's database",
        Level::Must,
        source("kubeflow/manifests", "apps/katib/upstream/components/mysql: PersistentVolumeClaim katib-mysql"),
        |cx| Box::pin(database(cx)),
    )
    .explain(Explain {
        what: "Katib's MySQL keeps its rows on a claim that stays. Its pod is deleted. When another is ready, the rows of the shared experiment are the same, and \
               the UI server shows its trials with their metrics. How long that took is noted.",
        why: "A green page over a database that forgets is how a team loses its work.",
        fix: "Let Deployment kubeflow/katib-mysql mount claim katib-mysql at /var/lib/mysql.",
        reproduce: "kubectl -n kubeflow delete pod -l katib.kubeflow.org/component=mysql",
    })
    .profiles(&[Profile::Katib, Profile::Durability])
    .isolation(Isolation::Destructive)
    .after(&["KAT-050"])
    .within(Seconds(1100))
    .writes()
    .breaks_on(&[&faults::DATABASE_ON_NO_CLAIM]),
];

const MANAGER: Part = Part {
    deployment: "katib-db-manager",
    service: "katib-db-manager",
    claim: None,
    trouble: |cx| Box::pin(other_password(cx)),
};
const DATABASE: Part = Part {
    deployment: "katib-mysql",
    service: "katib-mysql",
    claim: Some("katib-mysql"),
    trouble: |cx| Box::pin(other_password(cx)),
};

async fn manager(cx: &Ctx) -> Checked {
    same_after(cx, MANAGER).await
}

async fn database(cx: &Ctx) -> Checked {
    installed(cx)?;
    // A database without a claim would not outlive what is done here.
    if let Some(cause) = claim(cx).await? {
        let stop = Stop::failed("Katib's MySQL keeps its rows on claim kubeflow/katib-mysql", "it does not");
        return Err(stop.because(cause.what).fix(cause.fix));
    }
    same_after(cx, DATABASE).await
}

/// The rows of the shared experiment's trials, trial by trial.
async fn all_rows(cx: &Ctx, names: &[String]) -> Checked<Vec<Vec<Vec<String>>>> {
    let mut all = Vec::new();
    for trial in names {
        all.push(rows::of(cx, trial).await?);
    }
    Ok(all)
}

async fn same_after(cx: &Ctx, part: Part) -> Checked {
    installed(cx)?;
    let ended = shared(cx).await?;
    let names: Vec<String> = trials(cx, ended.at()).await?.iter().map(|trial| name(trial).to_owned()).collect();
    let before = all_rows(cx, &names).await?;
    if before.iter().any(Vec::is_empty) {
        return Err(Stop::errored("precondition", format!("a trial without a row before the restart: {before:?}")));
    }
    restart(cx, &part).await?;
    let expected = format!("the rows of before: {before:?}");
    match all_rows(cx, &names).await {
        Ok(after) if after == before => {}
        Ok(after) => return Err(blame(Stop::failed(expected, format!("{after:?}")), claim(cx).await)),
        Err(stop) => return Err(blame(stop, claim(cx).await)),
    }
    // Who holds a connection notices only now that it is gone.
    let path = format!("fetch_hp_job_info/?experimentName={}&namespace={}", ended.name, ended.namespace);
    let shown = cx
        .eventually("the UI server shows the trials again", BACK_WITHIN, EVERY, || {
            let path = path.as_str();
            Box::pin(async move {
                match server::fetch(cx, path).await {
                    Ok(table) => Ok(Seen::Yes(table)),
                    Err(Stop::Failed(failure)) => Ok(Seen::NotYet(failure.actual.clone())),
                    Err(stop) => Err(stop),
                }
            }) as BoxFuture<'_, Checked<Seen<serde_json::Value>>>
        })
        .await?;
    let metrics = shown.as_str().unwrap_or_default();
    let complete = names.iter().zip(&before).all(|(trial, rows)| {
        let value = rows.first().and_then(|row| row.get(1)).cloned().unwrap_or_default();
        metrics.contains(&format!("Succeeded,{trial},{value},"))
    });
    if complete {
        return Ok(());
    }
    Err(blame(Stop::failed(expected, format!("shown: {metrics}")), claim(cx).await))
}

/// Whether MySQL refuses the password of the Secret that DBManager reads.
async fn other_password(cx: &Ctx) -> Checked<Option<Cause>> {
    match rows::select(cx, "SELECT 1").await {
        Err(Stop::Failed(failure)) if failure.actual.contains("Access denied") => Ok(Some(Cause::new(
            "Secret kubeflow/katib-mysql-secrets has another password than the database",
            "put back the password that claim katib-mysql was made with",
        ))),
        Err(Stop::Failed(_)) | Ok(_) => Ok(None),
        Err(stop) => Err(stop),
    }
}

/// What the database keeps its rows on, if that is no claim.
async fn claim(cx: &Ctx) -> Checked<Option<Cause>> {
    let Some(found) = objects::get(cx, DEPLOYMENT, "kubeflow", "katib-mysql").await? else {
        return trouble::ready(cx, "katib-mysql").await;
    };
    let volumes = items(&found.data, "/spec/template/spec/volumes");
    let claimed = volumes.iter().any(|volume| text(volume, "/persistentVolumeClaim/claimName") == "katib-mysql");
    if !claimed {
        return Ok(Some(Cause::new(
            "Deployment kubeflow/katib-mysql keeps its rows on no claim",
            "mount claim katib-mysql at /var/lib/mysql",
        )));
    }
    let found = objects::get(cx, CLAIM, "kubeflow", "katib-mysql").await?;
    let stays = found.is_some_and(|found| found.metadata.deletion_timestamp.is_none());
    Ok((!stays).then(|| {
        Cause::new(
            "PersistentVolumeClaim kubeflow/katib-mysql is absent, or goes with the next restart of its pod",
            "dump the rows now; a deletion cannot be taken back",
        )
    }))
}
