//! A cluster is made, used, and deleted; what was cut off is gone on with; nobody else's is touched.

use std::time::Duration;

use clusters::{Kind, Mode, ProvideError, Provider};
use tokio_util::sync::CancellationToken;

use super::fakes::{Machine, provide, refused};

fn count(machine: &Machine, call: &str) -> usize {
    machine.calls().lines().filter(|line| line.starts_with(call)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_made_used_and_deleted() {
    let machine = Machine::with_api().await;
    let kind = Kind { node_image: Some("local/node:v1.34.0".to_owned()), ..machine.kind("a") };
    let provided = provide(&kind).await.unwrap();
    assert_eq!((provided.target.mode, provided.target.name.as_str()), (Mode::Disposable, "kind-a"));
    assert!(provided.kubernetes_version.is_some() && provided.kubeconfig.is_some());
    assert!(machine.calls().contains("--image local/node:v1.34.0"), "{}", machine.calls());
    assert!(machine.exists("clusters/a"));
    drop(provided);
    assert!(!machine.exists("clusters/a") && !machine.exists("state/a/kubeconfig"), "{}", machine.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_live_side_by_side_and_one_is_used_by_one_run_only() {
    let machine = Machine::with_api().await;
    let (a, b) = (provide(&machine.kind("a")).await.unwrap(), provide(&machine.kind("b")).await.unwrap());
    refused(&machine.kind("a"), &["another run uses the kind cluster a", "--cluster-name"]).await;
    drop(a);
    assert!(machine.exists("clusters/b") && !machine.exists("clusters/a"));
    drop(b);
    assert!(!machine.exists("clusters/b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_cluster_is_used_again_unless_something_else_is_asked_for() {
    let machine = Machine::with_api().await;
    let kept = Kind { keep: true, ..machine.kind("a") };
    drop(provide(&kept).await.unwrap());
    assert!(machine.exists("clusters/a"));
    let other = Kind { node_image: Some("local/other:v1".to_owned()), ..machine.kind("a") };
    refused(&other, &["from another image or configuration", "kind delete cluster --name a"]).await;
    assert!(machine.exists("clusters/a"));
    drop(provide(&machine.kind("a")).await.unwrap());
    assert_eq!(count(&machine, "kind create"), 1, "{}", machine.calls());
    assert_eq!(count(&machine, "docker start a-control-plane"), 1, "{}", machine.calls());
    assert!(!machine.exists("clusters/a"));
}

/// Istio's CNI plug-in is the platform's, though it stands in kube-system: an installation that lacks its image goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_never_got_ready_does_not_keep_its_cluster_from_being_used_again() {
    let machine = Machine::with_api().await;
    let kept = Kind { keep: true, ..machine.kind("a") };
    let provided = provide(&kept).await.unwrap();
    let plugin = serde_json::json!({ "metadata": { "name": "istio-cni-node" }, "spec": {
        "selector": { "matchLabels": { "app": "cni" } },
        "template": { "metadata": { "labels": { "app": "cni" } },
            "spec": { "containers": [{ "name": "c", "image": "registry.invalid/install-cni:1" }] } } } });
    let client = kube::Client::try_from(provided.target.kube.clone()).unwrap();
    let request = http::Request::post("/apis/apps/v1/namespaces/kube-system/daemonsets");
    let request = request.body(plugin.to_string().into_bytes()).unwrap();
    client.request::<serde_json::Value>(request).await.unwrap();
    drop(provided);
    let again = tokio::time::timeout(Duration::from_secs(30), provide(&machine.kind("a"))).await;
    drop(again.expect("it does not wait for the platform").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_made_cluster_is_made_anew() {
    let machine = Machine::with_api().await;
    machine.write("clusters/a", "a-control-plane\n");
    machine.write("marked/a-control-plane", "");
    let provided = provide(&machine.kind("a")).await.unwrap();
    assert_eq!((count(&machine, "kind delete"), count(&machine, "kind create")), (1, 1), "{}", machine.calls());
    drop(provided);
    assert!(!machine.exists("clusters/a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_cannot_be_made_is_deleted_unless_it_is_kept() {
    let machine = Machine::new();
    let words = "ERROR: failed to create cluster: failed to pull image \"x\": no route to host";
    machine.write(
        "broken",
        &format!("Creating cluster\n{words}\nCommand Output: Error response: refused\n\nStack Trace:\n"),
    );
    let wanted = ["making the kind cluster a failed", words, "; Error response: refused; see", "create.log"];
    let error = refused(&machine.kind("a"), &wanted).await;
    let log = machine.path("state/a/create.log");
    assert!(error.contains(&log.display().to_string()) && log.exists(), "{error}");
    assert!(!machine.exists("clusters/a"));
    refused(&Kind { keep: true, ..machine.kind("a") }, &[words]).await;
    assert!(machine.exists("clusters/a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_leaves_nothing_behind() {
    let machine = Machine::new();
    machine.write("slow", "");
    let (kind, cancel) = (machine.kind("a"), CancellationToken::new());
    let started = async {
        while !machine.exists("started") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    let (provided, ()) = tokio::join!(kind.provide(&cancel), started);
    assert!(matches!(provided, Err(ProvideError::Interrupted)));
    assert!(!machine.exists("clusters/a"), "{}", machine.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_took_the_name_meanwhile_is_left_alone() {
    let machine = Machine::with_api().await;
    let provided = provide(&machine.kind("a")).await.unwrap();
    std::fs::remove_file(machine.path("marked/a-control-plane")).unwrap();
    drop(provided);
    assert!(machine.exists("clusters/a") && count(&machine, "kind delete") == 0, "{}", machine.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_machine_is_tried_when_that_is_said() {
    let machine = Machine::with_api().await;
    machine.write("info", "{\"MemTotal\":1}");
    refused(&machine.kind("a"), &["2 GiB of memory", "--ignore-resources"]).await;
    drop(provide(&Kind { ignore_resources: true, ..machine.kind("a") }).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_of_images_are_loaded() {
    let machine = Machine::with_api().await;
    machine.write("images.tar", "");
    let kind = Kind { archives: vec![machine.path("images.tar")], ..machine.kind("a") };
    drop(provide(&kind).await.unwrap());
    assert_eq!(count(&machine, "kind load image-archive"), 1, "{}", machine.calls());
    let missing = Kind { archives: vec!["nowhere.tar".into()], ..machine.kind("a") };
    refused(&missing, &["loading nowhere.tar", "--image-archive"]).await;
    assert!(!machine.exists("clusters/a"));
}
