//! What the harness does to a cluster: own objects, their removal, the janitor, commands in pods, the forwarded port. All
//! of it against the embedded platform, and against the real cluster that `CONFORMANCE_TEST_KUBECONFIG` names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects")]
#![cfg(feature = "embedded")]

#[path = "cluster/forward.rs"]
mod forward;
#[path = "cluster/janitor.rs"]
mod janitor;
#[path = "cluster/own.rs"]
mod own;
#[path = "cluster/place.rs"]
mod place;
#[path = "cluster/pods.rs"]
mod pods;
