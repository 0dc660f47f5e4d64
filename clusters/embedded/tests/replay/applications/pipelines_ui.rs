//! The UI server of Kubeflow Pipelines: its own routes, what it passes on to the API server, to tenants' artifact servers
//! and to whatever host a caller names.
//!
//! The laboratory's addresses are this platform's here. A canary, which answers with what it received, stands where the
//! recording had one: behind the forward proxy, and in place of otto's artifact server.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use embedded::actors::object_store::{Credentials, reach};
use embedded::object;
use embedded::platform::World;
use embedded::store::Key;
use http::Method;
use serde_json::{Value, json};

use super::recorded::Recorded;
use super::{Application, Setup, play};
use crate::recordings;

const PIPELINES_UI: Application =
    Application { name: "kfp-ui", service: SERVICE, setup, objects, seed, before, comparable };
const SERVICE: &str = "ml-pipeline-ui.kubeflow.svc.cluster.local:80";
/// The laboratory's addresses, and what stands for them.
const ADDRESSES: [(&str, &str); 7] = [
    ("127.0.0.1:31300", SERVICE),
    ("127.0.0.1:31301", SERVICE),
    ("127.0.0.1:39999", "canary.lab:80"),
    ("127.0.0.1%3A39999", "canary.lab%3A80"),
    ("127.0.0.1:39998", "nobody.lab:80"),
    ("127.0.0.1:39000", "minio-service.kubeflow:9000"),
    ("127.0.0.3:80", "ml-pipeline-ui-artifact.otto:80"),
];
/// What the canary is asked about.
const SEEN: [&str; 5] = ["authorization", "cookie", "kubeflow-userid", "referer", "x-extra"];
/// The experiment that the recording found in each namespace, its owner, and what it was called.
const EXPERIMENTS: [(&str, &str); 2] = [("wanda", "exp-wanda"), ("otto", "exp-otto")];
const BUCKET: &str = "mlpipeline";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelines_ui_answers_as_recorded() {
    let Some(file) = recordings::file(&format!("app-{}", PIPELINES_UI.name)) else { return };
    let lines = recordings::lines(&file);
    play(&PIPELINES_UI, "v1.9.1", lines.iter().map(|line| Recorded::of(&placed(line)))).await;
}

/// A recorded line with this platform's addresses, and without what the canary itself added to its answers.
fn placed(line: &Value) -> Value {
    let text = ADDRESSES.iter().fold(line.to_string(), |text, (from, to)| text.replace(from, to));
    let mut line: Value = serde_json::from_str(&text).unwrap();
    if let Some(headers) = line["headers"].as_array_mut() {
        headers.retain(|header| {
            let (name, value) = (header[0].as_str().unwrap().to_ascii_lowercase(), header[1].as_str().unwrap());
            !(name == "server" && value.starts_with("BaseHTTP") || name == "set-cookie" && value.starts_with("canary="))
        });
    }
    line
}

/// The recording began with an experiment in each namespace.
fn before(one: &Recorded) -> Vec<Recorded> {
    if !one.path.contains("/v2beta1/experiments") {
        return Vec::new();
    }
    let create = |(namespace, name): (&str, &str)| {
        let body = json!({"display_name": name, "namespace": namespace}).to_string();
        Recorded::lacking(&format!("{namespace}@example.com"), Method::POST, "/apis/v2beta1/experiments", &body)
    };
    // A second time each is refused, as it is there.
    EXPERIMENTS.into_iter().map(create).collect()
}

/// Pods of the tenants, their artifact servers, and the canary.
fn objects() -> Vec<Value> {
    let pod = |namespace: &str, name: &str, image: &str, more: Value| {
        let mut container = json!({"name": "main", "image": image});
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": namespace, "name": name, "labels": {"app": name, "sidecar.istio.io/inject": "false"}},
            "spec": {"restartPolicy": if image == "busybox" { "Never" } else { "Always" }, "containers": [container]}})
    };
    let service = |namespace: &str, name: &str, port: u16| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": name},
            "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": port}]}})
    };
    let canary = json!({"ports": [{"containerPort": 80}]});
    let key = |name: &str| json!({"secretKeyRef": {"name": "keys", "key": name}});
    let frontend = json!({"ports": [{"containerPort": 3000}], "env": [
        {"name": "MINIO_ACCESS_KEY", "valueFrom": key("accesskey")},
        {"name": "MINIO_SECRET_KEY", "valueFrom": key("secretkey")}]});
    let says = "echo 'line one of /containerLogs/wanda/user/main'; echo 'line two'";
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lab"}}),
        pod("lab", "canary", "echo", canary.clone()),
        service("lab", "canary", 80),
        pod("otto", "ml-pipeline-ui-artifact", "echo", canary),
        service("otto", "ml-pipeline-ui-artifact", 80),
        pod("wanda", "ml-pipeline-ui-artifact", "gcr.io/ml-pipeline/frontend:2.3.0", frontend),
        service("wanda", "ml-pipeline-ui-artifact", 3000),
        pod("wanda", "user", "busybox", json!({"command": ["sh", "-c", says]})),
        pod("otto", "secretpod", "busybox", json!({"env": [{"name": "PASSWORD", "value": "canary-secret-of-otto"}]})),
    ]
}

/// The objects that the recording found in the store.
fn seed(world: &World) {
    let secret = world.store.get(&Key::new("", "secrets", "kubeflow", "mlpipeline-minio-artifact")).unwrap();
    let copy = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "wanda", "name": "keys"},
        "data": secret["data"]});
    world.store.create(&Key::new("", "secrets", "wanda", "keys"), copy).unwrap();
    let keys = keys(&secret);
    let is_ready = |pod: &Key| {
        let pod = world.store.get(pod).unwrap_or_default();
        let conditions = object::list(&pod, "/status/conditions").iter();
        conditions.clone().any(|one| one["type"] == "Ready" && one["status"] == "True")
    };
    for place in ["lab/canary", "otto/ml-pipeline-ui-artifact", "wanda/ml-pipeline-ui-artifact"] {
        let (namespace, name) = place.split_once('/').unwrap();
        until(place, || is_ready(&Key::new("", "pods", namespace, name)).then_some(()));
    }
    let minio = world.store.get(&Key::new("apps", "deployments", "kubeflow", "minio")).unwrap();
    if minio["spec"]["replicas"] == 0 {
        return;
    }
    let store = until("MinIO", || reach(world, "kubeflow", ("minio-service", "9000"), &keys).ok());
    let big: String = "0123456789abcdef\n".repeat(120_000);
    let packed = miniz_oxide::deflate::compress_to_vec(b"gzipped text", 6);
    let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &packed, &[0; 8]].concat();
    store.ensure_bucket(BUCKET).unwrap();
    for (key, bytes) in [
        ("otto/secret.txt", b"canary-artifact-of-otto".to_vec()),
        ("wanda/a.txt", b"wanda text artifact\nsecond line\n".to_vec()),
        ("wanda/a.gz", gzip),
        ("wanda/empty", Vec::new()),
        ("wanda/page.html", b"<script>1</script>".to_vec()),
        ("wanda/sp ace+ü.txt", b"odd key".to_vec()),
        ("wanda/big.txt", big.into_bytes()),
    ] {
        store.put(BUCKET, &format!("private-artifacts/{key}"), "text/plain", bytes).unwrap();
    }
}

/// The keys that a Secret holds.
fn keys(secret: &Value) -> Credentials {
    let value = |name: &str| {
        let encoded = secret["data"][name].as_str().unwrap();
        String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap()
    };
    Credentials { access: value("accesskey"), secret: value("secretkey") }
}

fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn comparable(_: &Recorded, json: &mut Value) {
    // The laboratory's build had no version.
    for name in ["apiServerTagName", "tag_name"] {
        if json.get(name).is_some() {
            json[name] = json!("unknown");
        }
    }
    // Which pod it is and what it gives away count; the kubelet of the laboratory was played, and made no events.
    match json["kind"].as_str() {
        Some("Pod") => {
            let seen = |pointer: &str| json.pointer(pointer).cloned().unwrap_or_default();
            let (name, home) = (seen("/metadata/name"), seen("/metadata/namespace"));
            *json = json!({"kind": "Pod", "name": name, "namespace": home, "env": seen("/spec/containers/0/env")});
        }
        Some("EventList") => json["items"] = json!([]),
        _ => {}
    }
    if let Some(received) = received(json) {
        *json = received;
    }
}

/// What a canary received, ours or the recording's: method, path, and those headers that must or must not arrive.
fn received(json: &Value) -> Option<Value> {
    let (method, path) = match (json["request_line"].as_str(), json.get("canary")) {
        (Some(line), _) => {
            let mut words = line.split(' ');
            (words.next()?.to_owned(), words.next()?.to_owned())
        }
        (None, Some(_)) => (json["method"].as_str()?.to_owned(), json["path"].as_str()?.to_owned()),
        _ => return None,
    };
    let mut headers: Vec<String> = Vec::new();
    for header in json["headers"].as_array()? {
        let name = header[0].as_str()?.to_ascii_lowercase();
        if SEEN.contains(&name.as_str()) {
            headers.push(format!("{name}: {}", header[1].as_str()?));
        }
    }
    headers.sort();
    Some(json!({"method": method, "path": path, "headers": headers}))
}

fn setup(one: &Recorded) -> Setup {
    let label = one.label.as_str();
    let usual = ["index", "healthz", "after"].contains(&label);
    match one.group.as_str() {
        "minio-refuse" if !usual => Setup::Changed("without MinIO", |objects| stop(objects, "minio")),
        "kfp-api-refuse" => Setup::Changed("without API server", |objects| stop(objects, "ml-pipeline")),
        "kfp-api-reset" | "kfp-api-hang" if label != "api post" && label != "tensorboard get" => {
            Setup::Changed("without API server", |objects| stop(objects, "ml-pipeline"))
        }
        "minio-reset" | "minio-hang" | "kfp-api-reset" | "kfp-api-hang" if !usual => {
            Setup::LeftOut("nothing hangs or breaks connections here")
        }
        "apiserver-refuse" | "apiserver-reset" | "apiserver-hang" if !usual => {
            Setup::LeftOut("the Kubernetes API is never away here")
        }
        _ => Setup::Usual,
    }
}

/// A Deployment of the platform without pods.
fn stop(objects: &mut [Value], deployment: &str) {
    let it = objects.iter_mut().find(|one| one["kind"] == "Deployment" && one["metadata"]["name"] == deployment);
    it.unwrap()["spec"]["replicas"] = json!(0);
}
