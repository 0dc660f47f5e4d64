//! The bundled object store: objects live as long as its volume claim, and only its own keys open it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use std::time::Duration;

use embedded::actors::object_store::{Client, ConnectError, Credentials, StoreError, reach};
use embedded::store::Key;
use embedded::{Options, Platform, Release, Start, object};
use serde_json::{Value, json};

const STORE: (&str, &str) = ("minio-service.kubeflow", "9000");
const NAMESPACE: &str = "kubeflow-user-example-com";

async fn platform() -> Platform {
    let start = Start::Release(Release::V1_9_1);
    Platform::start(Options { start, ..Options::default() }).await.unwrap()
}

/// The keys that a namespace has.
fn keys(platform: &Platform, namespace: &str) -> Option<Credentials> {
    let key = Key::new("", "secrets", namespace, "mlpipeline-minio-artifact");
    let secret = platform.world().store.get(&key)?;
    let value = |name: &str| {
        use base64::Engine as _;
        let encoded = object::text(&secret, &format!("/data/{name}")).to_owned();
        String::from_utf8(base64::prelude::BASE64_STANDARD.decode(encoded).unwrap()).unwrap()
    };
    Some(Credentials { access: value("accesskey"), secret: value("secretkey") })
}

async fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let reached = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

async fn open(platform: &Platform) -> Client {
    until("the store answers with the tenant's keys", || {
        reach(platform.world(), NAMESPACE, STORE, &keys(platform, NAMESPACE)?).ok()
    })
    .await
}

fn pods(platform: &Platform) -> Vec<Key> {
    let pods = platform.world().store.list("", "pods", Some("kubeflow"));
    let of_minio = pods.iter().filter(|pod| object::label(pod, "app") == Some("minio"));
    of_minio.map(|pod| Key::new("", "pods", "kubeflow", object::name(pod))).collect()
}

/// Lets the store begin anew: its pod is deleted, and another one has taken its place.
async fn restart(platform: &Platform) {
    let before = pods(platform);
    platform.world().store.delete(&before[0]).unwrap();
    until("another pod", || pods(platform).iter().any(|pod| *pod != before[0]).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_outlive_the_pod_and_not_the_claim() {
    let platform = platform().await;
    let client = open(&platform).await;
    until("the API server has made its bucket", || client.get("mlpipeline", "x").is_err().then_some(())).await;
    until("a write", || client.put("mlpipeline", "kept", "text/plain", b"kept".to_vec()).ok()).await;
    restart(&platform).await;
    assert_eq!(open(&platform).await.get("mlpipeline", "kept").unwrap().bytes.as_ref(), b"kept");
    // Without the claim the folder dies with the pod.
    let key = Key::new("apps", "deployments", "kubeflow", "minio");
    platform
        .world()
        .store
        .update(&key, None, |deployment| {
            deployment["spec"]["template"]["spec"]["volumes"] = json!([{"name": "minio-pvc", "emptyDir": {}}]);
            true
        })
        .unwrap();
    until("the objects are gone", || {
        let client = reach(platform.world(), NAMESPACE, STORE, &keys(&platform, NAMESPACE)?).ok()?;
        client.get("mlpipeline", "kept").is_err().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_keys_of_the_secret_open_it() {
    let platform = platform().await;
    open(&platform).await;
    let good = keys(&platform, "kubeflow").unwrap();
    let with = |credentials: &Credentials| reach(platform.world(), "kubeflow", STORE, credentials).err();
    assert_eq!(with(&good), None);
    let other = Credentials { secret: "another-secret".to_owned(), ..good.clone() };
    assert_eq!(with(&other), Some(ConnectError::Denied(StoreError::WrongSecret)));
    let other = Credentials { access: "nobody".to_owned(), ..good.clone() };
    assert_eq!(with(&other), Some(ConnectError::Denied(StoreError::UnknownKey)));
    let elsewhere = reach(platform.world(), "kubeflow", ("minio.example", "9000"), &good).err();
    assert_eq!(elsewhere, Some(ConnectError::Unknown("minio.example".to_owned())));
}

/// What a tenant needs to run pipelines is made, and made again; a namespace that runs none has nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_gets_keys_and_an_artifact_server() {
    let platform = platform().await;
    let world = platform.world();
    let found = |group: &str, plural: &str, name: &str| world.store.get(&Key::new(group, plural, NAMESPACE, name));
    let secret = until("the keys", || found("", "secrets", "mlpipeline-minio-artifact")).await;
    until("its artifact server is ready", || {
        let server = found("apps", "deployments", "ml-pipeline-ui-artifact")?;
        (server.pointer("/status/readyReplicas").and_then(Value::as_i64) == Some(1)).then_some(())
    })
    .await;
    world.store.delete(&Key::new("", "secrets", NAMESPACE, "mlpipeline-minio-artifact")).unwrap();
    until("the keys are made again", || {
        found("", "secrets", "mlpipeline-minio-artifact").filter(|again| object::uid(again) != object::uid(&secret))
    })
    .await;
    world
        .store
        .update(&Key::new("", "namespaces", "", NAMESPACE), None, |namespace| {
            namespace["metadata"]["labels"]["pipelines.kubeflow.org/enabled"] = json!("false");
            true
        })
        .unwrap();
    until("a namespace that runs no pipelines has no keys", || {
        found("", "secrets", "mlpipeline-minio-artifact").is_none().then_some(())
    })
    .await;
}
