//! The database itself: the bundled one, with the tables of the release.

use std::collections::BTreeSet;

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};

use super::DATA;
use super::rows::select;
use crate::faults::pipelines as faults;
use crate::objects::{self, CONFIG_MAP, SERVICE, config_value, text};

const MODEL: &str = "backend/src/apiserver/model";

/// The tables that every supported release has.
const TABLES: [&str; 10] = [
    "db_statuses",
    "default_experiments",
    "experiments",
    "jobs",
    "pipeline_versions",
    "pipelines",
    "resource_references",
    "run_details",
    "run_metrics",
    "tasks",
];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "DAT-001",
        "Kubeflow Pipelines uses the bundled MySQL",
        Level::Should,
        source("kubeflow/manifests", "ConfigMap pipeline-install-config: mysqlHost"),
        |cx| Box::pin(bundled(cx)),
    )
    .explain(Explain {
        what: "mysqlHost of ConfigMap pipeline-install-config names Service kubeflow/mysql, and that Service selects \
               the pods of Deployment mysql.",
        why: "A host of former times (a standalone install, a Bitnami release) that is still named works until somebody \
              removes it, and takes every run's history along. A database of the site's own choice is allowed: waive \
              this check then.",
        fix: "Set mysqlHost to mysql and restart the Deployments that read it; move the rows first.",
        reproduce: "kubectl -n kubeflow get configmap pipeline-install-config -o jsonpath='{.data.mysqlHost}'",
    })
    .profiles(DATA)
    .breaks_on(&[&faults::ROWS_ELSEWHERE]),
    check(
        "DAT-002",
        "The database has the tables of the release",
        Level::Must,
        source("kubeflow/pipelines", MODEL),
        |cx| Box::pin(tables(cx)),
    )
    .explain(Explain {
        what: "The database of ConfigMap pipeline-install-config has the ten tables that the API server makes when it \
               starts.",
        why: "An empty database behind a running API server is what a lost volume looks like.",
        fix: "Look at claim mysql-pv-claim and Deployment mysql; restart ml-pipeline, which makes missing tables.",
        reproduce: "kubectl -n kubeflow exec deploy/mysql -c mysql -- mysql -uroot -NBe 'SHOW TABLES' mlpipeline",
    })
    .profiles(DATA)
    .writes()
    .breaks_on(&[&faults::DATABASE_EMPTIED, &faults::DATABASE_STOPPED]),
];

async fn bundled(cx: &Ctx) -> Checked {
    let config = objects::get(cx, CONFIG_MAP, "kubeflow", "pipeline-install-config").await?;
    let config = config.ok_or_else(|| Stop::absent("ConfigMap kubeflow/pipeline-install-config"))?;
    let host = config_value(&config, "mysqlHost").unwrap_or_default();
    let mut parts = host.trim_end_matches('.').split('.');
    let named = (parts.next().unwrap_or_default(), parts.next().unwrap_or("kubeflow"));
    if named != ("mysql", "kubeflow") {
        return Err(Stop::failed("mysqlHost names Service kubeflow/mysql", format!("it names {host:?}"))
            .at("ConfigMap kubeflow/pipeline-install-config")
            .because("mysqlHost of ConfigMap kubeflow/pipeline-install-config")
            .fix("set it to mysql, or waive this check if the database is the site's own"));
    }
    let service = objects::get(cx, SERVICE, "kubeflow", "mysql").await?;
    let selected = service.as_ref().map(|service| text(&service.data, "/spec/selector/app")).unwrap_or_default();
    if selected == "mysql" {
        return Ok(());
    }
    Err(Stop::failed("Service kubeflow/mysql selects app=mysql", format!("it selects app={selected:?}"))
        .because("Service kubeflow/mysql")
        .fix("apply Service mysql of kubeflow/manifests again"))
}

async fn tables(cx: &Ctx) -> Checked {
    let found: BTreeSet<String> = select(cx, "SHOW TABLES").await?.into_iter().flatten().collect();
    let missing: Vec<&str> = TABLES.into_iter().filter(|table| !found.contains(*table)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Stop::failed("the ten tables of Kubeflow Pipelines", format!("without {}", missing.join(", ")))
        .because("Deployment kubeflow/mysql: its data directory was empty when it started")
        .fix("kubectl -n kubeflow rollout restart deployment ml-pipeline; restore the rows from a backup"))
}
