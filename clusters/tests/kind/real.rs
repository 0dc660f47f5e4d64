//! The same with the real programs. `CONFORMANCE_TEST_NODE_IMAGE` names a node image that is on this machine; kind and
//! a container runtime are on the PATH.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clusters::install::{InstallError, Installer, Progress};
use clusters::manifests::{self, Source};
use clusters::{Kind, Mode};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio_util::sync::CancellationToken;

use super::fakes::{provide, refused};

fn real(name: &str) -> Option<Kind> {
    let Ok(image) = std::env::var("CONFORMANCE_TEST_NODE_IMAGE") else {
        eprintln!("skipped: CONFORMANCE_TEST_NODE_IMAGE names no node image of kind");
        return None;
    };
    Some(Kind { node_image: Some(image), progress: Progress::Lines, ..Kind::new(name) })
}

async fn name_space(provided: &clusters::Provided, name: &str) -> (Api<Namespace>, Namespace) {
    let client = kube::Client::try_from(provided.target.kube.clone()).unwrap();
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    (Api::all(client), Namespace { metadata, ..Namespace::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_is_made_kept_used_again_and_deleted() {
    let Some(kind) = real("conformance-test") else { return };
    let started = Instant::now();
    let provided = provide(&Kind { keep: true, ..kind.clone() }).await.unwrap();
    eprintln!("made in {:.1} s", started.elapsed().as_secs_f64());
    assert_eq!((provided.target.mode, provided.target.name.as_str()), (Mode::Disposable, "kind-conformance-test"));
    let (spaces, space) = name_space(&provided, "left-by-the-first-run").await;
    spaces.create(&PostParams::default(), &space).await.unwrap();
    drop(provided);

    let started = Instant::now();
    let provided = provide(&kind).await.unwrap();
    eprintln!("used again after {:.1} s", started.elapsed().as_secs_f64());
    let (spaces, _) = name_space(&provided, "").await;
    assert!(spaces.get_opt("left-by-the-first-run").await.unwrap().is_some());
    refused(&kind, &["another run uses the kind cluster conformance-test"]).await;

    let started = Instant::now();
    drop(provided);
    eprintln!("deleted in {:.1} s", started.elapsed().as_secs_f64());
    let nodes =
        std::process::Command::new("kind").args(["get", "nodes", "--name", "conformance-test"]).output().unwrap();
    assert!(nodes.status.success() && nodes.stdout.is_empty(), "{nodes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_of_an_image_that_cannot_be_had_is_said_so() {
    let Some(kind) = real("conformance-test-image") else { return };
    let missing = Kind { node_image: Some("localhost:1/no/such/image:v1.34.0".to_owned()), ..kind };
    refused(&missing, &["making the kind cluster conformance-test-image failed", "no/such/image"]).await;
}

/// Where no registry can be reached: an interrupted installation goes on, ends with the names of what lacks its image, and
/// changes nothing when it is run again.
#[tokio::test(flavor = "multi_thread")]
async fn platform_is_written_and_the_images_that_it_lacks_are_named() {
    let Some(kind) = real("conformance-test-platform") else { return };
    let Some(folder) = std::env::var_os("CONFORMANCE_TEST_MANIFESTS") else {
        eprintln!("skipped: CONFORMANCE_TEST_MANIFESTS does not name the folder of example-v*.yaml.xz");
        return;
    };
    let manifests =
        manifests::load(&Source::Path(PathBuf::from(folder).join("example-v1.10.2.yaml.xz"))).await.unwrap();
    let provided = provide(&kind).await.unwrap();
    let installer = Installer::new(&provided.target.kube).unwrap().progress(Progress::Lines);

    let cancel = CancellationToken::new();
    let interrupt = async {
        tokio::time::sleep(Duration::from_secs(6)).await;
        cancel.cancel();
    };
    let (interrupted, ()) = tokio::join!(installer.install(&manifests, &cancel), interrupt);
    let Err(InstallError::Interrupted { written, .. }) = interrupted else { panic!("{interrupted:?}") };
    eprintln!("interrupted when {written} objects were written");

    for again in [false, true] {
        let started = Instant::now();
        let error = installer.install(&manifests, &CancellationToken::new()).await.expect_err("there are no images");
        let InstallError::NoImage { account, held } = &error else { panic!("{error}") };
        assert_eq!(account.unwritten, *held);
        eprintln!("{error}\nended after {:.1} s, {held} held back", started.elapsed().as_secs_f64());
        assert!(started.elapsed() < Duration::from_secs(300), "it was a time-out");
        let lacking = account.workloads.iter().filter(|workload| workload.no_image);
        let reasons: Vec<&str> = lacking.filter_map(|workload| workload.reason.as_deref()).collect();
        assert!(reasons.len() >= 10, "{}", account.table());
        assert!(
            reasons.iter().all(|reason| reason.contains("pod ") && reason.contains("cannot be pulled (")),
            "{reasons:?}"
        );
        if again {
            assert_eq!((account.created, account.changed), (0, 0), "{}", account.table());
        } else {
            // What was in flight when it was interrupted is written, and not counted.
            let before = manifests.objects.len() - account.created - held;
            assert!((written..=written + 16).contains(&before), "{written}, {before}: {}", account.table());
        }
    }
}
