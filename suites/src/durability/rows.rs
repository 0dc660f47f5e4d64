//! Rows, records, objects and answers before and after a part of the platform begins anew.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::check::{Run, Seconds, source};
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Fault, Isolation, Level, Profile, Source, Stop, check};
use http::Method;
use serde_json::Value;

use super::restart::{BACK_WITHIN, Part, restart, volume};
use crate::data::records::{CONTEXT_OF_RUN, place, result_uri};
use crate::data::rows::{Database, select_in};
use crate::data::store::{get, keys};
use crate::faults::data as faults;
use crate::pipelines::api::{self, API, call, trouble};
use crate::pipelines::own::{EVERY, Ran, experiment, home, named, pipeline, run};

const DURABILITY: &[Profile] = &[Profile::Durability, Profile::Pipelines];
const MANIFESTS: Source =
    source("kubeflow/manifests", "apps/pipeline/upstream/third-party: mysql, minio; their volume claims");

const MYSQL: Part = Part {
    deployment: "mysql",
    service: "mysql",
    claim: Some("mysql-pv-claim"),
    trouble: |cx| Box::pin(api::password(cx)),
};
const MINIO: Part = Part {
    deployment: "minio",
    service: "minio-service",
    claim: Some("minio-pvc"),
    trouble: |_| Box::pin(async { Ok(None) }),
};
const API_SERVER: Part =
    Part { deployment: "ml-pipeline", service: "ml-pipeline", claim: None, trouble: |cx| Box::pin(api::password(cx)) };
const METADATA: Part = Part {
    deployment: "metadata-grpc-deployment",
    service: "metadata-grpc-service",
    claim: None,
    trouble: |cx| Box::pin(api::password(cx)),
};

/// The checks.
pub static CHECKS: &[Check] = &[
    row(
        "DUR-001",
        "MySQL begins anew and has every row that it had",
        "kubectl -n kubeflow delete pod -l app=mysql; open a run of before in $GATEWAY/pipeline/ when the next pod is ready",
        |cx| Box::pin(keeps(cx, MYSQL)),
        &[&faults::DATABASE_FORGETS],
    ),
    row(
        "DUR-002",
        "The object store begins anew and has every byte that it had",
        "kubectl -n kubeflow delete pod -l app=minio; open an artifact of before in $GATEWAY/pipeline/ when the next pod is ready",
        |cx| Box::pin(keeps(cx, MINIO)),
        &[&faults::STORE_FORGETS],
    ),
    row(
        "DUR-003",
        "The API server of Kubeflow Pipelines begins anew and answers as before",
        "kubectl -n kubeflow delete pod -l app=ml-pipeline; open a run of before in $GATEWAY/pipeline/ when the next pod is ready",
        |cx| Box::pin(keeps(cx, API_SERVER)),
        &[&faults::SETTING_LOST],
    ),
    row(
        "DUR-004",
        "ML Metadata begins anew and has every record that it had",
        "kubectl -n kubeflow delete pod -l component=metadata-grpc-server; open the artifacts of a run of before in $GATEWAY/pipeline/",
        |cx| Box::pin(keeps(cx, METADATA)),
        &[&faults::METADATA_SETTING_LOST],
    ),
    row(
        "DUR-005",
        "A run that was acknowledged is known after MySQL begins anew in the middle of it",
        "start a run in $GATEWAY/pipeline/; kubectl -n kubeflow delete pod -l app=mysql; look whether the run is listed and ends",
        |cx| Box::pin(mid_run(cx)),
        &[&faults::DATABASE_FORGETS],
    ),
];

const fn row(
    id: &'static str,
    title: &'static str,
    reproduce: &'static str,
    run: Run,
    on: &'static [&'static Fault],
) -> Check {
    check(id, title, Level::Must, MANIFESTS, run)
        .explain(Explain {
            what: "The part's pod is deleted. When another is ready, the counts of its namespace's rows, the shared run's row, its records in \
                   ML Metadata, its result in the object store and the API's answer about it are what they were, and the \
                   volume claim is bound to the same volume. How long it took stands in the report.",
            why: "A dashboard over a database that forgets is the failure that costs a team its work; it shows only after the \
                  first restart.",
            fix: "Mount the volume claim of kubeflow/manifests where the part keeps its data; look at the Secrets that it reads \
                  when it starts.",
            reproduce,
        })
        .profiles(DURABILITY)
        .after(&["KFP-040", "DAT-022"])
        .isolation(Isolation::Destructive)
        .writes()
        .within(Seconds(1200))
        .breaks_on(on)
}

/// All that is compared.
#[derive(Debug, Clone, PartialEq)]
struct Kept {
    counts: Vec<Vec<String>>,
    row: Vec<Vec<String>>,
    records: Vec<Vec<String>>,
    uri: String,
    bytes: Vec<u8>,
    shown: Value,
}

/// How many executions, artifacts and events ML Metadata has of a run.
fn records_of(run: &str) -> String {
    let count = |of: &str| format!("(SELECT count(*) FROM {CONTEXT_OF_RUN} {of} WHERE Context.name = '{run}')");
    let executions = "JOIN Association ON Association.context_id = Context.id";
    let artifacts = "JOIN Attribution ON Attribution.context_id = Context.id";
    let events = format!("{executions} JOIN Event ON Event.execution_id = Association.execution_id");
    format!("SELECT {}, {}, {}", count(executions), count(artifacts), count(&events))
}

impl Kept {
    async fn of(cx: &Ctx, ran: &Ran) -> Checked<Self> {
        let Ran { namespace, run, .. } = ran;
        // Of this run and its namespace alone: a whole table may have millions of rows, and others go on working in it.
        let counts = format!(
            "SELECT (SELECT count(*) FROM experiments WHERE Namespace = '{namespace}'), (SELECT count(*) FROM run_details \
             WHERE Namespace = '{namespace}'), (SELECT count(*) FROM pipelines WHERE Namespace = '{namespace}'), (SELECT \
             count(*) FROM jobs WHERE Namespace = '{namespace}'), (SELECT count(*) FROM tasks WHERE RunUUID = '{run}'), \
             (SELECT count(*) FROM resource_references WHERE ResourceUUID = '{run}')"
        );
        let row = format!(
            "SELECT Name, Namespace, ExperimentUUID, State, CreatedAtInSec, FinishedAtInSec FROM run_details WHERE UUID = \
             '{run}'"
        );
        let records = records_of(run);
        let uri = result_uri(cx, ran).await?;
        let (bucket, key) = place(&uri).unwrap_or_default();
        let found = get(cx, Some(&keys(cx, &ran.namespace).await?), bucket, key).await?;
        if found.status != 200 {
            return Err(Stop::failed("the object of the run's result", found.told()).at(uri));
        }
        let shown = format!("/runs/{}", ran.run);
        let (counts, row, records, shown) = futures::try_join!(
            select_in(cx, Database::Pipelines, &counts),
            select_in(cx, Database::Pipelines, &row),
            select_in(cx, Database::Metadata, &records),
            api::get(cx, &shown),
        )?;
        Ok(Self { counts, row, records, bytes: found.body, shown, uri })
    }
}

impl Kept {
    /// The first thing that is not as it was: what it was, and what it is.
    fn difference(&self, after: &Self) -> Option<(String, String)> {
        let told = |what: &str, was: &dyn std::fmt::Debug, is: &dyn std::fmt::Debug| {
            Some((format!("{what}: {was:?}"), format!("{what}: {is:?}")))
        };
        if self.counts != after.counts {
            return told(
                "the namespace's experiments, runs, pipelines and recurring runs, the run's tasks and references",
                &self.counts,
                &after.counts,
            );
        }
        if self.row != after.row {
            return told("the run's row", &self.row, &after.row);
        }
        if self.records != after.records {
            return told("the run's executions, artifacts and events in ML Metadata", &self.records, &after.records);
        }
        if self.uri != after.uri {
            return told("the address of the run's result", &self.uri, &after.uri);
        }
        if self.bytes != after.bytes {
            let (was, is) = (String::from_utf8_lossy(&self.bytes), String::from_utf8_lossy(&after.bytes));
            return told("the bytes of the run's result", &was, &is);
        }
        (self.shown != after.shown)
            .then(|| (format!("the API's answer about the run: {}", self.shown), format!("it is {}", after.shown)))
    }
}

/// Waits until the API answers about a run: after its database came back, connections are made anew.
async fn answers(cx: &Ctx, run: &str) -> Checked<Value> {
    let path = format!("{API}/runs/{run}");
    cx.eventually("the API answers again", BACK_WITHIN, Duration::from_millis(50), || {
        let (cx, path) = (cx.clone(), path.clone());
        Box::pin(async move {
            let reply = call(&cx, Method::GET, &path, None).await?;
            if reply.answer.status.is_success() {
                return Ok(Seen::Yes(reply.body));
            }
            // What the API does not know any more does not come back; without its tables a database is empty.
            let words = reply.body.to_string();
            if reply.answer.status.as_u16() == 404
                || ["doesn't exist", "Unknown database"].iter().any(|lost| words.contains(lost))
            {
                let stop = Stop::failed("the run is known", reply.told()).at(path);
                return Err(crate::gateway::diagnose::blame(stop, trouble(&cx).await));
            }
            Ok(Seen::NotYet(reply.told()))
        }) as BoxFuture<'_, Checked<Seen<Value>>>
    })
    .await
}

async fn keeps(cx: &Ctx, part: Part) -> Checked {
    let ran = cx.fixture::<Ran>().await?;
    let (before, volume_before) = (Kept::of(cx, &ran).await?, volume(cx, &part).await?);
    let took = restart(cx, &part).await?;
    answers(cx, &ran.run).await?;
    let lost = |stop: Stop| match part.claim {
        Some(claim) => stop
            .because(format!("Deployment kubeflow/{} keeps its data elsewhere than on claim {claim}", part.deployment))
            .fix(format!("mount claim {claim} where the part keeps its data")),
        None => stop.because(format!("Deployment kubeflow/{}", part.deployment)),
    };
    let after = match Kept::of(cx, &ran).await {
        Ok(after) => after,
        Err(stop @ Stop::Failed(_)) => return Err(lost(stop)),
        Err(stop) => return Err(stop),
    };
    if let Some((was, is)) = before.difference(&after) {
        return Err(lost(Stop::failed(was, is)));
    }
    if volume(cx, &part).await? != volume_before {
        return Err(lost(Stop::failed(format!("{volume_before:?}"), "another volume")));
    }
    cx.remark(format!("{} recovered in {took:?}", part.deployment));
    Ok(())
}

async fn mid_run(cx: &Ctx) -> Checked {
    let experiment = experiment(cx, &home(cx).await?, &named(cx, "exp")).await?;
    // Its pods have yet to be made when the database goes; where they are there at once, its container takes a moment.
    let slow = pipeline("conformance-midway", "sleep 0.3; printf %s \"$1\" > \"$0\"", &cx.environment().run_id);
    let id = run(cx, &experiment, &slow).await?;
    restart(cx, &MYSQL).await?;
    answers(cx, &id).await?;
    // The run itself may fail: a step that met a database on its way down gives up. It must be known, and end.
    let path = format!("/runs/{id}");
    cx.eventually("the run has ended", crate::pipelines::own::RUN_WITHIN, EVERY, || {
        let (cx, path) = (cx.clone(), path.clone());
        Box::pin(async move {
            let found = api::get(&cx, &path).await?;
            let state = crate::objects::text(&found, "/state").to_owned();
            Ok(if ["SUCCEEDED", "FAILED"].contains(&state.as_str()) { Seen::Yes(()) } else { Seen::NotYet(state) })
        }) as BoxFuture<'_, Checked<Seen<()>>>
    })
    .await
}
