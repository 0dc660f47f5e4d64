//! What stands before a migration: standalone Kubeflow Pipelines and Katib with Bitnami's charts as their stores, and the
//! pipelines, runs and experiments of the people who used them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::{encode_secret, expand, rows};
use crate::actors::mysql;
use crate::actors::object_store::{self, Credentials};
use crate::kubelet::environment;
use crate::mesh::{self, Caller};
use crate::platform::World;

const ROWS: &str = include_str!("data/standalone.yaml");
const OBJECTS: &str = include_str!("data/standalone_objects.yaml");

/// How long the API server may take until it has its database.
const PATIENCE: Duration = Duration::from_secs(20);
const GLANCE: Duration = Duration::from_millis(10);

/// The pipelines that somebody uploaded.
const PIPELINES: &[&str] = &["churn-training", "nightly-report"];
/// The experiments that somebody's runs belong to.
const EXPERIMENTS: &[&str] = &["churn", "reports"];
/// How many runs each has.
const RUNS: usize = 3;

/// The objects.
///
/// # Errors
/// What does not parse.
pub fn objects() -> Result<Vec<Value>, String> {
    let rows: rows::Release = serde_saphyr::from_str(ROWS).map_err(|error| error.to_string())?;
    let mut objects = expand::objects(&rows);
    objects.retain(|object| object["metadata"]["name"] != "centraldashboard");
    objects.iter_mut().filter(|object| is_of_pipelines(object)).for_each(|object| {
        // `commonLabels` of env/platform-agnostic.
        object["metadata"]["labels"]["application-crd-id"] = json!("kubeflow-pipelines");
    });
    // The cache deployer and Katib's certificate generator fill it in at run time.
    let webhooks = objects.iter_mut().filter_map(|object| object.get_mut("webhooks")?.as_array_mut()).flatten();
    webhooks.for_each(|webhook| webhook["clientConfig"]["caBundle"] = json!(BASE64_STANDARD.encode("standalone")));
    objects.extend(serde_saphyr::from_multiple::<Value>(OBJECTS).map_err(|error| error.to_string())?);
    objects.iter_mut().for_each(encode_secret);
    Ok(objects)
}

/// Whether a row is Kubeflow Pipelines': of what is made from rows, the rest is Katib's or nobody's.
fn is_of_pipelines(object: &Value) -> bool {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let labelled = ["Deployment", "Service", "ServiceAccount"].iter().any(|kind| object["kind"] == *kind);
    labelled && !name.starts_with("katib")
}

/// Uses it as people did: through its API, so that its rows are what the API makes of them.
///
/// # Errors
/// The API server does not start, or refuses: a defect of this program.
pub async fn use_it(world: &Arc<World>) -> Result<(), String> {
    until("the API server", || async { call(world, Method::GET, "experiments", &Value::Null).await.map(drop) }).await?;
    until("Katib's database", || measurements(world)).await?;
    for name in PIPELINES {
        let pipeline = call(world, Method::POST, "pipelines", &json!({ "display_name": name })).await?;
        let id = pipeline["pipeline_id"].as_str().unwrap_or_default().to_owned();
        tracing::debug!(id, "a pipeline");
    }
    for (experiment, pipeline) in EXPERIMENTS.iter().zip(PIPELINES) {
        let made = call(world, Method::POST, "experiments", &json!({ "display_name": experiment })).await?;
        let id = &made["experiment_id"];
        let specification = specification(pipeline);
        for number in 1..=RUNS {
            let run = json!({ "display_name": format!("{pipeline} {number}"), "experiment_id": id, "pipeline_spec": specification });
            call(world, Method::POST, "runs", &run).await?;
        }
        let recurring = json!({
            "display_name": format!("{pipeline}, nightly"), "experiment_id": id, "pipeline_spec": specification,
            "mode": "DISABLE", "max_concurrency": "1", "trigger": {"cron_schedule": {"cron": "0 0 2 * * *"}},
        });
        call(world, Method::POST, "recurringruns", &recurring).await?;
    }
    models(world).await?;
    // What people have left has come to rest.
    until("the runs", || all_runs_ended(world)).await
}

/// What the runs have made: a model each, of as many KiB as the number of its run.
async fn models(world: &Arc<World>) -> Result<(), String> {
    let keys = environment::contents(&world.store, "secrets", "kubeflow", "mlpipeline-minio-artifact")?;
    let key = |name: &str| keys.get(name).cloned().unwrap_or_default();
    let credentials = Credentials { access: key("accesskey"), secret: key("secretkey") };
    let store = object_store::connect(world, caller("default"), ("minio-service.kubeflow", "9000"), &credentials).await;
    let store = store.map_err(|error| error.to_string())?;
    for (pipeline, number) in PIPELINES.iter().flat_map(|pipeline| (1..=RUNS).map(move |number| (pipeline, number))) {
        let key = format!("v2/artifacts/{pipeline}/{number}/model");
        let bytes = vec![b'w'; number << 10];
        store.put("mlpipeline", &key, "application/octet-stream", bytes).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Waits until something is done.
async fn until<F: Future<Output = Result<(), String>>>(what: &str, attempt: impl Fn() -> F) -> Result<(), String> {
    let started = tokio::time::Instant::now();
    loop {
        match attempt().await {
            Ok(()) => return Ok(()),
            Err(error) if started.elapsed() >= PATIENCE => return Err(format!("{what} is not ready: {error}")),
            Err(_) => tokio::time::sleep(GLANCE).await,
        }
    }
}

async fn all_runs_ended(world: &Arc<World>) -> Result<(), String> {
    let listed = call(world, Method::GET, "runs?page_size=50", &Value::Null).await?;
    let runs = listed["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    match runs.iter().find(|run| run["state"] != "SUCCEEDED") {
        Some(run) => Err(format!("run {} is {}: {}", run["display_name"], run["state"], run["error"])),
        None if runs.len() < EXPERIMENTS.len() * RUNS => Err(format!("{} runs", runs.len())),
        None => Ok(()),
    }
}

/// The smallest pipeline that the compiler's schema allows.
fn specification(name: &str) -> Value {
    json!({
        "schemaVersion": "2.1.0", "pipelineInfo": {"name": name},
        "root": {"dag": {"tasks": {}}},
    })
}

/// A call of the API server from outside of any mesh.
async fn call(world: &Arc<World>, method: Method, path: &str, body: &Value) -> Result<Value, String> {
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let request = Request::builder()
        .method(method)
        .uri(format!("http://ml-pipeline.kubeflow:8888/apis/v2beta1/{path}"))
        .body(body)
        .map_err(|error| error.to_string())?;
    let response = mesh::call(world, caller("ml-pipeline-ui"), request).await;
    let status = response.status();
    let bytes = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    let answer = String::from_utf8_lossy(&bytes);
    if status != StatusCode::OK {
        return Err(format!("{path}: {status} {answer}"));
    }
    serde_json::from_slice(&bytes).map_err(|error| format!("{path}: {error}"))
}

fn caller(account: &str) -> Caller {
    Caller { namespace: "kubeflow".to_owned(), service_account: account.to_owned(), in_mesh: false }
}

/// What Katib's DB manager wrote of the trial (kubeflow/katib `pkg/db/v1beta1/mysql/init.go`).
async fn measurements(world: &Arc<World>) -> Result<(), String> {
    let directory = mysql::connect(world, caller("default"), "katib-mysql", "3306").await?;
    let written = directory.with("katib", |database| {
        database.execute_batch(
            "CREATE TABLE IF NOT EXISTS observation_logs (trial_name TEXT NOT NULL, id INTEGER PRIMARY KEY AUTOINCREMENT,
             time TEXT, metric_name TEXT NOT NULL, value TEXT NOT NULL);
             INSERT INTO observation_logs (trial_name, time, metric_name, value) VALUES
             ('random-8tq2kzjw', '2024-05-01 10:00:00.000000', 'accuracy', '0.91'),
             ('random-8tq2kzjw', '2024-05-01 10:01:00.000000', 'accuracy', '0.93')",
        )
    });
    written.map_err(|error| error.to_string())
}
