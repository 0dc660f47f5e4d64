//! The database itself: the bundled one, with the tables of the release.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use harness::check::{Seconds, source};
use harness::exec::{self, Place};
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};

use super::DATA;
use super::rows::select;
use crate::faults::{data, pipelines as faults};
use crate::gateway::diagnose::{Cause, blame};
use crate::objects::{self, CONFIG_MAP, POD, SERVICE, config_value, items, ready_pod, text};

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

/// How soon MySQL shall answer the simplest question: many times what a busy cluster's way into a pod takes.
const ANSWERS_WITHIN: Duration = Duration::from_secs(4);

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
    check(
        "DAT-014",
        "MySQL answers the simplest question at once",
        Level::Should,
        source("kubeflow/manifests", "apps/pipeline/upstream/third-party/mysql/base/mysql-deployment.yaml: resources"),
        |cx| Box::pin(quick(cx)),
    )
    .explain(Explain {
        what: "MySQL's own client, in MySQL's pod, has the answer to SELECT 1 within 4 s, the way into the pod included. \
               Where it does not, the client alone is timed: it tells a pod that gets too little CPU from a server that \
               waits for its disk or its locks.",
        why: "Each page of the dashboard and each step of a run asks this database several times. One that takes seconds \
              looks like a platform that is down, and nothing else names the cause.",
        fix: "Give MySQL the CPU that it asks for (look for a LimitRange in namespace kubeflow, and at the node); look at \
              SHOW PROCESSLIST, and at the speed of its volume.",
        reproduce: "time kubectl -n kubeflow exec deploy/mysql -c mysql -- mysql -uroot -NBe 'SELECT 1'",
    })
    .profiles(DATA)
    .writes()
    .within(Seconds(130))
    .breaks_on(&[&data::DATABASE_STARVED, &data::DATABASE_STALLS]),
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

async fn quick(cx: &Ctx) -> Checked {
    let start = Instant::now();
    select(cx, "SELECT 1").await?;
    let took = start.elapsed();
    cx.remark(format!("MySQL answered SELECT 1 after {took:.1?}"));
    if took <= ANSWERS_WITHIN {
        return Ok(());
    }
    let stop = Stop::failed(
        format!("the answer to SELECT 1 within {ANSWERS_WITHIN:?}"),
        format!("it came after {took:.1?}; each call of Kubeflow Pipelines waits as long"),
    );
    Err(blame(stop, slow(cx, took).await))
}

/// What makes MySQL slow: too little CPU for whatever runs in its container, or the server itself.
async fn slow(cx: &Ctx, took: Duration) -> Checked<Option<Cause>> {
    let Some(pod) = ready_pod(cx, "kubeflow", "app=mysql").await? else { return Ok(None) };
    let start = Instant::now();
    exec::run(cx, Place { namespace: "kubeflow", pod: &pod, container: "mysql" }, &["mysql", "--version"]).await?;
    let alone = start.elapsed();
    if alone < took / 2 {
        return Ok(Some(Cause::new(
            format!("MySQL's server: its client alone took {alone:.1?}, so the way into its pod and its CPU are well"),
            "kubectl -n kubeflow exec deploy/mysql -c mysql -- mysql -uroot -e 'SHOW FULL PROCESSLIST'; look at the speed \
             of claim mysql-pv-claim",
        )));
    }
    let limit = objects::get(cx, POD, "kubeflow", &pod).await?;
    let limit = limit.and_then(|pod| {
        let containers = items(&pod.data, "/spec/containers").iter();
        let server = containers.clone().find(|container| container["name"] == "mysql")?;
        Some(text(server, "/resources/limits/cpu").to_owned()).filter(|limit| !limit.is_empty())
    });
    let why = limit.map_or_else(
        || "its node or the way into its pod is short of time: no limit is set".to_owned(),
        |limit| format!("it may use {limit} of a CPU"),
    );
    Ok(Some(Cause::new(
        format!("Pod kubeflow/{pod}: {why}; even its client alone took {alone:.1?}"),
        "kubectl -n kubeflow get limitrange; kubectl -n kubeflow describe deployment mysql; kubectl top node",
    )))
}
