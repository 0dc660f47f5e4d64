//! Nothing of a run is left in the cluster: every object of the API and every row of Kubeflow Pipelines before and after,
//! compared one by one: after a run, after Ctrl-C in the middle, and after kill -9 with a run that follows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects")]
#![cfg(feature = "embedded")]

#[path = "nothing_left/images.rs"]
mod images;
mod judged;
#[path = "nothing_left/platform.rs"]
mod platform;
#[path = "nothing_left/snapshot.rs"]
mod snapshot;

use std::time::Duration;

use platform::{Platform, Signal};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_after_a_run() {
    let platform = Platform::start().await;
    let before = platform.snapshot().await;
    assert!(before.objects.len() > 300 && before.rows.len() > 5, "{} objects", before.objects.len());
    let names = images::platform(&platform.client).await;
    let watch = images::Watch::begin(&platform.client).await;
    let ran = platform.run(&[]);
    assert_eq!(ran.code, 0, "{}", ran.told);
    platform.is_again(&before).await;

    // A site that mirrors what `--plan --images` lists, and what its platform names, can run everything.
    let (seen, listed) = (watch.end().await, images::listed());
    assert!(listed.iter().all(|image| seen.contains(image)), "{listed:?} of {seen:?}");
    // Two are compiled into programs of the platform; by names of RFC 2606 nothing can be pulled, which is what is tried.
    let unlisted = |image: &&String| {
        let known = listed.contains(*image) || names.contains(image.as_str());
        let known = known || ["kfp-driver", "tensorflow/tensorflow:2.5.1"].contains(&image.as_str());
        !known && !image.contains(".invalid/")
    };
    assert_eq!(seen.iter().filter(unlisted).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_after_an_interrupt() {
    let platform = Platform::start().await;
    let before = platform.snapshot().await;
    let mut run = platform.spawn(&[]);
    platform.has_made_something(&before).await;
    run.send(Signal::Interrupt);
    let ran = run.ends();
    assert_eq!(ran.code, 130, "{}", ran.told);
    platform.is_again(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_leaves_is_removed_by_the_next() {
    let platform = Platform::start().await;
    let before = platform.snapshot().await;
    // What the dashboard makes under the user's own name, in the instant of the kill, could be the user's own to anybody: it
    // is left to them, and kept out of here.
    let mut run = platform.spawn(&["--skip", "PRF-041"]);
    platform.has_made_something(&before).await;
    run.send(Signal::Kill);
    run.ends();
    // Nothing is left by itself: what is compared below was there.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let left = before.differences(&platform.snapshot().await);
    assert!(left.iter().any(|one| one.contains("Profile")), "{left:#?}");
    assert!(left.iter().any(|one| one.starts_with("rows of")), "{left:#?}");
    platform.loses_the_label_of_a_profile().await;

    let ran = platform.run(&["pipelines"]);
    assert_eq!(ran.code, 0, "{}", ran.told);
    assert!(ran.told.contains("had left behind"), "{}", ran.told);
    platform.is_again(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_leaves_what_a_living_run_has_made() {
    let platform = Platform::start().await;
    let before = platform.snapshot().await;
    let run = platform.spawn(&[]);
    platform.has_made_something(&before).await;
    let beside = platform.run(&["profiles::PRF-020"]);
    assert_eq!(beside.code, 0, "{}", beside.told);
    assert!(!beside.told.contains("had left behind"), "{}", beside.told);
    let ran = run.ends();
    assert_eq!(ran.code, 0, "{}", ran.told);
    platform.is_again(&before).await;
}
