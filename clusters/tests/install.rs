//! Upstream's rendered releases install into the embedded platform: all at once, not at all a second time, and on from
//! where an interruption left it.
#![allow(clippy::expect_used, reason = "a test says what it expects")]
#![cfg(feature = "embedded")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clusters::install::{InstallError, Installer, Progress};
use clusters::manifests::{self, Manifests, Source};
use clusters::versions::{VERSIONS, detect};
use clusters::{Embedded, Provider, kubeconfig};
use embedded::{Options, Platform};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// The files, or nothing where they are not at hand.
fn files() -> Option<Vec<PathBuf>> {
    let Some(folder) = std::env::var_os("CONFORMANCE_TEST_MANIFESTS") else {
        eprintln!("skipped: CONFORMANCE_TEST_MANIFESTS does not name the folder of example-v*.yaml.xz");
        return None;
    };
    let name = |version: &clusters::versions::Version| format!("example-v{}.yaml.xz", version.kubeflow);
    Some(VERSIONS.iter().map(|version| PathBuf::from(&folder).join(name(version))).collect())
}

async fn blank() -> (Platform, kube::Config) {
    let platform = Platform::start(Options::default()).await.expect("it starts");
    let context = kubeconfig::parse(&platform.kubeconfig(), "of the platform", None).await.expect("a kubeconfig");
    (platform, context.config)
}

async fn load(path: PathBuf) -> Manifests {
    manifests::load(&Source::Path(path)).await.expect("readable")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_release_installs_and_is_recognised() {
    for (file, version) in files().into_iter().flatten().zip(VERSIONS) {
        let started = Instant::now();
        let embedded =
            Embedded { manifests: Some(Source::Path(file)), progress: Progress::Lines, ..Embedded::new(version) };
        let provided = embedded.provide(&CancellationToken::new()).await.expect("it installs");
        let installed = provided.installed.expect("an account");
        eprintln!("{}: {:?} in all, {:?} of them to install", version.kubeflow, started.elapsed(), installed.duration);
        assert_eq!(installed.created, installed.objects, "{installed:?}");
        assert_eq!((installed.changed, installed.retries), (0, 0));
        assert_eq!(installed.workloads.len(), version.workloads().count());
        let client = kube::Client::try_from(provided.target.kube).expect("a client");
        let detected = detect(&client).await.expect("readable");
        assert_eq!(detected.version, Some(version), "{:?}", detected.clues);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_installation_changes_nothing() {
    for file in files().into_iter().flatten() {
        let (_platform, config) = blank().await;
        let (manifests, cancel) = (load(file).await, CancellationToken::new());
        let installer = Installer::new(&config).expect("an installer");
        installer.install(&manifests, &cancel).await.expect("it installs");
        let again = installer.install(&manifests, &cancel).await.expect("it installs again");
        assert_eq!((again.created, again.changed), (0, 0), "{}", again.table());
        assert!(again.table().contains("nothing to change"), "{}", again.table());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_installation_goes_on_where_it_stopped() {
    for file in files().into_iter().flatten() {
        let (_platform, config) = blank().await;
        let manifests = load(file).await;
        let installer = Installer::new(&config).expect("an installer");
        let mut stops = 0;
        for milliseconds in [100, 300, 600] {
            let cancel = CancellationToken::new();
            let stop = cancel.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                stop.cancel();
            });
            match installer.install(&manifests, &cancel).await {
                Err(InstallError::Interrupted { written, objects }) => {
                    assert!(written <= objects && objects == manifests.objects.len());
                    stops += 1;
                }
                Err(error) => panic!("{error}"),
                Ok(_) => break,
            }
        }
        assert!(stops > 0, "it was never interrupted");
        let rest = installer.install(&manifests, &CancellationToken::new()).await.expect("it installs the rest");
        assert!(rest.workloads.iter().all(|workload| workload.reason.is_none()), "{}", rest.table());
    }
}

/// A webhook that admits a ConfigMap, and the Deployment that answers for it; `IMAGE` is to be replaced.
const ADMITTED: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: a, labels: {of: test}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: guard, namespace: a}
spec:
  selector: {matchLabels: {app: guard}}
  template: {metadata: {labels: {app: guard}}, spec: {containers: [{name: c, image: IMAGE}]}}
---
apiVersion: v1
kind: Service
metadata: {name: guard, namespace: a}
spec: {selector: {app: guard}, ports: [{port: 443}]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: guard}
webhooks:
- name: guard.example.org
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {service: {name: SERVICE, namespace: a}}
  namespaceSelector: {matchLabels: {of: test}}
  rules: [{apiGroups: [apps], apiVersions: [v1], resources: [statefulsets], operations: [CREATE]}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: guarded, namespace: a}
spec:
  serviceName: guarded
  selector: {matchLabels: {app: guarded}}
  template: {metadata: {labels: {app: guarded}}, spec: {containers: [{name: c, image: \"docker.io/istio/pilot:1.26.1\"}]}}
";

async fn install(config: &kube::Config, text: &str) -> Result<clusters::install::Installed, InstallError> {
    let manifests = manifests::parse("some.yaml", text.as_bytes()).expect("readable");
    let installer = Installer::new(config).expect("an installer").patience(Duration::from_millis(500));
    installer.install(&manifests, &CancellationToken::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_pulled_is_named_and_what_waits_for_it_is_not_written() {
    let (_platform, config) = blank().await;
    let text = ADMITTED.replace("SERVICE", "guard");
    let started = Instant::now();
    let error = install(&config, &text.replace("IMAGE", "registry.invalid/guard:1")).await.expect_err("no image");
    let InstallError::NoImage { account, held } = &error else { panic!("{error}") };
    assert_eq!((*held, account.created, account.workloads.len()), (1, 4, 2), "{error}");
    let sentence = error.to_string();
    for words in
        ["Deployment a/guard: pod guard-", "registry.invalid/guard:1 cannot be pulled (ImagePullBackOff)", "1 object"]
    {
        assert!(sentence.contains(words), "{sentence}\nshould contain\n{words}");
    }
    assert!(started.elapsed() < Duration::from_secs(20), "it was a time-out: {:?}", started.elapsed());
    // With an image that there is, it goes on where it stopped.
    let installed =
        install(&config, &text.replace("IMAGE", "docker.io/istio/pilot:1.26.1")).await.expect("it installs");
    assert_eq!((installed.created, installed.changed), (1, 1), "{}", installed.table());
}

/// An API that knows ConfigMaps alone, and whose webhook nobody answers for.
#[tokio::test]
async fn a_webhook_that_nobody_answers_for_is_named() {
    let words = "Internal error occurred: failed calling webhook \"guard.example.org\": no endpoints available";
    let api = MockServer::start().await;
    let resource =
        json!({ "name": "configmaps", "singularName": "", "namespaced": true, "kind": "ConfigMap", "verbs": [] });
    let refusal =
        json!({ "kind": "Status", "status": "Failure", "reason": "InternalError", "code": 500, "message": words });
    for (verb, at, code, answer) in [
        ("GET", "/api/v1", 200, json!({ "groupVersion": "v1", "resources": [resource] })),
        ("GET", "/api/v1/configmaps", 200, json!({ "items": [] })),
        ("PATCH", "/api/v1/namespaces/a/configmaps/guarded", 500, refusal),
        ("GET", "/apis/.*", 200, json!({ "items": [] })),
    ] {
        let answer = ResponseTemplate::new(code).set_body_json(answer);
        Mock::given(method(verb)).and(path_regex(format!("^{at}$"))).respond_with(answer).mount(&api).await;
    }
    let started = Instant::now();
    let mut config = kube::Config::new(api.uri().parse().expect("a URL"));
    config.default_retry = false;
    let error = install(&config, "{apiVersion: v1, kind: ConfigMap, metadata: {name: guarded, namespace: a}}").await;
    let sentence = error.expect_err("nobody answers").to_string();
    for words in ["refuses 1 of 1 objects", "ConfigMap a/guarded", words] {
        assert!(sentence.contains(words), "{sentence}\nshould contain\n{words}");
    }
    assert!(started.elapsed() < Duration::from_secs(20), "it was a time-out: {:?}", started.elapsed());
}

/// Makes the embedded API fail every second write.
async fn trouble(config: &kube::Config, kind: &str) {
    let client = kube::Client::try_from(config.clone()).expect("a client");
    let switches = json!({ "metadata": { "name": "switches" }, "data": { "api-trouble": kind } });
    for (path, object) in [
        ("/api/v1/namespaces", json!({ "metadata": { "name": "embedded-reference-platform" } })),
        ("/api/v1/namespaces/embedded-reference-platform/configmaps", switches),
    ] {
        let request = http::Request::post(path).body(object.to_string().into_bytes()).expect("a request");
        client.request::<serde_json::Value>(request).await.expect("it is taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_in_trouble_is_asked_again_until_all_is_written() {
    for kind in ["429", "503", "dropped"] {
        let (_platform, config) = blank().await;
        trouble(&config, kind).await;
        let text = ADMITTED.replace("SERVICE", "guard").replace("IMAGE", "docker.io/istio/pilot:1.26.1");
        let installed = install(&config, &text).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!((installed.created, installed.objects), (5, 5), "{kind}: {}", installed.table());
        assert!(installed.retries > 0 && installed.requests == 5 + installed.retries, "{kind}: {}", installed.table());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_is_asked_once() {
    let (_platform, config) = blank().await;
    let bad = "{apiVersion: v1, kind: ConfigMap, metadata: {name: Not_A_Name, namespace: default}}";
    let started = Instant::now();
    let error = install(&config, bad).await.expect_err("it is refused").to_string();
    assert!(error.contains("ConfigMap default/Not_A_Name") && error.contains("refuses 1 of 1"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5), "it was tried again: {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_crashes_is_told_with_its_last_words() {
    let (_platform, config) = blank().await;
    let text = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: rows, namespace: default}
spec:
  selector: {matchLabels: {app: rows}}
  template: {metadata: {labels: {app: rows}}, spec: {containers: [{name: mysql, image: \"mysql:8.0.26\"}]}}
";
    let manifests = manifests::parse("some.yaml", text.as_bytes()).expect("readable");
    let installer = Installer::new(&config).expect("an installer").within(Duration::from_secs(8));
    let error = installer.install(&manifests, &CancellationToken::new()).await.expect_err("it crashes").to_string();
    for words in ["Deployment default/rows", "container mysql: CrashLoopBackOff", "Database is uninitialized"] {
        assert!(error.contains(words), "{error}\nshould contain\n{words}");
    }
}
