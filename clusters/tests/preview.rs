//! What an installation would do is told before, and what has drifted since is told later; neither writes anything.
#![allow(clippy::expect_used, clippy::panic, reason = "a test says what it expects")]
#![cfg(feature = "embedded")]

use clusters::install::{Change, Drift, InstallError, Installer, Preview};
use clusters::kubeconfig;
use clusters::manifests::{self, Manifests};
use embedded::{Options, Platform};
use http::Request;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// A namespace, a definition, and what needs them.
const SOME: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: a}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.example.org}
spec:
  group: example.org
  names: {kind: Gadget, plural: gadgets, singular: gadget, listKind: GadgetList}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: example.org/v1
kind: Gadget
metadata: {name: one, namespace: a}
spec: {size: 1}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: a}
data: {colour: red}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: a}
stringData: {password: correct-horse}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: istiod, namespace: a}
spec:
  selector: {matchLabels: {app: istiod}}
  template: {metadata: {labels: {app: istiod}}, spec: {containers: [{name: c, image: \"docker.io/istio/pilot:1.26.1\"}]}}
";

struct Cluster {
    _platform: Platform,
    config: kube::Config,
    client: kube::Client,
}

impl Cluster {
    async fn new() -> Self {
        let platform = Platform::start(Options::default()).await.expect("it starts");
        let context = kubeconfig::parse(&platform.kubeconfig(), "of the platform", None).await.expect("a kubeconfig");
        let client = kube::Client::try_from(context.config.clone()).expect("a client");
        Self { _platform: platform, config: context.config, client }
    }

    async fn install(&self, text: &str) -> Result<clusters::install::Installed, InstallError> {
        Installer::new(&self.config).expect("an installer").install(&read(text), &CancellationToken::new()).await
    }

    async fn preview(&self, text: &str) -> Preview {
        let installer = Installer::new(&self.config).expect("an installer");
        installer.preview(&read(text), &CancellationToken::new()).await.expect("the cluster answers")
    }

    async fn drift(&self, text: &str) -> Drift {
        Drift::of(&self.preview(text).await, &read(text).objects)
    }

    /// Somebody else's write.
    async fn patch(&self, path: &str, body: &Value) {
        let request = Request::patch(format!("{path}?fieldManager=kubectl-edit"))
            .header("content-type", "application/merge-patch+json")
            .body(body.to_string().into_bytes())
            .expect("a request");
        self.client.request::<Value>(request).await.expect("it is taken");
    }

    async fn all(&self, path: &str) -> String {
        let request = Request::get(path).body(Vec::new()).expect("a request");
        self.client.request_text(request).await.expect("an answer")
    }
}

fn read(text: &str) -> Manifests {
    manifests::parse("some.yaml", text.as_bytes()).expect("readable")
}

fn changes(preview: &Preview) -> Vec<String> {
    let told = preview.objects.iter().map(|object| match &object.change {
        Change::Created { tried } => format!("{} created {tried}", object.id),
        Change::Changed(fields) => {
            let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
            format!("{} {}", object.id, fields.join(", "))
        }
        Change::ChangedLater => format!("{} changed later", object.id),
        Change::Unchanged => String::new(),
        Change::Refused(reason) => format!("{} refused: {reason}", object.id),
    });
    told.filter(|line| !line.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn into_an_empty_cluster_everything_would_be_created_and_nothing_is() {
    let cluster = Cluster::new().await;
    let preview = cluster.preview(SOME).await;
    assert_eq!(preview.counts(), [6, 0, 0, 0], "{}", preview.table());
    // The API server is asked of what needs nothing else; what needs a namespace or definition would be refused now.
    assert_eq!(changes(&preview)[0], "Namespace a created true");
    assert_eq!(changes(&preview)[2], "Gadget a/one created false");
    let namespaces = cluster.all("/api/v1/namespaces").await;
    assert!(namespaces.contains("kube-system") && !namespaces.contains("\"name\":\"a\""), "something was written");
    let definitions = cluster.all("/apis/apiextensions.k8s.io/v1/customresourcedefinitions").await;
    assert!(!definitions.contains("gadgets"), "something was written");
    assert_eq!(preview.json()["counts"]["create"], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_change_is_told_field_by_field_and_secrets_are_not_shown() {
    let cluster = Cluster::new().await;
    cluster.install(SOME).await.expect("it installs");
    let same = cluster.preview(SOME).await;
    assert_eq!(same.counts(), [0, 0, 6, 0], "{}", same.table());
    assert!(Drift::of(&same, &read(SOME).objects).is_empty());
    let other = SOME
        .replace("colour: red", "colour: blue")
        .replace("correct-horse", "battery-staple")
        .replace("size: 1", "size: 2")
        .replace("pilot:1.26.1", "pilot:1.22.1");
    let preview = cluster.preview(&other).await;
    assert_eq!(
        changes(&preview),
        [
            "Gadget a/one .spec.size: 1 -> 2",
            "ConfigMap a/settings .data.colour: \"red\" -> \"blue\"",
            "Secret a/key .data.password: (secret) -> (secret)",
            "Deployment a/istiod .spec.template.spec.containers[name=\"c\"].image: \"docker.io/istio/pilot:1.26.1\" -> \"docker.io/istio/pilot:1.22.1\"",
        ]
    );
    assert!(!preview.table().contains("aG9yc2U") && !preview.json().to_string().contains("staple"));
    // It was asked, not done.
    assert_eq!(cluster.preview(SOME).await.counts(), [0, 0, 6, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_told_by_objects_images_and_versions() {
    let cluster = Cluster::new().await;
    cluster.install(SOME).await.expect("it installs");
    let container = json!([{ "name": "c", "image": "docker.io/istio/pilot:1.17.5" }]);
    cluster
        .patch(
            "/apis/apps/v1/namespaces/a/deployments/istiod",
            &json!({ "spec": { "template": { "spec": { "containers": container } } } }),
        )
        .await;
    cluster.patch("/api/v1/namespaces/a/configmaps/settings", &json!({ "data": { "colour": "green" } })).await;
    let newer = SOME.replace(
        "versions: [{name: v1,",
        "versions: [{name: v2, served: true, storage: false, schema: {openAPIV3Schema: {type: object}}}, {name: v1,",
    );
    let fewer: String =
        newer.split("---\n").filter(|document| !document.contains("kind: Secret")).collect::<Vec<_>>().join("---\n");
    let more = format!(
        "{fewer}---\napiVersion: v1\nkind: Service\nmetadata: {{name: new, namespace: a}}\nspec: {{ports: [{{port: 80}}]}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: other, namespace: a}}\n"
    );
    let drift = cluster.drift(&more).await;
    assert_eq!(drift.missing, ["Service a/new", "Secret a/other"]);
    assert_eq!(drift.surplus, ["secrets a/key"]);
    assert_eq!((drift.images.len(), drift.images[0].found.as_str()), (1, "docker.io/istio/pilot:1.17.5"));
    assert_eq!((drift.definitions.len(), drift.definitions[0].found.as_slice()), (1, ["v1*".to_owned()].as_slice()));
    let changed: Vec<&str> = drift.changed.iter().map(|one| one.object.as_str()).collect();
    assert_eq!(
        changed,
        ["CustomResourceDefinition gadgets.example.org", "ConfigMap a/settings", "Deployment a/istiod"]
    );
    for words in [
        "missing    Service a/new",
        "image      Deployment a/istiod container c: runs",
        "version    gadgets.example.org: has v1*",
        "surplus    secrets a/key",
    ] {
        assert!(drift.table().contains(words), "{}\nshould contain\n{words}", drift.table());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_refused_is_told_with_the_reason() {
    let cluster = Cluster::new().await;
    cluster.install(SOME).await.expect("it installs");
    let other = SOME.replace("app: istiod}", "app: other}");
    let told = changes(&cluster.preview(&other).await);
    assert!(told.iter().any(|line| line.contains("refused:") && line.contains("immutable")), "{told:?}");
}

/// Somebody who is no deployer owns a definition.
async fn owned_by(cluster: &Cluster, manager: &str) {
    let definition = &read(SOME).objects[1].body;
    let mut definition = definition.clone();
    definition["spec"]["versions"][0]["schema"] = json!({ "openAPIV3Schema": { "type": "object", "properties": {} } });
    let path =
        format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.example.org?fieldManager={manager}");
    let request = Request::patch(path)
        .header("content-type", "application/apply-patch+yaml")
        .body(definition.to_string().into_bytes())
        .expect("a request");
    cluster.client.request::<Value>(request).await.expect("it is taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_another_platform_owns_is_told_by_the_owners_name() {
    let cluster = Cluster::new().await;
    owned_by(&cluster, "other-operator").await;
    let preview = cluster.preview(SOME).await;
    let told = changes(&preview);
    assert!(told.iter().any(|line| line.contains("field manager \"other-operator\" owns .spec.versions")), "{told:?}");
    let error = cluster.install(SOME).await.expect_err("it is refused").to_string();
    assert!(error.contains("gadgets.example.org") && error.contains("\"other-operator\""), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_over_from_another_deployer_is_told() {
    let cluster = Cluster::new().await;
    owned_by(&cluster, "kubectl-client-side-apply").await;
    let installed = cluster.install(SOME).await.expect("it installs");
    assert!(installed.claims.iter().all(|claim| !claim.kept) && !installed.claims.is_empty(), "{:?}", installed.claims);
    assert!(
        installed.table().contains("taken over from field manager \"kubectl-client-side-apply\""),
        "{}",
        installed.table()
    );
}
