//! From standalone to an empty cluster: what is there is told, written down, and taken away in an order that does not hang.
#![allow(clippy::expect_used, clippy::panic, reason = "a test says what it expects")]
#![cfg(feature = "embedded")]

use std::time::Duration;

use clusters::embedded_provider::blueprint;
use clusters::install::{Drift, Installer};
use clusters::manifests::{self, Manifests, Source};
use clusters::migrate::clean::{self, Cleaned, Options, Said};
use clusters::migrate::{self, Comparison, Data, Fate, MigrateError, Preflight, Snapshot, State};
use clusters::versions::{self, Version};
use clusters::{Embedded, Holds, Provided, Provider as _};
use tokio_util::sync::CancellationToken;

struct Cluster {
    provided: Provided,
    client: kube::Client,
}

fn version() -> &'static Version {
    versions::named("1.9.1").expect("in the catalogue")
}

impl Cluster {
    async fn standalone() -> Self {
        Self::of(Embedded { holds: Holds::Standalone, ..Embedded::new(version()) }).await
    }

    async fn of(embedded: Embedded) -> Self {
        let provided = embedded.provide(&CancellationToken::new()).await.expect("it starts");
        let client = migrate::client(&provided.target.kube).expect("a client");
        Self { provided, client }
    }

    async fn preflight(&self) -> Preflight {
        migrate::preflight(&self.client, "embedded", version()).await.expect("readable")
    }

    async fn clean(&self, confirm: &str, data: Said) -> Result<Cleaned, MigrateError> {
        let options = Options {
            confirm: confirm.to_owned(),
            data,
            with_others: false,
            patience: Duration::from_millis(500),
            within: Duration::from_secs(120),
        };
        clean::clean(
            &self.client,
            ("embedded", version()),
            &options,
            &|line| eprintln!("{line}"),
            &CancellationToken::new(),
        )
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_standalone_is_found_and_nothing_else() {
    let cluster = Cluster::standalone().await;
    let found = cluster.preflight().await;
    eprintln!("{}", found.table());
    assert_eq!((found.state, found.namespaces.as_slice()), (State::Standalone, ["kubeflow".to_owned()].as_slice()));
    assert!(found.others.is_empty(), "{:?}", found.others);
    assert!(found.unread.is_empty(), "{:?}", found.unread);
    let remnant = |object: &str| found.remnants.iter().find(|one| one.object == object).map(|one| one.part.as_str());
    for (object, part) in [
        ("Deployment kubeflow/ml-pipeline", "Kubeflow Pipelines"),
        ("Deployment kubeflow/cache-deployer-deployment", "Kubeflow Pipelines"),
        ("MutatingWebhookConfiguration cache-webhook-kubeflow", "Kubeflow Pipelines"),
        ("ClusterRole kubeflow-pipelines-cache-deployer-clusterrole", "Kubeflow Pipelines"),
        ("CustomResourceDefinition workflows.argoproj.io", "Kubeflow Pipelines"),
        ("Deployment kubeflow/katib-controller", "Katib"),
        ("ValidatingWebhookConfiguration katib.kubeflow.org", "Katib"),
        ("Experiment kubeflow/random", "Katib"),
        ("StatefulSet kubeflow/kfp-mysql", "chart mysql, release kfp-mysql"),
        ("PersistentVolumeClaim kubeflow/data-kfp-mysql-0", "chart mysql, release kfp-mysql"),
        ("Secret kubeflow/sh.helm.release.v1.kfp-mysql.v1", "chart mysql, release kfp-mysql"),
        ("PersistentVolumeClaim kubeflow/kfp-minio", "chart minio, release kfp-minio"),
    ] {
        assert_eq!(remnant(object), Some(part), "{object}");
    }
    let hang =
        |object: &str, words: &str| found.hangs.iter().any(|one| one.object == object && one.because.contains(words));
    assert!(hang("Trial kubeflow/random-8tq2kzjw", "finalizer clean-metrics-in-db"), "{:?}", found.hangs);
    assert!(hang("Experiment kubeflow/random", "update-prometheus-metrics"), "{:?}", found.hangs);
    assert!(hang("ValidatingWebhookConfiguration katib.kubeflow.org", "outlives its Service"), "{:?}", found.hangs);
    // A webhook that is ignored when it is away holds nothing.
    assert!(!found.hangs.iter().any(|one| one.object.contains("cache-webhook")), "{:?}", found.hangs);
    let fate = |claim: &str| found.data.volumes.iter().find(|one| one.claim == claim).map(|one| one.fate);
    assert_eq!(fate("kubeflow/data-kfp-mysql-0"), Some(Fate::Lost));
    let rows = |database: &str, table: &str| {
        let database = found.data.databases.iter().find(|one| one.name == database)?;
        database.rows.get(table).copied()
    };
    assert_eq!((rows("mlpipeline", "run_details"), rows("mlpipeline", "jobs")), (Some(6), Some(2)), "{:?}", found.data);
    assert_eq!(rows("katib", "observation_logs"), Some(2));
    assert!(found.data.databases.iter().all(|one| one.bytes.is_some_and(|bytes| bytes > 0)), "{:?}", found.data);
    assert_eq!((buckets(&found.data), found.data.unknown.as_slice()), (MODELS.to_vec(), [].as_slice()));
}

/// What users have in the object store: three models of 1, 2 and 3 KiB of each of two pipelines.
const MODELS: &[(&str, u64, u64)] = &[("mlpipeline", 6, 2 * (1 + 2 + 3) * 1024)];

fn buckets(data: &Data) -> Vec<(&str, u64, u64)> {
    data.buckets.iter().map(|bucket| (bucket.name.as_str(), bucket.objects, bucket.bytes)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_is_no_standalone_installation() {
    for version in versions::VERSIONS {
        let cluster = Cluster::of(Embedded::new(version)).await;
        let found = cluster.preflight().await;
        assert_eq!((found.state, found.remnants.len()), (State::Platform, 0), "{}", found.table());
        let error = cluster.clean("embedded", Said::MayBeLost).await.map(|cleaned| cleaned.deleted);
        assert_eq!(error.expect("there is nothing to do"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_without_the_name_and_a_word_about_the_data() {
    let cluster = Cluster::standalone().await;
    let refused = |error: MigrateError, words: &str| assert!(error.to_string().contains(words), "{error}\n{words}");
    refused(cluster.clean("production", Said::MayBeLost).await.expect_err("another name"), "--confirm embedded");
    refused(cluster.clean("embedded", Said::Nothing).await.expect_err("unsaved"), "there is data");
    let mut old = Snapshot::take(&cluster.client, "embedded").await.expect("readable");
    old.digests.insert("runs".to_owned(), "other".to_owned());
    refused(cluster.clean("embedded", Said::Saved(Box::new(old))).await.expect_err("old"), "the data has changed");
    let mut old = Snapshot::take(&cluster.client, "embedded").await.expect("readable");
    old.data.buckets[0].digest = "other".to_owned();
    let error = cluster.clean("embedded", Said::Saved(Box::new(old))).await.expect_err("another content");
    refused(error, "bucket mlpipeline had 6 objects, and has 6, or other ones");
    let elsewhere = Snapshot::take(&cluster.client, "other").await.expect("readable");
    refused(cluster.clean("embedded", Said::Saved(Box::new(elsewhere))).await.expect_err("other"), "cluster \"other\"");
    assert_eq!(cluster.preflight().await.state, State::Standalone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_names_everything_and_deletes_nothing() {
    let cluster = Cluster::standalone().await;
    let (plan, _) = clean::plan(&cluster.client, "embedded", version()).await.expect("a plan");
    let table = plan.table();
    let at = |words: &str| table.find(words).unwrap_or_else(|| panic!("{table}\nshould contain {words}"));
    assert!(at("ValidatingWebhookConfiguration katib.kubeflow.org") < at("Trial kubeflow/random-8tq2kzjw"));
    assert!(at("Trial kubeflow/random-8tq2kzjw") < at("Namespace kubeflow"));
    assert!(at("Namespace kubeflow") < at("ClusterRole katib-controller"));
    assert_eq!(cluster.preflight().await.state, State::Standalone);
}

#[tokio::test(flavor = "multi_thread")]
async fn cleaning_leaves_nothing_and_a_comparison_tells_what_is_gone() {
    let cluster = Cluster::standalone().await;
    let before = Snapshot::take(&cluster.client, "embedded").await.expect("readable");
    eprintln!("{}", before.table());
    let count = |title: &str| before.items.get(title).map(Vec::len);
    assert_eq!((count("pipelines"), count("runs"), count("experiments")), (Some(2), Some(6), Some(2)));
    assert_eq!((count("recurring runs"), count("Katib trials")), (Some(2), Some(1)));
    let same = Snapshot::take(&cluster.client, "embedded").await.expect("readable");
    assert_eq!(before.change(&same), None);
    let cleaned = cluster.clean("embedded", Said::Saved(Box::new(before.clone()))).await.expect("it is cleaned");
    eprintln!("{cleaned:?}");
    let after = cluster.preflight().await;
    assert_eq!(after.state, State::Empty, "{}", after.table());
    assert!(after.is_clear(), "{}", after.table());
    let now = Snapshot::take(&cluster.client, "embedded").await.expect("readable");
    let comparison = Comparison::of(&before, &now);
    assert!(!comparison.is_complete());
    assert_eq!(comparison.items["runs"].gone.len(), 6, "{}", comparison.table());
}

/// The whole way: what stands afterwards is a platform, as its manifests say, and nothing of before.
async fn the_whole_way(manifests: &Manifests) {
    let cluster = Cluster::standalone().await;
    let before = Snapshot::take(&cluster.client, "embedded").await.expect("readable");
    assert_eq!((buckets(&before.data), before.data.unknown.as_slice()), (MODELS.to_vec(), [].as_slice()));
    cluster.clean("embedded", Said::Saved(Box::new(before.clone()))).await.expect("it is cleaned");
    let installer = Installer::new(&cluster.provided.target.kube).expect("an installer");
    let cancel = CancellationToken::new();
    let installed = installer.install(manifests, &cancel).await.expect("it installs");
    assert_eq!(installed.changed, 0, "something of before is left: {}", installed.table());
    let found = cluster.preflight().await;
    assert_eq!((found.state, found.remnants.len()), (State::Platform, 0), "{}", found.table());
    let drift = Drift::of(&installer.preview(manifests, &cancel).await.expect("it answers"), &manifests.objects);
    assert!(drift.missing.is_empty() && drift.refused.is_empty() && drift.images.is_empty(), "{}", drift.table());
    let after = Snapshot::take(&cluster.client, "embedded").await.expect("readable");
    let comparison = Comparison::of(&before, &after);
    assert_eq!((comparison.items["runs"].gone.len(), comparison.items["runs"].kept), (6, 0), "{}", comparison.table());
    assert_eq!(buckets(&after.data), [("mlpipeline", 0, 0)], "the platform's own, and empty");
}

/// Keys that the server does not take: its buckets are told as what could not be told.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_object_store_does_not_tell_is_unknown() {
    let cluster = Cluster::standalone().await;
    let secret = serde_json::json!({ "stringData": { "root-password": "another-password" } });
    let path = "/api/v1/namespaces/kubeflow/secrets/kfp-minio";
    let request = http::Request::patch(path).header("content-type", "application/merge-patch+json");
    let request = request.body(secret.to_string().into_bytes()).expect("a request");
    cluster.client.request::<serde_json::Value>(request).await.expect("it is taken");
    let found = cluster.preflight().await;
    assert!(found.data.buckets.is_empty(), "{:?}", found.data);
    let [unknown] = found.data.unknown.as_slice() else { panic!("{:?}", found.data.unknown) };
    assert!(unknown.starts_with("the buckets of pod kubeflow/kfp-minio-"), "{unknown}");
    assert!(unknown.ends_with("status 403 SignatureDoesNotMatch"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_way_leads_to_the_blueprint() {
    the_whole_way(&blueprint(version()).expect("it loads")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_way_leads_to_upstreams_release() {
    let Some(folder) = std::env::var_os("CONFORMANCE_TEST_MANIFESTS") else {
        eprintln!("skipped: CONFORMANCE_TEST_MANIFESTS does not name the folder of example-v*.yaml.xz");
        return;
    };
    let path = std::path::PathBuf::from(folder).join("example-v1.9.1.yaml.xz");
    the_whole_way(&manifests::load(&Source::Path(path)).await.expect("readable")).await;
}

/// Upstream's standalone installations as they are rendered, with their own MySQL and MinIO.
#[tokio::test(flavor = "multi_thread")]
async fn upstreams_standalone_installations_are_found_whole() {
    let Some(folder) = std::env::var_os("CONFORMANCE_TEST_MANIFESTS") else {
        eprintln!("skipped: CONFORMANCE_TEST_MANIFESTS does not name the folder of standalone-*.yaml.xz");
        return;
    };
    let cluster = Cluster::of(Embedded { holds: Holds::Nothing, ..Embedded::new(version()) }).await;
    let installer = Installer::new(&cluster.provided.target.kube).expect("an installer");
    // The cache deployer makes it at run time, and the cache server waits for it.
    let made = |path: &str, object: serde_json::Value| {
        let request = http::Request::post(path).body(object.to_string().into_bytes()).expect("a request");
        cluster.client.request::<serde_json::Value>(request)
    };
    made("/api/v1/namespaces", serde_json::json!({ "metadata": { "name": "kubeflow" } })).await.expect("taken");
    let secret = serde_json::json!({ "metadata": { "name": "webhook-server-tls" } });
    made("/api/v1/namespaces/kubeflow/secrets", secret).await.expect("taken");
    let mut objects = 1;
    for name in ["standalone-pipelines-2.0.5.yaml.xz", "standalone-katib-0.16.0.yaml.xz"] {
        let source = Source::Path(std::path::PathBuf::from(&folder).join(name));
        let manifests = manifests::load(&source).await.expect("readable");
        objects += manifests.objects.len();
        installer.install(&manifests, &CancellationToken::new()).await.expect("it installs");
    }
    let found = cluster.preflight().await;
    assert_eq!((found.state, found.others.as_slice()), (State::Standalone, [].as_slice()), "{}", found.table());
    // Both make the same namespace, which is no remnant itself.
    assert_eq!(found.remnants.len(), objects - 2, "{}", found.table());
    let claims: Vec<&str> = found.data.volumes.iter().map(|volume| volume.claim.as_str()).collect();
    assert_eq!(claims, ["kubeflow/katib-mysql", "kubeflow/minio-pvc", "kubeflow/mysql-pv-claim"]);
    cluster.clean("embedded", Said::MayBeLost).await.expect("it is cleaned");
    let found = cluster.preflight().await;
    assert!(found.state == State::Empty && found.is_clear(), "{}", found.table());
}

/// Option A: a standalone installation that was patched towards a platform is named for what it is, and not cleaned.
#[tokio::test(flavor = "multi_thread")]
async fn a_patched_installation_is_told() {
    let cluster = Cluster::standalone().await;
    let api = "/apis/apps/v1/namespaces/kubeflow/deployments/ml-pipeline";
    let container =
        serde_json::json!([{ "name": "ml-pipeline-api-server", "env": [{ "name": "MULTIUSER", "value": "true" }] }]);
    let body = serde_json::json!({ "spec": { "template": { "spec": { "containers": container } } } });
    let request = http::Request::patch(api).header("content-type", "application/strategic-merge-patch+json");
    let request = request.body(body.to_string().into_bytes()).expect("a request");
    cluster.client.request::<serde_json::Value>(request).await.expect("it is taken");
    let found = cluster.preflight().await;
    assert_eq!(found.state, State::Frankenstein, "{}", found.table());
    let advice = found.advice();
    for words in ["patched in place", "Deployment kubeflow/ml-pipeline serves many users", "--namespaced"] {
        assert!(advice.contains(words), "{advice}\nshould contain\n{words}");
    }
    let error = cluster.clean("embedded", Said::MayBeLost).await.expect_err("it is refused").to_string();
    assert!(error.contains("patched in place") && error.contains("nothing was deleted"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_others_are_not_deleted_by_surprise() {
    let cluster = Cluster::standalone().await;
    let object = serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "mine" } });
    let request = http::Request::post("/api/v1/namespaces/kubeflow/configmaps");
    let request = request.body(object.to_string().into_bytes()).expect("a request");
    cluster.client.request::<serde_json::Value>(request).await.expect("it is taken");
    assert_eq!(cluster.preflight().await.others, ["ConfigMap kubeflow/mine"]);
    let error = cluster.clean("embedded", Said::MayBeLost).await.expect_err("it is refused").to_string();
    assert!(error.contains("ConfigMap kubeflow/mine") && error.contains("--with-others"), "{error}");
}
