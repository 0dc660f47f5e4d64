//! Pods that send requests inside the cluster: one that does not come to run could not tell, which is no denial; and a
//! network that does not enforce its policies is a finding, because the mesh holds all the same.

use clusters::{Embedded, Provider, versions};
use harness::fault::{fault, object};
use harness::kubernetes::Kubernetes;
use harness::{Change, Fault};
use reports::model::{Outcome, Skip};
use tokio_util::sync::CancellationToken;

use super::program::{Program, Ran};

static UNENFORCED: Fault = fault(
    "network-policies-unenforced",
    "The network keeps NetworkPolicies without looking at them",
    &[Change::Switch("network-policies-unenforced")],
);

static NO_PODS: Fault = fault(
    "profiles-without-pods",
    "The definition of Profiles gives each new one a quota that has room for no pod",
    &[Change::Patch(
        object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "profiles.kubeflow.org"),
        r#"[{"op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/properties", "value": {
              "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
                "resourceQuotaSpec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                                      "default": {"hard": {"pods": "0"}}}}}}}]"#,
    )],
);

#[test]
fn a_probe_whose_image_cannot_be_pulled_is_no_denial() {
    let ran = Program::run(&["--probe-image", "registry.invalid/probe:1", "mesh::MSH-020"]);
    let ran = with_the_published_password(ran).ends();
    let results = ran.results();
    let check = results.checks.iter().find(|check| check.id == "MSH-020").unwrap();
    let Outcome::Errored(problem) = &check.outcome else { panic!("{:?}", check.outcome) };
    assert!(problem.message.contains("does not run: ImagePullBackOff"), "{}", problem.message);
    assert!(problem.next.as_deref().unwrap_or_default().contains("--probe-image"), "{problem:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_forbids_the_probe_is_no_denial() {
    let ran = judged(&NO_PODS, "mesh::MSH-01").await;
    assert_eq!(ran.code, 6, "{ran:#?}");
    let (skipped, others): (Vec<_>, Vec<_>) =
        ran.results().checks.into_iter().partition(|check| matches!(check.outcome, Outcome::Skipped(_)));
    // One could not tell, and the others need the same probe.
    let [one] = &others[..] else { panic!("{others:#?}") };
    let Outcome::Errored(problem) = &one.outcome else { panic!("{one:#?}") };
    for words in ["is refused", "exceeded quota: kf-resource-quota, requested: pods=1, used: pods=0, limited: pods=0"] {
        assert!(problem.message.contains(words), "{problem:?}");
    }
    assert!(problem.next.as_deref().unwrap_or_default().contains("room for one small pod"), "{problem:?}");
    let blocked = Outcome::Skipped(Skip::BlockedBy { id: one.id.clone() });
    assert_eq!(skipped.iter().filter(|check| check.outcome == blocked).count(), 6, "{skipped:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_does_not_enforce_policies_is_a_finding() {
    let ran = judged(&UNENFORCED, "mesh::").await;
    assert_eq!(ran.code, 0, "{ran:#?}");
    let findings: Vec<_> = ran.results().checks.into_iter().flat_map(|check| check.findings).collect();
    assert!(findings.iter().any(|finding| finding.title.contains("does not enforce NetworkPolicies")), "{findings:#?}");
}

/// A run of some checks on a platform with a fault.
async fn judged(fault: &Fault, filter: &str) -> Ran {
    let version = versions::named("1.9.1").unwrap();
    let provided = Embedded::new(version).provide(&CancellationToken::new()).await.unwrap();
    let kubernetes = Kubernetes::new(provided.target.kube.clone()).unwrap();
    _ = fault.apply(&kubernetes, provided.target.mode).await.unwrap();
    let mut program = with_the_published_password(Program::run(&["--cluster", "existing", filter]));
    let kubeconfig = program.file("kubeconfig", provided.kubeconfig.as_deref().unwrap());
    program.command.arg("--kubeconfig").arg(kubeconfig);
    tokio::task::spawn_blocking(|| program.ends()).await.unwrap()
}

/// These runs log in, and the word of the others is not the embedded platform's password.
fn with_the_published_password(program: Program) -> Program {
    program.file("password", versions::credentials::DEFAULT_PASSWORD);
    program
}
