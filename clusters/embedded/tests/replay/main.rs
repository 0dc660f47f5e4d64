//! What real programs answered, asked again of the embedded platform.
//!
//! `CONFORMANCE_RECORDINGS` names the folder of the recordings; without it, these tests say that they were skipped. The
//! figures and the differences with their reasons stand in `docs/fidelity/`: see [`fidelity`]. `CONFORMANCE_PROBER` names
//! the folder of the prober that made some of them, and lets it send its cases itself. With
//! `CONFORMANCE_TEST_MANIFESTS` the gateway's recordings are played on upstream's own objects, else on the blueprint's.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test that reports")]

mod applications;
mod contract_a;
mod controllers;
#[path = "../fidelity/mod.rs"]
mod fidelity;
mod gateway;
mod kubernetes_api;
mod page;
mod prober;
mod recordings;
mod rights;
