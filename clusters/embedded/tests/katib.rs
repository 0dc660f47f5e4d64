//! An experiment goes its whole way: suggestion, trials, jobs, rows in MySQL, and an optimum; and all of it goes with it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use embedded::actors::katib::db_manager;
use embedded::mesh::{self, Caller};
use embedded::object::{self, list, text};
use embedded::store::Key;
use embedded::{Options, Platform, Release, Start};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

const USER: &str = "user@example.com";
const NAMESPACE: &str = "kubeflow-user-example-com";
const DB_MANAGER: &str = "katib-db-manager.kubeflow:6789";

async fn platform(release: Release) -> Platform {
    let platform = Platform::start(Options { start: Start::Release(release), ..Options::default() }).await.unwrap();
    until("DBManager answers", || async { db_manager::at(platform.world(), "kubeflow", DB_MANAGER).is_ok() }).await;
    let listed = format!("/katib/fetch_experiments/?namespace={NAMESPACE}");
    let ready = |name: &'static str| {
        let deployment = platform.world().store.get(&Key::new("apps", "deployments", "kubeflow", name));
        deployment.is_some_and(|found| found.pointer("/status/readyReplicas") == Some(&json!(1)))
    };
    until("Katib is up", || async {
        ready("katib-controller") && call(&platform, Method::GET, &listed, None).await.0 == 200
    })
    .await;
    platform
}

/// A request as the gateway sends it to the UI server.
async fn call(platform: &Platform, method: Method, path: &str, body: Option<&Value>) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://katib-ui.kubeflow:80{path}"))
        .header("kubeflow-userid", USER)
        .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
        .unwrap();
    let caller = Caller {
        namespace: "istio-system".into(),
        service_account: "istio-ingressgateway-service-account".into(),
        in_mesh: true,
    };
    let response = mesh::call(platform.world(), caller, request).await;
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status.as_u16(), String::from_utf8_lossy(&bytes).into_owned())
}

async fn until<F: Future<Output = bool>>(what: &str, look: impl Fn() -> F) {
    let reached = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), reached).await.is_ok(), "not in time: {what}");
}

/// Tries five whole numbers; the objective is least at 3.
fn experiment(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"}, "algorithm": {"algorithmName": "grid"},
            "parallelTrialCount": 2, "maxTrialCount": 5, "maxFailedTrialCount": 2,
            "parameters": [{"name": "x", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "5"}}],
            "trialTemplate": {
                "primaryContainerName": "main", "retain": true, "trialParameters": [{"name": "x", "reference": "x"}],
                "trialSpec": {"apiVersion": "batch/v1", "kind": "Job", "spec": {"backoffLimit": 0, "template": {
                    "metadata": {"labels": {"sidecar.istio.io/inject": "false"}},
                    "spec": {"restartPolicy": "Never", "containers": [
                        {"name": "main", "image": "busybox:1.36", "command": ["sh", "-c", script]}]},
                }}},
            },
        },
    })
}

const SQUARE: &str = "echo loss=$(( (${trialParameters.x} - 3) * (${trialParameters.x} - 3) ))";

async fn create(platform: &Platform, experiment: &Value) {
    let (status, why) =
        call(platform, Method::POST, "/katib/create_experiment/", Some(&json!({"postData": experiment}))).await;
    assert_eq!((status, why.as_str()), (200, ""));
}

fn get(platform: &Platform, plural: &str, name: &str) -> Option<Arc<Value>> {
    platform.world().store.get(&Key::new("kubeflow.org", plural, NAMESPACE, name))
}

fn trials(platform: &Platform) -> Vec<Arc<Value>> {
    platform.world().store.list("kubeflow.org", "trials", Some(NAMESPACE))
}

fn holds(object: &Value, kind: &str) -> bool {
    list(object, "/status/conditions").iter().any(|one| text(one, "/type") == kind && text(one, "/status") == "True")
}

async fn ends(platform: &Platform, name: &str, kind: &str) -> Arc<Value> {
    until(kind, || async { get(platform, "experiments", name).is_some_and(|found| holds(&found, kind)) }).await;
    get(platform, "experiments", name).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_experiment_finds_its_optimum_and_leaves_nothing() {
    for release in [Release::V1_8_1, Release::V1_10_2] {
        let platform = platform(release).await;
        create(&platform, &experiment("square", SQUARE)).await;
        let ended = ends(&platform, "square", "Succeeded").await;
        assert_eq!(ended["status"]["trialsSucceeded"], json!(5), "{ended}");
        let best = &ended["status"]["currentOptimalTrial"];
        assert_eq!(best["parameterAssignments"], json!([{"name": "x", "value": "3"}]));
        assert_eq!(best["observation"]["metrics"][0]["min"], json!("0"));

        let rows = db_manager::at(platform.world(), "kubeflow", DB_MANAGER).unwrap();
        let tried = trials(&platform);
        let mut losses: Vec<String> = tried
            .iter()
            .flat_map(|trial| rows.of(object::name(trial), "loss", "", "").unwrap())
            .map(|row| row.value)
            .collect();
        losses.sort();
        assert_eq!(losses, ["0", "1", "1", "4", "4"]);
        until("the suggestion has succeeded", || async {
            holds(&get(&platform, "suggestions", "square").unwrap(), "Succeeded")
        })
        .await;
        until("the service is removed", || async {
            platform.world().store.get(&Key::new("apps", "deployments", NAMESPACE, "square-grid")).is_none()
        })
        .await;
        let info = call(
            &platform,
            Method::GET,
            &format!("/katib/fetch_hp_job_info/?experimentName=square&namespace={NAMESPACE}"),
            None,
        )
        .await;
        assert!(info.1.starts_with("\"Status,trialName,loss,x\\nSucceeded,square-"), "{}", info.1);
        let one = object::name(&tried[0]);
        let logs = call(
            &platform,
            Method::GET,
            &format!("/katib/fetch_trial_logs/?trialName={one}&namespace={NAMESPACE}"),
            None,
        )
        .await;
        assert!(logs.0 == 200 && logs.1.contains("loss="), "{logs:?}");

        let path = format!("/katib/delete_experiment/?experimentName=square&namespace={NAMESPACE}");
        assert_eq!(call(&platform, Method::DELETE, &path, None).await, (200, "[]".to_owned()));
        until("nothing is left", || async {
            let store = &platform.world().store;
            trials(&platform).is_empty()
                && store.list("batch", "jobs", Some(NAMESPACE)).is_empty()
                && get(&platform, "suggestions", "square").is_none()
        })
        .await;
        assert_eq!(rows.of(one, "", "", "").unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_trials_and_missing_metrics_end_an_experiment() {
    let platform = platform(Release::V1_9_1).await;
    create(&platform, &experiment("fails", "echo loss=${trialParameters.x}; exit 3")).await;
    let failed = ends(&platform, "fails", "Failed").await;
    assert!(failed["status"]["trialsFailed"].as_i64().unwrap() >= 2, "{failed}");
    create(&platform, &experiment("silent", "echo nothing ${trialParameters.x}")).await;
    let silent = ends(&platform, "silent", "Failed").await;
    assert!(silent["status"]["trialMetricsUnavailable"].as_i64().unwrap() >= 2, "{silent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_experiments_are_refused_with_a_reason() {
    let platform = platform(Release::V1_9_1).await;
    let refused = async |experiment: &Value| {
        call(&platform, Method::POST, "/katib/create_experiment/", Some(&json!({"postData": experiment}))).await
    };
    let mut bad = experiment("bad", SQUARE);
    bad["spec"]["algorithm"]["algorithmName"] = json!("nope");
    assert_eq!(
        refused(&bad).await,
        (
            StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
            "admission webhook \"validator.experiment.katib.kubeflow.org\" denied the request: unable to get Suggestion config \
             data for algorithm nope: failed to find suggestion config for algorithm: nope in ConfigMap: katib-config\n"
                .to_owned()
        )
    );
    let mut bad = experiment("bad", SQUARE);
    bad["spec"]["parameters"][0]["name"] = json!("other");
    assert!(refused(&bad).await.1.contains("does not exist in spec.parameters"));
    platform.world().store.delete(&Key::new("apps", "deployments", "kubeflow", "katib-controller")).unwrap();
    until("nobody admits", || async {
        refused(&experiment("nobody", SQUARE)).await.1.contains("failed calling webhook")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trial_waits_for_the_rows_that_it_leaves_behind() {
    let platform = platform(Release::V1_9_1).await;
    create(&platform, &experiment("square", SQUARE)).await;
    ends(&platform, "square", "Succeeded").await;
    let store = &platform.world().store;
    let scale = |replicas: i64| {
        let key = Key::new("apps", "deployments", "kubeflow", "katib-db-manager");
        store
            .update(&key, None, |deployment| {
                deployment["spec"]["replicas"] = json!(replicas);
                true
            })
            .unwrap();
    };
    scale(0);
    until("DBManager is away", || async { db_manager::at(platform.world(), "kubeflow", DB_MANAGER).is_err() }).await;
    let trial = trials(&platform)[0].clone();
    let key = Key::new("kubeflow.org", "trials", NAMESPACE, object::name(&trial));
    store.delete(&key).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(store.get(&key).unwrap()["metadata"]["finalizers"], json!(["clean-metrics-in-db"]));
    scale(1);
    until("the trial is gone", || async { store.get(&key).is_none() }).await;
}
