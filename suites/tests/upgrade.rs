//! From release to release on one cluster: what users have survives, what an earlier release leaves behind is told and can be
//! taken away, and all checks that change nothing come out before as after, but for those that only one contract has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects")]
#![cfg(feature = "embedded")]

#[path = "bad_input/program.rs"]
#[allow(dead_code, reason = "shared with the tests of bad input")]
mod program;

use std::path::PathBuf;
use std::time::Duration;

use clusters::install::{Change, Installer};
use clusters::manifests::{self, Manifests, Source};
use clusters::migrate::clean::{self, Options, Said};
use clusters::migrate::{self, Comparison, Preflight, Snapshot, State};
use clusters::versions::{self, Version};
use clusters::{Embedded, Provided, Provider as _};
use http::Request;
use program::Program;
use reports::comparison::{Change as Changed, Comparison as Differences};
use reports::model::{Outcome, Results};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

async fn load(folder: &std::ffi::OsStr, kubeflow: &str) -> Manifests {
    let path = PathBuf::from(folder).join(format!("example-v{kubeflow}.yaml.xz"));
    manifests::load(&Source::Path(path)).await.expect("readable")
}

fn named(kubeflow: &str) -> &'static Version {
    versions::named(kubeflow).expect("in the catalogue")
}

/// A platform of v1.8.1 with a second profile and a notebook's volume in it.
async fn platform(folder: &std::ffi::OsStr) -> (Provided, kube::Client) {
    let file = PathBuf::from(folder).join("example-v1.8.1.yaml.xz");
    let embedded = Embedded { manifests: Some(Source::Path(file)), ..Embedded::new(named("1.8.1")) };
    let provided = embedded.provide(&CancellationToken::new()).await.expect("it installs");
    let client = migrate::client(&provided.target.kube).expect("a client");
    let profile = json!({ "apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": { "name": "team" },
        "spec": { "owner": { "kind": "User", "name": "team@example.com" } } });
    create(&client, "/apis/kubeflow.org/v1/profiles", &profile).await;
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "work" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
    let within = async {
        while !try_create(&client, "/api/v1/namespaces/team/persistentvolumeclaims", &claim).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), within).await.expect("the profile's namespace is there");
    (provided, client)
}

async fn create(client: &kube::Client, path: &str, object: &Value) {
    assert!(try_create(client, path, object).await, "{path} takes no {object}");
}

async fn try_create(client: &kube::Client, path: &str, object: &Value) -> bool {
    let request = Request::post(path).body(object.to_string().into_bytes()).expect("a request");
    client.request::<Value>(request).await.is_ok()
}

/// What upstream's notes on 1.10 ask for before: a binding whose role has another name cannot be changed.
async fn delete_the_binding(provided: &Provided, client: &kube::Client, manifests: &Manifests) {
    let installer = Installer::new(&provided.target.kube).expect("an installer");
    let preview = installer.preview(manifests, &CancellationToken::new()).await.expect("it answers");
    let refused: Vec<String> = preview
        .objects
        .iter()
        .filter_map(|object| match &object.change {
            Change::Refused(reason) => Some(format!("{}: {reason}", object.id)),
            _ => None,
        })
        .collect();
    let name = "meta-controller-cluster-role-binding";
    assert!(
        refused.len() == 1 && refused[0].contains(name) && refused[0].contains("cannot change roleRef"),
        "{refused:?}"
    );
    let path = format!("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{name}");
    client.request::<Value>(Request::delete(path).body(Vec::new()).expect("a request")).await.expect("it is deleted");
}

/// The probe set: every check that changes nothing, as a person asks them of a cluster that there is.
fn probed(provided: &Provided) -> Results {
    let mut program = Program::new(&["run", "--cluster", "existing", "--context", "embedded", "--read-only"]);
    let kubeconfig = program.file("kubeconfig", provided.kubeconfig.as_deref().expect("a kubeconfig"));
    let gateway = provided.target.gateway.as_ref().expect("a gateway").as_str();
    let reports = program.reports();
    program
        .command
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(["--gateway-url", gateway])
        .arg("--report-dir")
        .arg(reports);
    program.ends().results()
}

/// The reports side by side, as `report compare` tells them to a machine.
fn compared(before: &Results, after: &Results) -> Differences {
    let folder = tempfile::tempdir().unwrap();
    let side = |name: &str, results: &Results| {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        reports::files::write_all(results, &folder).unwrap();
        folder
    };
    let mut program = Program::new(&["report", "compare", "--format", "json"]);
    program.command.arg(side("before", before)).arg(side("after", after));
    let ran = program.ends();
    let differences = Differences::of(before, after);
    assert_eq!(ran.code, if differences.is_worse() { 101 } else { 0 }, "{ran:#?}");
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), serde_json::to_value(&differences).unwrap());
    let passed = after.checks.iter().filter(|check| check.outcome == Outcome::Passed).count();
    assert!(passed > 140, "{passed} checks passed");
    differences
}

/// Nothing came out otherwise but checks that only the later contract has, and those that only the earlier one had.
fn only(differences: &Differences, judged: &[&str], no_longer: &[&str]) {
    let ids = |changes: &[Changed]| changes.iter().map(|change| change.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&differences.newly_judged), judged, "{}", differences.text());
    assert_eq!(ids(&differences.no_longer_applicable), no_longer, "{}", differences.text());
    let worse = [&differences.regressed, &differences.newly_skipped, &differences.still_failing, &differences.fixed];
    assert!(worse.iter().all(|changes| changes.is_empty()), "{}", differences.text());
}

async fn upgrade(provided: &Provided, client: &kube::Client, manifests: &Manifests, to: &'static Version) -> Preflight {
    let installer = Installer::new(&provided.target.kube).expect("an installer");
    let installed = installer.install(manifests, &CancellationToken::new()).await.expect("it installs");
    eprintln!("to {}: {}", to.kubeflow, installed.table().lines().next().unwrap_or_default());
    migrate::preflight(client, "embedded", to).await.expect("readable")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_users_have_survives_and_what_is_left_behind_is_told_and_taken_away() {
    let Some(folder) = std::env::var_os("CONFORMANCE_TEST_MANIFESTS") else {
        eprintln!("skipped: CONFORMANCE_TEST_MANIFESTS does not name the folder of example-v*.yaml.xz");
        return;
    };
    let (provided, client) = platform(&folder).await;
    let before = Snapshot::take(&client, "embedded").await.expect("readable");
    let count = |title: &str| before.items.get(title).map_or(0, Vec::len);
    assert_eq!((before.state, count("profiles")), (State::Platform, 2), "{}", before.table());

    let on_8 = probed(&provided);

    let to = named("1.9.1");
    let found = upgrade(&provided, &client, &load(&folder, "1.9.1").await, to).await;
    let left: Vec<&str> = found.remnants.iter().map(|remnant| remnant.object.as_str()).collect();
    for object in [
        "StatefulSet istio-system/oidc-authservice",
        "Service istio-system/authservice",
        "EnvoyFilter istio-system/authn-filter",
        "PersistentVolumeClaim istio-system/authservice-pvc",
        "MutatingWebhookConfiguration webhook.eventing.knative.dev",
        "Deployment knative-eventing/eventing-webhook",
    ] {
        assert!(left.contains(&object), "{object} is not among {left:?}");
    }
    assert!(!left.iter().any(|object| object.contains("kubeflow/ml-pipeline")), "{left:?}");

    let options = Options {
        confirm: "embedded".to_owned(),
        data: Said::MayBeLost,
        with_others: false,
        patience: Duration::from_secs(1),
        within: Duration::from_secs(120),
    };
    let say = |line: &str| eprintln!("{line}");
    clean::clean(&client, ("embedded", to), &options, &say, &CancellationToken::new()).await.expect("it is cleaned");
    let found = migrate::preflight(&client, "embedded", to).await.expect("readable");
    assert_eq!((found.state, found.remnants.len()), (State::Platform, 0), "{}", found.table());

    let on_9 = probed(&provided);
    let differences = compared(&on_8, &on_9);
    let judged = ["AUT-030", "AUT-031", "AUT-044", "AUT-045"];
    only(&differences, &judged, &["AUT-051"]);
    let gone = |id: &str| differences.gone_findings.iter().any(|finding| finding.starts_with(id));
    assert!(gone("GWY-020") && gone("IDN-014"), "{}", differences.text());

    let manifests = load(&folder, "1.10.2").await;
    delete_the_binding(&provided, &client, &manifests).await;
    let found = upgrade(&provided, &client, &manifests, named("1.10.2")).await;
    assert_eq!(found.state, State::Platform, "{}", found.table());
    let after = Snapshot::take(&client, "embedded").await.expect("readable");
    let comparison = Comparison::of(&before, &after);
    assert!(comparison.items["profiles"].gone.is_empty(), "{}", comparison.table());
    let gone = &comparison.items["volume claims"].gone;
    assert!(gone.len() == 1 && gone[0].contains("istio-system/authservice-pvc"), "{}", comparison.table());

    let on_10 = probed(&provided);
    only(&compared(&on_9, &on_10), &[], &[]);
}
