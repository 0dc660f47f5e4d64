//! What Kubeflow Pipelines has acknowledged stays: its rows live as long as the volume claim of MySQL, whatever happens to
//! pods.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use std::time::Duration;

use axum::body::Body;
use embedded::mesh::{self, Caller};
use embedded::store::Key;
use embedded::{Options, Platform, Release, Start, object};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

const USER: &str = "user@example.com";
const NAMESPACE: &str = "kubeflow-user-example-com";
const PIPELINE: &str = r#"{"schemaVersion": "2.1.0", "pipelineInfo": {"name": "one"}, "root": {"dag": {"tasks": {}}}}"#;

async fn platform() -> Platform {
    let start = Start::Release(Release::V1_9_1);
    let platform = Platform::start(Options { start, ..Options::default() }).await.unwrap();
    until("the API answers", || async { list(&platform).await.0 == StatusCode::OK }).await;
    platform
}

/// A call of the API server, as its UI server sends it.
async fn call(platform: &Platform, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
    call_of(platform, "v2beta1", method, path, body).await
}

async fn call_of(platform: &Platform, version: &str, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://ml-pipeline.kubeflow:8888/apis/{version}{path}"))
        .header("kubeflow-userid", USER)
        .body(Body::from(body.to_string()))
        .unwrap();
    let ui = Caller { namespace: "kubeflow".into(), service_account: "ml-pipeline-ui".into(), in_mesh: true };
    let response = mesh::call(platform.world(), ui, request).await;
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn list(platform: &Platform) -> (StatusCode, Value) {
    call(platform, Method::GET, &format!("/experiments?namespace={NAMESPACE}"), &Value::Null).await
}

async fn until<F: Future<Output = bool>>(what: &str, look: impl Fn() -> F) {
    let reached = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), reached).await.is_ok(), "not in time: {what}");
}

fn database_pods(platform: &Platform) -> Vec<Key> {
    let pods = platform.world().store.list("", "pods", Some("kubeflow"));
    let of_mysql = pods.iter().filter(|pod| object::label(pod, "app") == Some("mysql"));
    of_mysql.map(|pod| Key::new("", "pods", "kubeflow", object::name(pod))).collect()
}

async fn experiment(platform: &Platform) -> String {
    let body = json!({"display_name": "kept", "namespace": NAMESPACE});
    let (status, made) = call(platform, Method::POST, "/experiments", &body).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    made["experiment_id"].as_str().unwrap().to_owned()
}

/// Starts a run; yields its id.
async fn run(platform: &Platform, experiment: &str) -> String {
    let pipeline: Value = serde_json::from_str(PIPELINE).unwrap();
    let body = json!({"display_name": "r", "experiment_id": experiment, "pipeline_spec": pipeline});
    let (status, run) = call(platform, Method::POST, "/runs", &body).await;
    assert_eq!((status, &run["state"]), (StatusCode::OK, &json!("PENDING")), "{run}");
    run["run_id"].as_str().unwrap().to_owned()
}

async fn succeeds(platform: &Platform, run: &str) {
    let path = format!("/runs/{run}");
    until("the run succeeds", || async {
        call(platform, Method::GET, &path, &Value::Null).await.1["state"] == "SUCCEEDED"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_outlive_the_pod_of_the_database() {
    let platform = platform().await;
    let id = experiment(&platform).await;
    let before = database_pods(&platform);
    platform.world().store.delete(&before[0]).unwrap();
    until("another pod of MySQL", || async { database_pods(&platform).iter().any(|pod| *pod != before[0]) }).await;
    until("the API answers again", || async { list(&platform).await.0 == StatusCode::OK }).await;
    assert_eq!(list(&platform).await.1["experiments"][0]["experiment_id"], id);
}

/// The pod is gone at once, as after kill -9: nobody tells the server to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_killed_in_the_middle_of_a_run_loses_nothing_acknowledged() {
    let platform = platform().await;
    let experiment = experiment(&platform).await;
    let run = run(&platform, &experiment).await;

    // Whoever writes while the server dies is told the truth: what is answered with 200 is kept.
    let before = database_pods(&platform);
    let mut acknowledged = vec![experiment];
    let mut refused = 0;
    for number in 0..40 {
        if number == 5 {
            platform.world().store.delete(&before[0]).unwrap();
        }
        let body = json!({"display_name": format!("e-{number}"), "namespace": NAMESPACE});
        match call(&platform, Method::POST, "/experiments", &body).await {
            (StatusCode::OK, made) => acknowledged.push(made["experiment_id"].as_str().unwrap().to_owned()),
            (status, refusal) => {
                assert_eq!((status, &refusal["code"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!(13)), "{refusal}");
                refused += 1;
            }
        }
    }
    assert!(acknowledged.len() > 5 && refused > 0, "{} acknowledged, {refused} refused", acknowledged.len());

    until("the API answers again", || async { list(&platform).await.0 == StatusCode::OK }).await;
    for id in &acknowledged {
        let (status, found) = call(&platform, Method::GET, &format!("/experiments/{id}"), &Value::Null).await;
        assert_eq!((status, &found["experiment_id"]), (StatusCode::OK, &json!(id)));
    }
    succeeds(&platform, &run).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_the_api_says_so_and_forgets_nothing() {
    let platform = platform().await;
    let id = experiment(&platform).await;
    let scale = |replicas: u32| {
        let key = Key::new("apps", "deployments", "kubeflow", "mysql");
        let edit = |deployment: &mut Value| {
            deployment["spec"]["replicas"] = json!(replicas);
            true
        };
        platform.world().store.update(&key, None, edit).unwrap();
    };
    scale(0);
    until("the API has no database", || async { list(&platform).await.0 == StatusCode::INTERNAL_SERVER_ERROR }).await;
    let (_, refusal) = list(&platform).await;
    assert_eq!((&refusal["code"], &refusal["details"][0]["message"]), (&json!(13), &json!("Internal Server Error")));
    scale(1);
    until("the API answers again", || async { list(&platform).await.0 == StatusCode::OK }).await;
    assert_eq!(list(&platform).await.1["experiments"][0]["experiment_id"], id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_reported_by_the_agent_and_a_strange_workflow_is_removed() {
    let platform = platform().await;
    let experiment = experiment(&platform).await;
    let run = run(&platform, &experiment).await;
    succeeds(&platform, &run).await;
    let strange = Key::new("argoproj.io", "workflows", NAMESPACE, "strange");
    let labels = json!({"pipeline/runid": "nobody-knows"});
    let object = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
        "metadata": {"name": "strange", "namespace": NAMESPACE, "labels": labels},
        "spec": {"serviceAccountName": "default-editor"}});
    platform.world().store.create(&strange, object).unwrap();
    until("the strange Workflow is gone", || async { platform.world().store.get(&strange).is_none() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v1beta1_makes_shows_and_ends_the_same_runs() {
    let platform = &platform().await;
    // Nothing moves the run, so it is there to be terminated.
    let controller = Key::new("apps", "deployments", "kubeflow", "workflow-controller");
    platform.world().store.delete(&controller).unwrap();
    until("no workflow controller", || async {
        let pods = platform.world().store.list("", "pods", Some("kubeflow"));
        !pods.iter().any(|pod| object::label(pod, "app") == Some("workflow-controller"))
    })
    .await;
    let old = |method: Method, path: String, body: Value| async move {
        call_of(platform, "v1beta1", method, &path, &body).await
    };
    let experiment = experiment(platform).await;
    let owner = |kind: &str, id: &str| json!({"key": {"type": kind, "id": id}, "relationship": "OWNER"});

    let sent = json!({"pipeline_manifest": PIPELINE});
    let body = json!({"name": "r", "pipeline_spec": sent, "resource_references": belongs_to(&experiment)});
    let (status, made) = old(Method::POST, "/runs".into(), body).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let id = made["run"]["id"].as_str().unwrap().to_owned();
    let (_, new) = call(platform, Method::GET, &format!("/runs/{id}"), &Value::Null).await;
    assert_eq!((&new["display_name"], &new["experiment_id"]), (&json!("r"), &json!(experiment)), "{new}");
    assert_eq!(new["pipeline_spec"]["pipelineInfo"]["name"], "one");

    let (_, found) = old(Method::GET, format!("/runs/{id}"), Value::Null).await;
    assert!(found["pipeline_runtime"].is_object(), "{found}");
    let run = &found["run"];
    assert_eq!(run["resource_references"], json!([owner("EXPERIMENT", &experiment), owner("NAMESPACE", NAMESPACE)]));
    let manifest: Value = serde_json::from_str(run["pipeline_spec"]["pipeline_manifest"].as_str().unwrap()).unwrap();
    assert_eq!((&manifest["pipelineInfo"]["name"], run.get("storage_state")), (&json!("one"), None), "{run}");

    let listed = format!("/runs?resource_reference_key.type=EXPERIMENT&resource_reference_key.id={experiment}");
    assert_eq!(old(Method::GET, listed, Value::Null).await.1["runs"][0]["id"], id);

    assert_eq!(old(Method::POST, format!("/runs/{id}:archive"), json!({})).await.0, StatusCode::OK);
    assert_eq!(
        old(Method::GET, format!("/runs/{id}"), Value::Null).await.1["run"]["storage_state"],
        "STORAGESTATE_ARCHIVED"
    );
    assert_eq!(old(Method::POST, format!("/runs/{id}:terminate"), json!({})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(old(Method::POST, format!("/runs/{id}/terminate"), json!({})).await.0, StatusCode::OK);
    assert_eq!(old(Method::DELETE, format!("/runs/{id}"), Value::Null).await.0, StatusCode::OK);
    let (status, gone) = old(Method::GET, format!("/runs/{id}"), Value::Null).await;
    assert_eq!((status, &gone["code"]), (StatusCode::NOT_FOUND, &json!(5)));
    assert!(gone["message"].as_str().unwrap().starts_with("Failed to get a v1beta1 run: "), "{gone}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v1beta1_makes_switches_and_removes_the_same_schedules() {
    let platform = &platform().await;
    let old = |method: Method, path: String, body: Value| async move {
        call_of(platform, "v1beta1", method, &path, &body).await
    };
    let experiment = experiment(platform).await;
    let body = json!({
        "name": "j", "enabled": true, "max_concurrency": "2", "resource_references": belongs_to(&experiment),
        "trigger": {"periodic_schedule": {"interval_second": "3600"}}, "pipeline_spec": {"pipeline_manifest": PIPELINE},
    });
    let (status, made) = old(Method::POST, "/jobs".into(), body).await;
    assert_eq!((status, &made["enabled"]), (StatusCode::OK, &json!(true)), "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(old(Method::POST, format!("/jobs/{id}/disable"), json!({})).await.0, StatusCode::OK);

    let (_, new) = call(platform, Method::GET, &format!("/recurringruns/{id}"), &Value::Null).await;
    assert_eq!((&new["display_name"], &new["mode"]), (&json!("j"), &json!("DISABLE")), "{new}");
    let (_, shown) = old(Method::GET, format!("/jobs/{id}"), Value::Null).await;
    assert_eq!((shown.get("enabled"), &shown["max_concurrency"]), (None, &json!("2")), "{shown}");
    assert_eq!(shown["trigger"], new["trigger"]);
    assert_eq!(shown["resource_references"][1]["key"], json!({"type": "EXPERIMENT", "id": experiment}));

    assert_eq!(old(Method::DELETE, format!("/jobs/{id}"), Value::Null).await.0, StatusCode::OK);
    let (status, gone) = old(Method::GET, format!("/jobs/{id}"), Value::Null).await;
    assert_eq!((status, &gone["code"]), (StatusCode::NOT_FOUND, &json!(5)), "{gone}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v1beta1_shows_and_removes_the_same_pipelines_and_runs_the_latest_version() {
    let platform = &platform().await;
    let old = |method: Method, path: String, body: Value| async move {
        call_of(platform, "v1beta1", method, &path, &body).await
    };
    let uploaded = upload(platform, &format!("/pipelines/upload?name=p&namespace={NAMESPACE}")).await;
    let (id, version) = (uploaded["id"].as_str().unwrap(), uploaded["default_version"]["id"].as_str().unwrap());
    let (_, new) = call(platform, Method::GET, &format!("/pipelines/{id}"), &Value::Null).await;
    assert_eq!((&new["display_name"], &new["namespace"]), (&json!("p"), &json!(NAMESPACE)), "{new}");

    let (_, shown) = old(Method::GET, format!("/pipelines/{id}"), Value::Null).await;
    assert_eq!(shown, uploaded);
    let listed = format!("/pipelines?resource_reference_key.type=NAMESPACE&resource_reference_key.id={NAMESPACE}");
    assert_eq!(old(Method::GET, listed, Value::Null).await.1["pipelines"], json!([uploaded]));
    let versions = format!("/pipeline_versions?resource_key.type=PIPELINE&resource_key.id={id}");
    assert_eq!(old(Method::GET, versions, Value::Null).await.1["versions"], json!([uploaded["default_version"]]));

    let references = belongs_to(&experiment(platform).await);
    let body = json!({"name": "r", "pipeline_spec": {"pipeline_id": id}, "resource_references": references});
    let (_, made) = old(Method::POST, "/runs".into(), body).await;
    assert_eq!(
        made["run"]["resource_references"][2]["key"],
        json!({"type": "PIPELINE_VERSION", "id": version}),
        "{made}"
    );

    let whole = format!("/pipelines/{id}");
    assert_eq!(old(Method::DELETE, whole.clone(), Value::Null).await.1["code"], 3, "it has a version");
    assert_eq!(old(Method::DELETE, format!("/pipeline_versions/{version}"), Value::Null).await.0, StatusCode::OK);
    assert_eq!(old(Method::GET, whole.clone(), Value::Null).await.1["code"], 5, "it has no version to show");
    assert_eq!(old(Method::DELETE, whole, Value::Null).await.0, StatusCode::OK);
    assert_eq!(call(platform, Method::GET, &format!("/pipelines/{id}"), &Value::Null).await.1["code"], 5);
}

/// Uploads the pipeline by v1beta1, as a browser does.
async fn upload(platform: &Platform, path: &str) -> Value {
    let head = "--b\r\nContent-Disposition: form-data; name=\"uploadfile\"; filename=\"p.json\"\r\n\r\n";
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://ml-pipeline.kubeflow:8888/apis/v1beta1{path}"))
        .header("kubeflow-userid", USER)
        .header("content-type", "multipart/form-data; boundary=b")
        .body(Body::from(format!("{head}{PIPELINE}\r\n--b--\r\n")))
        .unwrap();
    let ui = Caller { namespace: "kubeflow".into(), service_account: "ml-pipeline-ui".into(), in_mesh: true };
    let bytes = mesh::call(platform.world(), ui, request).await.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

fn belongs_to(experiment: &str) -> Value {
    json!([{"key": {"type": "EXPERIMENT", "id": experiment}, "relationship": "OWNER"}])
}
