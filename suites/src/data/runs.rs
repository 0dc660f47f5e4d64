//! A run's rows: what the API shows is what the database has.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::Method;

use super::DATA;
use super::rows::select;
use crate::faults::pipelines as faults;
use crate::objects::text;
use crate::pipelines::api::{API, call};
use crate::pipelines::own::{RUN_BOUND, Ran, experiment, home, named, run, smallest};

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "DAT-010",
        "A run that has ended is one row, with its namespace, experiment and state",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/model/run.go"),
        |cx| Box::pin(row(cx)),
    )
    .explain(Explain {
        what: "The run just made is exactly one row of run_details: Namespace, ExperimentUUID, State SUCCEEDED and \
               StorageState AVAILABLE, as the API shows them.",
        why: "Only what is in the bundled database is in its backup. A dashboard over another database forgets.",
        fix: "Compare mysqlHost and pipelineDb of ConfigMap pipeline-install-config with the environment of \
              Deployment ml-pipeline, and restart it.",
        reproduce: "kubectl -n kubeflow exec deploy/mysql -c mysql -- mysql -uroot -NBe \"SELECT Namespace, State FROM \
                    run_details WHERE UUID='RUN'\" mlpipeline",
    })
    .profiles(DATA)
    .after(&["KFP-040", "DAT-002"])
    .writes()
    .within(Seconds(RUN_BOUND))
    .breaks_on(&[&faults::ROWS_ELSEWHERE]),
    check(
        "DAT-011",
        "A run's row refers to its experiment and namespace",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/model/resource_reference.go"),
        |cx| Box::pin(references(cx)),
    )
    .explain(Explain {
        what: "resource_references has exactly two rows for the run: its Experiment and its Namespace; and the \
               experiment is a row of the same namespace.",
        why: "The lists of v1beta1, and upgrades to later releases, find runs by these references.",
        fix: "kubectl -n kubeflow logs deployment/ml-pipeline; restore the table from a backup.",
        reproduce: "kubectl -n kubeflow exec deploy/mysql -c mysql -- mysql -uroot -NBe \"SELECT ReferenceType, \
                    ReferenceUUID FROM resource_references WHERE ResourceUUID='RUN'\" mlpipeline",
    })
    .profiles(DATA)
    .after(&["KFP-040", "DAT-002"])
    .writes()
    .within(Seconds(RUN_BOUND))
    .breaks_on(&[&faults::ROWS_ELSEWHERE]),
    check(
        "DAT-012",
        "A run's tasks are rows, too",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/model/task.go"),
        |cx| Box::pin(tasks(cx)),
    )
    .explain(Explain {
        what: "tasks has a row for each task that the API shows of the run, each with the run's namespace.",
        why: "The graph of a run is drawn from them, and caching looks results up in them.",
        fix: "kubectl -n kubeflow logs deployment/ml-pipeline-persistenceagent.",
        reproduce: "kubectl -n kubeflow exec deploy/mysql -c mysql -- mysql -uroot -NBe \"SELECT Name, State FROM tasks \
                    WHERE RunUUID='RUN'\" mlpipeline",
    })
    .profiles(DATA)
    .after(&["KFP-040", "DAT-002"])
    .writes()
    .within(Seconds(RUN_BOUND))
    .breaks_on(&[&faults::ROWS_ELSEWHERE]),
    check(
        "DAT-013",
        "A deleted run leaves no row",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/storage/run_store.go: DeleteRun"),
        |cx| Box::pin(deleted(cx)),
    )
    .explain(Explain {
        what: "A run is one row of run_details; deleted through the API, it is none, and nothing refers to it.",
        why: "Rows that stay fill the database and come back in lists by other tools.",
        fix: "kubectl -n kubeflow logs deployment/ml-pipeline.",
        reproduce: "Delete a run; count its rows as in DAT-010.",
    })
    .profiles(DATA)
    .after(&["KFP-020", "DAT-002"])
    .writes()
    .within(Seconds(60))
    .breaks_on(&[&faults::ROWS_ELSEWHERE]),
];

/// A failure that names the database that the API server uses instead.
async fn elsewhere(cx: &Ctx, stop: Stop) -> Stop {
    let config = crate::objects::get(cx, crate::objects::CONFIG_MAP, "kubeflow", "pipeline-install-config").await;
    let host = match &config {
        Ok(Some(config)) => crate::objects::config_value(config, "mysqlHost").unwrap_or_default(),
        _ => "",
    };
    stop.because(format!(
        "the API server keeps its rows in another database: mysqlHost of ConfigMap kubeflow/pipeline-install-config is \
         {host:?}, and Deployment kubeflow/ml-pipeline reads it when it starts"
    ))
    .fix("set mysqlHost to mysql, and restart ml-pipeline; move the rows")
}

async fn row(cx: &Ctx) -> Checked {
    let ran = cx.fixture::<Ran>().await?;
    let query =
        format!("SELECT Namespace, ExperimentUUID, State, StorageState FROM run_details WHERE UUID = '{}'", ran.run);
    let rows = select(cx, &query).await?;
    let wanted = [&ran.namespace, &ran.experiment, text(&ran.shown, "/state"), text(&ran.shown, "/storage_state")];
    if rows.len() == 1 && rows[0] == wanted {
        return Ok(());
    }
    let stop = Stop::failed(format!("one row: {}", wanted.join(", ")), format!("{rows:?}")).at(query);
    Err(elsewhere(cx, stop).await)
}

async fn references(cx: &Ctx) -> Checked {
    let ran = cx.fixture::<Ran>().await?;
    let query = format!(
        "SELECT ReferenceType, ReferenceUUID FROM resource_references WHERE ResourceUUID = '{}' AND ResourceType = \
         'Run' ORDER BY ReferenceType",
        ran.run
    );
    let rows = select(cx, &query).await?;
    let wanted = [["Experiment", ran.experiment.as_str()], ["Namespace", ran.namespace.as_str()]];
    if rows != wanted {
        return Err(elsewhere(cx, Stop::failed(format!("{wanted:?}"), format!("{rows:?}")).at(query)).await);
    }
    let query = format!("SELECT Namespace FROM experiments WHERE UUID = '{}'", ran.experiment);
    let rows = select(cx, &query).await?;
    if rows == [[ran.namespace.as_str()]] {
        return Ok(());
    }
    Err(elsewhere(cx, Stop::failed(ran.namespace.as_str(), format!("{rows:?}")).at(query)).await)
}

async fn tasks(cx: &Ctx) -> Checked {
    let ran = cx.fixture::<Ran>().await?;
    let shown = crate::pipelines::api::get(cx, &format!("/runs/{}", ran.run)).await?;
    let shown = crate::objects::items(&shown, "/run_details/task_details").len();
    let query = format!("SELECT count(*) FROM tasks WHERE RunUUID = '{}' AND Namespace = '{}'", ran.run, ran.namespace);
    let rows = select(cx, &query).await?;
    if shown > 0 && rows == [[shown.to_string()]] {
        return Ok(());
    }
    let stop = Stop::failed(format!("{shown} rows, as the API shows tasks, and at least one"), format!("{rows:?}"));
    Err(elsewhere(cx, stop.at(query)).await)
}

async fn deleted(cx: &Ctx) -> Checked {
    let experiment = experiment(cx, &home(cx).await?, &named(cx, "exp")).await?;
    let id = run(cx, &experiment, &smallest(cx)).await?;
    let query = format!("SELECT count(*) FROM run_details WHERE UUID = '{id}'");
    let rows = select(cx, &query).await?;
    if rows != [["1"]] {
        return Err(elsewhere(cx, Stop::failed("one row of the run", format!("{rows:?}")).at(query)).await);
    }
    call(cx, Method::DELETE, &format!("{API}/runs/{id}"), None).await?.ok(cx).await?;
    for query in [query, format!("SELECT count(*) FROM resource_references WHERE ResourceUUID = '{id}'")] {
        let rows = select(cx, &query).await?;
        if rows != [["0"]] {
            return Err(Stop::failed("no row of the deleted run", format!("{rows:?}")).at(query));
        }
    }
    Ok(())
}
