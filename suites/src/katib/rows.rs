//! What trials reported, row by row in the bundled database; and that it goes with them.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Stop, check};
use kube::api::DynamicObject;

use super::experiments::{self, SQUARE, ends, given, gone, home, installed, named, shared, trials};
use super::{server, trouble};
use crate::faults::katib as faults;
use crate::gateway::diagnose::blame;
use crate::mysql;
use crate::objects::{self, DEPLOYMENT, SECRET, name, secret_value, variable};

const DATA: &[Profile] = &[Profile::Core, Profile::Katib, Profile::Durability];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KAT-050",
        "What each trial reported is one row of the bundled database",
        Level::Must,
        source("kubeflow/katib", "pkg/db/v1beta1/mysql/mysql.go: RegisterObservationLog"),
        |cx| Box::pin(reported(cx)),
    )
    .explain(Explain {
        what: "Of each trial of the experiment just made, observation_logs has exactly one row: metric loss, with the value \
               that the trial's program computed.",
        why: "Only what is in the bundled database is in its backup.",
        fix: "Compare the environment of Deployment kubeflow/katib-db-manager with Service kubeflow/katib-mysql.",
        reproduce: "kubectl -n kubeflow exec deploy/katib-mysql -- sh -c 'mysql -uroot -p\"$MYSQL_ROOT_PASSWORD\" -NBe \
                    \"SELECT trial_name, metric_name, value FROM observation_logs\" katib'",
    })
    .profiles(DATA)
    .after(&["KAT-010", "KAT-007"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::ROWS_ELSEWHERE]),
    check(
        "KAT-051",
        "A deleted experiment leaves neither objects nor rows",
        Level::Must,
        source("kubeflow/katib", "pkg/controller.v1beta1/trial/trial_controller_util.go: clean-metrics-in-db"),
        |cx| Box::pin(deleted(cx)),
    )
    .explain(Explain {
        what: "An experiment that has ended has a suggestion, a trial, a job and a row. Deleted through the UI server, none of \
               them is left.",
        why: "Trials hold a finalizer until their rows are gone: when DBManager does not answer, namespaces hang in \
              Terminating.",
        fix: "kubectl -n kubeflow logs deployment/katib-controller; kubectl -n kubeflow logs deployment/katib-db-manager",
        reproduce: "Delete an experiment in $GATEWAY/katib/; kubectl -n NAMESPACE get suggestions,trials,jobs",
    })
    .profiles(DATA)
    .after(&["KAT-010", "KAT-007"])
    .within(Seconds(800))
    .writes()
    .breaks_on(&[&faults::ROWS_ELSEWHERE, &faults::UI_MAY_NOT_DELETE]),
    check(
        "KAT-052",
        "DBManager uses the bundled database",
        Level::Should,
        source("kubeflow/katib", "pkg/db/v1beta1/common/const.go: KATIB_MYSQL_DB_HOST"),
        |cx| Box::pin(bundled(cx)),
    )
    .explain(Explain {
        what: "The environment of Deployment kubeflow/katib-db-manager names no other database than Service katib-mysql.",
        why: "A host of the standalone install that is still named works until somebody removes it. A database of the \
              site's own choice is allowed: waive this check then.",
        fix: "Take KATIB_MYSQL_DB_HOST out of the Deployment; move the rows first.",
        reproduce: "kubectl -n kubeflow set env deployment/katib-db-manager --list",
    })
    .profiles(&[Profile::Katib, Profile::Durability, Profile::Migration])
    .breaks_on(&[&faults::ROWS_ELSEWHERE]),
];

/// The rows that a query selects from Katib's database, column by column, as MySQL's own client prints them.
pub async fn select(cx: &Ctx, query: &str) -> Checked<Vec<Vec<String>>> {
    installed(cx)?;
    let secret = objects::get(cx, SECRET, "kubeflow", "katib-mysql-secrets").await?;
    let secret = secret.ok_or_else(|| Stop::absent("Secret kubeflow/katib-mysql-secrets"))?;
    let manager = objects::get(cx, DEPLOYMENT, "kubeflow", "katib-db-manager").await?;
    let host = manager.as_ref().and_then(|manager| variable(manager, "KATIB_MYSQL_DB_HOST"));
    let database = mysql::Database {
        deployment: "katib-mysql",
        host: host.unwrap_or_default().to_owned(),
        labels: "katib.kubeflow.org/component=mysql",
        name: "katib".to_owned(),
        user: "root".to_owned(),
        password: secret_value(&secret, "MYSQL_ROOT_PASSWORD").unwrap_or_default(),
        suspect: "Secret kubeflow/katib-mysql-secrets has another password than the database, or its data is lost",
    };
    mysql::select(cx, &database, query).await
}

/// The rows of a trial: metric and value.
pub async fn of(cx: &Ctx, trial: &str) -> Checked<Vec<Vec<String>>> {
    // Names of trials are names of objects: nothing in them needs to be quoted.
    select(cx, &format!("SELECT metric_name, value FROM observation_logs WHERE trial_name = '{trial}'")).await
}

/// What the program of a trial of the square computes.
#[must_use]
pub fn computed(trial: &DynamicObject) -> String {
    let x: i64 = given(trial, "x").parse().unwrap_or(i64::MAX);
    x.checked_sub(2).and_then(|d| d.checked_mul(d)).map_or_else(String::new, |square| square.to_string())
}

/// A failure that names the database that DBManager uses instead.
async fn elsewhere(cx: &Ctx, stop: Stop) -> Stop {
    let manager = objects::get(cx, DEPLOYMENT, "kubeflow", "katib-db-manager").await;
    match manager {
        Ok(Some(manager)) => match variable(&manager, "KATIB_MYSQL_DB_HOST") {
            Some(host) if host != "katib-mysql" => stop
                .because(format!("KATIB_MYSQL_DB_HOST of Deployment kubeflow/katib-db-manager is {host}"))
                .fix("take it out, and move the rows"),
            _ => blame(stop, trouble::itself(cx).await),
        },
        _ => stop,
    }
}

/// Whether a trial has exactly its row.
async fn has_its_row(cx: &Ctx, trial: &DynamicObject) -> Checked {
    let wanted = vec![vec!["loss".to_owned(), computed(trial)]];
    let found = of(cx, name(trial)).await?;
    if found == wanted {
        return Ok(());
    }
    let what = format!("one row of trial {}: loss {}", name(trial), wanted[0][1]);
    Err(elsewhere(cx, Stop::failed(what, format!("{found:?}"))).await)
}

async fn reported(cx: &Ctx) -> Checked {
    let ended = shared(cx).await?;
    for trial in trials(cx, ended.at()).await? {
        has_its_row(cx, &trial).await?;
    }
    Ok(())
}

async fn deleted(cx: &Ctx) -> Checked {
    let (namespace, called) = (home(cx).await?, named(cx, "gone"));
    server::create(cx, &experiments::experiment(&namespace, &called, "random", 3, SQUARE)).await?;
    ends(cx, (&namespace, &called), "Succeeded").await?;
    let tried = trials(cx, (&namespace, &called)).await?;
    let Some(trial) = tried.first() else {
        return Err(Stop::failed("a trial of the experiment", "there is none"));
    };
    has_its_row(cx, trial).await?;
    server::remove(cx, &namespace, &called).await?;
    gone(cx, (&namespace, &called)).await?;
    match of(cx, name(trial)).await?.as_slice() {
        [] => Ok(()),
        left => Err(Stop::failed(format!("no row of trial {}", name(trial)), format!("{left:?}"))),
    }
}

async fn bundled(cx: &Ctx) -> Checked {
    installed(cx)?;
    let manager = objects::get(cx, DEPLOYMENT, "kubeflow", "katib-db-manager").await?;
    let manager = manager.ok_or_else(|| Stop::absent("Deployment kubeflow/katib-db-manager"))?;
    match variable(&manager, "KATIB_MYSQL_DB_HOST") {
        None | Some("" | "katib-mysql" | "katib-mysql.kubeflow") => Ok(()),
        Some(host) => Err(Stop::failed("DBManager's database is Service katib-mysql", format!("it is {host}"))
            .at("Deployment kubeflow/katib-db-manager")
            .because(format!("KATIB_MYSQL_DB_HOST of Deployment kubeflow/katib-db-manager names {host}"))
            .fix("take it out, or waive this check if the database is the site's own")),
    }
}
