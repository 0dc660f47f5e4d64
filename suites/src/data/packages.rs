//! Packages of pipelines: objects of the bucket, next to their rows.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::Method;
use serde_json::json;

use super::DATA;
use super::rows::select;
use super::store::{bucket, get, keys};
use crate::faults::data as faults;
use crate::gateway::diagnose::{blame, pods_behind};
use crate::objects::text;
use crate::pipelines::api::{API, call, delete};
use crate::pipelines::own::{SMALLEST, home, named, uploaded};

const MANAGER: &str = "backend/src/apiserver/resource/resource_manager.go";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "DAT-008",
        "An uploaded pipeline is an object of the bucket and a row, and goes with its version",
        Level::Must,
        source("kubeflow/pipelines", MANAGER),
        |cx| Box::pin(package(cx)),
    )
    .explain(Explain {
        what: "After an upload, pipelines/VERSION is an object of the bucket that holds the pipeline's name, and the \
               version is one READY row; when the version is deleted, both are gone.",
        why: "Upgrades and exports read packages from the bucket; a health page does not notice when they are lost.",
        fix: "kubectl -n kubeflow logs deployment/ml-pipeline; look at Deployment minio and its claim.",
        reproduce: "Upload a pipeline; kubectl -n kubeflow port-forward service/minio-service 9000; list pipelines/ with \
                    any S3 client.",
    })
    .profiles(DATA)
    .after(&["KFP-030", "DAT-002", "DAT-004"])
    .writes()
    .within(Seconds(120))
    .breaks_on(&[&faults::STORE_STOPPED, &faults::STORE_FULL]),
    check(
        "DAT-009",
        "Names with SQL and HTML in them are kept as they are",
        Level::Must,
        source("OWASP", "SQL Injection; Cross Site Scripting"),
        |cx| Box::pin(hostile_names(cx)),
    )
    .explain(Explain {
        what: "Experiments whose names carry quotes, SQL and HTML are made; the API and the database have exactly these \
               names, and the table of experiments is still there.",
        why: "A name that is taken for SQL, or shown as HTML, gives its author the rights of whoever looks.",
        fix: "Report it upstream; take the newest patch release of Kubeflow Pipelines.",
        reproduce: "Create an experiment named \"'); DROP TABLE experiments; --\".",
    })
    .profiles(&[harness::Profile::Core, harness::Profile::Pipelines, harness::Profile::Security])
    .after(&["KFP-020", "DAT-002"])
    .writes()
    .within(Seconds(60))
    .breaks_on(&[&crate::faults::pipelines::DATABASE_STOPPED, &crate::faults::pipelines::EDITING_LOST]),
];

async fn package(cx: &Ctx) -> Checked {
    let (pipeline, version) = uploaded(cx, &home(cx).await?).await?;
    let (bucket, keys) = (bucket(cx).await?, keys(cx, "kubeflow").await?);
    let key = format!("pipelines/{version}");
    let found = get(cx, Some(&keys), &bucket, &key).await?;
    if found.status != 200 || !String::from_utf8_lossy(&found.body).contains(SMALLEST) {
        let stop = Stop::failed(format!("200 and {SMALLEST:?} in it"), found.told()).at(format!("s3://{bucket}/{key}"));
        return Err(blame(stop, pods_behind(cx, ("kubeflow", "minio-service"), ("kubeflow", "minio")).await));
    }
    let query = format!("SELECT Status, PipelineId FROM pipeline_versions WHERE UUID = '{version}'");
    let rows = select(cx, &query).await?;
    if rows != [["READY", pipeline.as_str()]] {
        return Err(Stop::failed(format!("one row: READY, {pipeline}"), format!("{rows:?}")).at(query));
    }
    delete(cx, &format!("/pipelines/{pipeline}/versions/{version}")).await?;
    let gone = get(cx, Some(&keys), &bucket, &key).await?;
    if gone.code() != "NoSuchKey" {
        return Err(Stop::failed("no object of the deleted version", gone.told()).at(format!("s3://{bucket}/{key}")));
    }
    match select(cx, &query).await?.as_slice() {
        [] => Ok(()),
        rows => Err(Stop::failed("no row of the deleted version", format!("{rows:?}")).at(query)),
    }
}

async fn hostile_names(cx: &Ctx) -> Checked {
    let namespace = home(cx).await?;
    for hostile in
        ["'); DROP TABLE experiments; --", "\" OR \"\"=\"", "<script>alert(1)</script>", "%27 UNION SELECT 1"]
    {
        let name = format!("{} {hostile}", named(cx, "exp"));
        let id = crate::pipelines::own::experiment(cx, &namespace, &name).await?;
        let found = call(cx, Method::GET, &format!("{API}/experiments/{id}"), None).await?;
        let kind = found.answer.header("content-type").to_owned();
        let found = found.ok(cx).await?;
        if text(&found, "/display_name") != name || !kind.starts_with("application/json") {
            return Err(Stop::failed(
                format!("{name:?} as JSON"),
                format!("{} as {kind}", json!(found["display_name"])),
            ));
        }
        let query = format!("SELECT Name FROM experiments WHERE UUID = '{id}'");
        let rows = select(cx, &query).await?;
        if rows != [[name.as_str()]] {
            return Err(Stop::failed(format!("one row: {name:?}"), format!("{rows:?}")).at(query));
        }
    }
    Ok(())
}
