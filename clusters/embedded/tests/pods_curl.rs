//! What a program in a pod reaches, with a sidecar and without: names, NetworkPolicies, AuthorizationPolicies. Commands
//! run as `kubectl exec` runs them, by the crate `kube`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects")]

use std::time::Duration;

use embedded::kubelet::lifecycle::is_ready;
use embedded::store::Key;
use embedded::{Options, Platform, Release, Start, blueprint, object};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

const HOME: &str = "kubeflow-user-example-com";
const DEX: &str = "http://dex.auth:5556/dex/.well-known/openid-configuration";

struct Cluster {
    platform: Platform,
    pods: Api<Pod>,
}

impl Cluster {
    async fn start(release: Release) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let start = Start::Release(release);
        let platform = Platform::start(Options { start, ..Options::default() }).await.unwrap();
        let kubeconfig = Kubeconfig::from_yaml(&platform.kubeconfig()).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let pods = Api::namespaced(Client::try_from(config).unwrap(), HOME);
        let cluster = Self { platform, pods };
        let store = &cluster.platform.world().store;
        cluster.until(|| store.get(&Key::new("", "serviceaccounts", HOME, "default-editor")).is_some()).await;
        for (name, inject) in [("meshed", "true"), ("bare", "false")] {
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "labels": {"sidecar.istio.io/inject": inject}},
                "spec": {"serviceAccountName": "default-editor",
                         "volumes": [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {
                             "path": "token", "audience": "pipelines.kubeflow.org"}}]}}],
                         "containers": [{"name": "probe", "image": "istio/proxyv2:1.22.1", "command": ["sleep", "60"],
                                         "volumeMounts": [{"name": "t", "mountPath": "/run/pipelines"}]}]},
            });
            cluster.pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
        }
        let app_ready = |app: &str| {
            let pods = store.list("", "pods", None);
            pods.iter().any(|pod| object::label(pod, "app") == Some(app) && is_ready(pod))
        };
        let named_ready = |name: &str| store.get(&Key::new("", "pods", HOME, name)).is_some_and(|pod| is_ready(&pod));
        cluster
            .until(|| {
                ["dex", "ml-pipeline", "jupyter-web-app"].into_iter().all(app_ready)
                    && ["meshed", "bare"].into_iter().all(named_ready)
            })
            .await;
        cluster
    }

    async fn until(&self, holds: impl Fn() -> bool) {
        let reached = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reached).await.unwrap();
    }

    /// What a command writes, and its exit code.
    async fn run(&self, pod: &str, command: &[&str]) -> (String, String) {
        let how = AttachParams::default().container("probe").stdin(false).stdout(true).stderr(true);
        let mut process = self.pods.exec(pod, command.iter().copied(), &how).await.unwrap();
        let status = process.take_status().unwrap();
        let (mut out, mut complaint) = (String::new(), String::new());
        process.stdout().unwrap().read_to_string(&mut out).await.unwrap();
        process.stderr().unwrap().read_to_string(&mut complaint).await.unwrap();
        let status = status.await.unwrap();
        assert_eq!(status.status.as_deref() == Some("Success"), complaint.is_empty(), "{complaint}");
        (out, complaint)
    }

    async fn first_line(&self, pod: &str, arguments: &[&str]) -> String {
        let command = [&["curl", "-sSi", "-m", "5"], arguments].concat();
        let (out, complaint) = self.run(pod, &command).await;
        [complaint, out].concat().lines().next().unwrap_or_default().to_owned()
    }

    fn address(&self, app: &str) -> String {
        let pods = self.platform.world().store.list("", "pods", Some("kubeflow"));
        let pod = pods.iter().find(|pod| object::label(pod, "app") == Some(app)).unwrap();
        object::text(pod, "/status/podIP").to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_meets_the_mesh_and_the_network() {
    let cluster = Cluster::start(Release::V1_9_1).await;
    let healthy = "http://ml-pipeline.kubeflow.svc.cluster.local:8888/apis/v2beta1/healthz";
    let by_address = format!("http://{}:8888/apis/v2beta1/healthz", cluster.address("ml-pipeline"));
    let jupyter = "http://jupyter-web-app-service.kubeflow/";
    let claim = ["-H", "kubeflow-userid: user@example.com"];
    for pod in ["meshed", "bare"] {
        assert_eq!(cluster.first_line(pod, &[DEX]).await, "HTTP/1.1 200 OK", "{pod}");
        assert_eq!(cluster.first_line(pod, &[healthy]).await, "HTTP/1.1 200 OK", "{pod}");
        assert_eq!(cluster.first_line(pod, &[claim[0], claim[1], healthy]).await, "HTTP/1.1 403 Forbidden", "{pod}");
        assert_eq!(
            cluster.first_line(pod, &[claim[0], claim[1], &by_address]).await,
            "HTTP/1.1 403 Forbidden",
            "{pod}"
        );
        assert_eq!(
            cluster.first_line(pod, &["http://nobody.kubeflow/"]).await,
            "curl: (6) Could not resolve host: nobody.kubeflow"
        );
    }
    let runs = format!("http://ml-pipeline.kubeflow:8888/apis/v2beta1/runs?namespace={HOME}");
    for (file, answer) in [
        ("/run/pipelines/token", "HTTP/1.1 200 OK"),
        ("/var/run/secrets/kubernetes.io/serviceaccount/token", "HTTP/1.1 401 Unauthorized"),
    ] {
        let (token, _) = cluster.run("meshed", &["cat", file]).await;
        let bearer = format!("authorization: Bearer {token}");
        assert_eq!(cluster.first_line("meshed", &["-H", &bearer, &runs]).await, answer, "{file}");
    }
    // NetworkPolicies of this release let only the gateway's namespace to the applications.
    assert_eq!(cluster.first_line("meshed", &[jupyter]).await, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(
        cluster.first_line("bare", &[jupyter]).await,
        "curl: (28) Connection timed out: jupyter-web-app-service.kubeflow"
    );
    let by_address = format!("http://{}:5000/", cluster.address("jupyter-web-app"));
    assert_eq!(cluster.first_line("meshed", &[&by_address]).await, "curl: (56) Recv failure: Connection reset by peer");
    assert!(cluster.first_line("bare", &[&by_address]).await.starts_with("curl: (28)"));
    let switches = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "switches", "namespace": "embedded-reference-platform"},
        "data": {"network-policies-unenforced": "true"}});
    blueprint::put(cluster.platform.world(), [switches]).unwrap();
    for pod in ["meshed", "bare"] {
        assert_eq!(cluster.first_line(pod, &[jupyter]).await, "HTTP/1.1 403 Forbidden", "{pod}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_a_sidecar_has_errors_of_its_socket() {
    let cluster = Cluster::start(Release::V1_8_1).await;
    let nobody_listens = format!("http://{}:81/", cluster.address("ml-pipeline"));
    assert!(cluster.first_line("bare", &[&nobody_listens]).await.starts_with("curl: (7)"));
    assert_eq!(cluster.first_line("meshed", &[&nobody_listens]).await, "HTTP/1.1 503 Service Unavailable");
    let strict = json!({"apiVersion": "security.istio.io/v1beta1", "kind": "PeerAuthentication",
        "metadata": {"name": "strict", "namespace": "kubeflow"}, "spec": {"mtls": {"mode": "STRICT"}}});
    blueprint::put(cluster.platform.world(), [strict]).unwrap();
    let jupyter = "http://jupyter-web-app-service.kubeflow/";
    assert!(cluster.first_line("bare", &[jupyter]).await.starts_with("curl: (56)"));
    // Through the sidecars, by name: mutual TLS, and the policy refuses.
    assert_eq!(cluster.first_line("meshed", &[jupyter]).await, "HTTP/1.1 403 Forbidden");
    // To an address a sidecar passes plain text on.
    let by_address = format!("http://{}:5000/", cluster.address("jupyter-web-app"));
    assert_eq!(cluster.first_line("meshed", &[&by_address]).await, "HTTP/1.1 503 Service Unavailable");
    let (out, _) = cluster.run("bare", &["curl", "-s", DEX]).await;
    assert!(out.starts_with('{') && out.contains("jwks_uri"), "{out}");
}
