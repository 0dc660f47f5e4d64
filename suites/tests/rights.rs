//! `ci/rbac.yaml` holds the rights that a run needs, and no more: with them and a token, not the administrator's
//! credentials, nothing errs; a read-only run sends nothing that changes an object. Against the embedded platform, and
//! reading only against the platform of the cluster that `CONFORMANCE_TEST_KUBECONFIG` names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects")]
#![cfg(feature = "embedded")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use clusters::install::Installer;
use clusters::manifests::{self, Manifests, Source};
use clusters::{Embedded, Existing, Provided, Provider, kubeconfig, versions};
use harness::own::KINDS;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, DeleteParams, PostParams};
use kube::config::Kubeconfig;
use reports::model::{EventKind, Outcome, Results, Skip};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const ACCOUNT: &str = "kubeflow-conformance";
const CONTEXT: &str = "account";

async fn rights() -> Manifests {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/rbac.yaml");
    manifests::load(&Source::Path(path)).await.unwrap()
}

#[tokio::test]
async fn the_kinds_that_may_be_created_are_those_that_checks_create() {
    let rights = rights().await;
    let role = rights.objects.iter().find(|object| object.id.name == "kubeflow-conformance-create").unwrap();
    let mut allowed = BTreeSet::new();
    for rule in role.body["rules"].as_array().unwrap() {
        assert_eq!(rule["verbs"], json!(["create", "delete"]));
        let (groups, resources) = (rule["apiGroups"].as_array().unwrap(), rule["resources"].as_array().unwrap());
        allowed.extend(resources.iter().map(|resource| (groups[0].as_str().unwrap(), resource.as_str().unwrap())));
    }
    assert_eq!(allowed, KINDS.iter().map(|kind| (kind.group, kind.plural)).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_needs_no_other_rights() {
    let embedded = Embedded::new(versions::named("1.9.1").unwrap());
    let platform = Platform::of(&embedded).await;
    platform.grant(|_| true).await;
    let (_, results) = platform.run(&["--may-restart", CONTEXT]).await;
    // What no right gives: a second user has to be told of.
    let unproved: Vec<String> = unproved(&results).into_iter().filter(|said| !said.contains("--users-file")).collect();
    assert_eq!(unproved, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_run_changes_nothing_and_needs_no_right_to() {
    let embedded = Embedded::new(versions::named("1.9.1").unwrap());
    reads_only(&Platform::of(&embedded).await).await;
    let Some(path) = std::env::var_os("CONFORMANCE_TEST_KUBECONFIG") else {
        eprintln!("skipped for a real cluster: CONFORMANCE_TEST_KUBECONFIG names no kubeconfig");
        return;
    };
    let platform = Platform::of(&Existing { kubeconfig: Some(PathBuf::from(path)), ..Existing::default() }).await;
    if versions::detect(&platform.client).await.unwrap().version.is_none() {
        eprintln!("skipped for a real cluster: the one that CONFORMANCE_TEST_KUBECONFIG names has no platform");
        return;
    }
    reads_only(&platform).await;
    platform.revoke().await;
}

async fn reads_only(platform: &Platform) {
    let to_write = ["create", "change", "probe"].map(|role| format!("kubeflow-conformance-{role}"));
    platform.grant(|name| !to_write.iter().any(|role| role == name)).await;
    let (code, results) = platform.run(&["--read-only"]).await;
    assert!(troubled(&results).is_empty(), "exit code {code}: {:#?}", troubled(&results));
    let mut calls = 0;
    for check in &results.checks {
        for event in &check.evidence {
            match &event.what {
                EventKind::Object { action, object } => panic!("{}: {action} {object}", check.id),
                EventKind::Kubernetes { call, status, .. } => {
                    calls += 1;
                    // A question or a token changes no object.
                    let asks = call.contains("/token") || call.contains("reviews");
                    assert!(call.starts_with("GET ") || asks, "{}: {call}", check.id);
                    assert_ne!(*status, 403, "{}: {call}", check.id);
                }
                _ => {}
            }
        }
    }
    assert!(calls > 50, "{calls} calls are evidence");
}

/// The checks that could not tell.
fn troubled(results: &Results) -> Vec<String> {
    told(results, |outcome| matches!(outcome, Outcome::Errored(_)))
}

/// The checks that did not pass, although they are about this version.
fn unproved(results: &Results) -> Vec<String> {
    told(results, |outcome| !matches!(outcome, Outcome::Passed | Outcome::Skipped(Skip::VersionOutside { .. })))
}

fn told(results: &Results, which: impl Fn(&Outcome) -> bool) -> Vec<String> {
    let found = results.checks.iter().filter(|check| which(&check.outcome));
    found.map(|check| format!("{}: {:?}", check.id, check.outcome)).collect()
}

struct Platform {
    _provided: Provided,
    config: kube::Config,
    client: kube::Client,
    admin: Kubeconfig,
    folder: tempfile::TempDir,
}

impl Platform {
    async fn of(provider: &dyn Provider) -> Self {
        harness::init();
        let provided = provider.provide(&CancellationToken::new()).await.unwrap();
        let admin = match &provided.kubeconfig {
            Some(text) => Kubeconfig::from_yaml(text).unwrap(),
            None => Kubeconfig::read_from(std::env::var_os("CONFORMANCE_TEST_KUBECONFIG").unwrap()).unwrap(),
        };
        let config = provided.target.kube.clone();
        let client = kube::Client::try_from(config.clone()).unwrap();
        Self { _provided: provided, config, client, admin, folder: tempfile::tempdir().unwrap() }
    }

    /// Grants what is chosen by name.
    async fn grant(&self, chosen: impl Fn(&str) -> bool) {
        let mut rights = rights().await;
        rights.objects.retain(|object| chosen(&object.id.name));
        let installer = Installer::new(&self.config).unwrap();
        installer.install(&rights, &CancellationToken::new()).await.unwrap();
    }

    /// Takes away what has a name of ours alone.
    async fn revoke(&self) {
        let spaces: Api<Namespace> = Api::all(self.client.clone());
        spaces.delete(ACCOUNT, &DeleteParams::default()).await.unwrap();
        for object in rights().await.objects {
            let kinds = harness::kubernetes::Kubernetes::new(self.config.clone()).unwrap();
            let served = kinds.find(&object.id.api_version(), &object.id.kind).await.unwrap().unwrap();
            let api = served.api(&self.client, object.id.namespace.as_deref().unwrap_or_default());
            _ = api.delete(&object.id.name, &DeleteParams::default()).await;
        }
    }

    /// A kubeconfig of the account, by a token.
    async fn kubeconfig(&self) -> PathBuf {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), ACCOUNT);
        let request = TokenRequest::default();
        let made = accounts.create_token_request(ACCOUNT, &PostParams::default(), &request).await.unwrap();
        let cluster = self.admin.clusters[0].cluster.as_ref().unwrap();
        let (server, authority) = (&cluster.server, &cluster.certificate_authority_data);
        let kubeconfig = json!({ "apiVersion": "v1", "kind": "Config", "current-context": CONTEXT,
            "clusters": [{ "name": "c", "cluster": { "server": server, "certificate-authority-data": authority } }],
            "users": [{ "name": "u", "user": { "token": made.status.unwrap().token } }],
            "contexts": [{ "name": CONTEXT, "context": { "cluster": "c", "user": "u" } }] });
        let path = self.folder.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        kubeconfig::load(Some(&path), None).await.expect("a kubeconfig");
        path
    }

    /// Runs the program with the account's rights.
    async fn run(&self, arguments: &[&str]) -> (i32, Results) {
        let kubeconfig = self.kubeconfig().await;
        let reports = self.folder.path().join("reports");
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubeflow-conformance"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CONFORMANCE_") {
                command.env_remove(name);
            }
        }
        command
            .args(["run", "--cluster", "existing", "--kubeconfig"])
            .arg(&kubeconfig)
            .arg("--report-dir")
            .arg(&reports);
        command.args(arguments).current_dir(self.folder.path());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let results = reports::files::read(&reports.join("latest"));
        let results = results.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap_or(-1), results)
    }
}
