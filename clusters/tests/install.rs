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
use tokio_util::sync::CancellationToken;

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
