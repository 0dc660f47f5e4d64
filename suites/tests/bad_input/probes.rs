//! Pods that send requests inside the cluster: one that does not come to run could not tell, which is no denial; and a
//! network that does not enforce its policies is a finding, because the mesh holds all the same.

use clusters::{Embedded, Provider, versions};
use harness::fault::fault;
use harness::kubernetes::Kubernetes;
use harness::{Change, Fault};
use reports::model::Outcome;
use tokio_util::sync::CancellationToken;

use super::program::Program;

static UNENFORCED: Fault = fault(
    "network-policies-unenforced",
    "The network keeps NetworkPolicies without looking at them",
    &[Change::Switch("network-policies-unenforced")],
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
async fn a_network_that_does_not_enforce_policies_is_a_finding() {
    let version = versions::named("1.9.1").unwrap();
    let provided = Embedded::new(version).provide(&CancellationToken::new()).await.unwrap();
    let kubernetes = Kubernetes::new(provided.target.kube.clone()).unwrap();
    _ = UNENFORCED.apply(&kubernetes, provided.target.mode).await.unwrap();
    let mut program = with_the_published_password(Program::run(&["--cluster", "existing", "mesh::"]));
    let kubeconfig = program.file("kubeconfig", provided.kubeconfig.as_deref().unwrap());
    program.command.arg("--kubeconfig").arg(kubeconfig);
    let ran = tokio::task::spawn_blocking(|| program.ends()).await.unwrap();
    assert_eq!(ran.code, 0, "{ran:#?}");
    let findings: Vec<_> = ran.results().checks.into_iter().flat_map(|check| check.findings).collect();
    assert!(findings.iter().any(|finding| finding.title.contains("does not enforce NetworkPolicies")), "{findings:#?}");
}

/// These runs log in, and the word of the others is not the embedded platform's password.
fn with_the_published_password(program: Program) -> Program {
    program.file("password", versions::credentials::DEFAULT_PASSWORD);
    program
}
