//! Every provider yields a target whose version is found out by its objects.
#![allow(clippy::expect_used, reason = "a test says what it expects")]
#![cfg(feature = "embedded")]

use clusters::versions::{VERSIONS, detect};
use clusters::{Embedded, Existing, Mode, ProvideError, Provider};
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_platform_is_of_the_release_that_was_asked_for() {
    for version in VERSIONS {
        let provided = Embedded::new(version).provide(&CancellationToken::new()).await.expect("it starts");
        assert_eq!((provided.target.mode, provided.target.provider), (Mode::Simulated, "embedded"));
        assert!(provided.target.gateway.is_some());
        let client = kube::Client::try_from(provided.target.kube.clone()).expect("a client");
        let detected = detect(&client).await.expect("readable");
        assert_eq!(detected.version, Some(version), "{:?}", detected.clues);
        assert_eq!(detected.contract, Some(version.contract));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_platform_serves_as_an_existing_cluster_until_its_guard_is_dropped() {
    let cancel = CancellationToken::new();
    let provided = Embedded::new(&VERSIONS[1]).provide(&cancel).await.expect("it starts");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let kubeconfig = folder.path().join("config");
    std::fs::write(&kubeconfig, provided.kubeconfig.as_deref().expect("a kubeconfig")).expect("written");
    let existing = Existing { kubeconfig: Some(kubeconfig), ..Existing::default() };
    let found = existing.provide(&cancel).await.expect("reachable");
    assert_eq!((found.target.mode, found.target.name.as_str()), (Mode::Existing, "embedded"));
    assert_eq!(found.kubernetes_version, provided.kubernetes_version);

    cancel.cancel();
    assert!(matches!(existing.provide(&cancel).await, Err(ProvideError::Interrupted)));
    drop(provided);
    let gone = existing.provide(&CancellationToken::new()).await.err().expect("nobody listens");
    assert!(matches!(gone, ProvideError::Unreachable { .. }), "{gone}");
}
