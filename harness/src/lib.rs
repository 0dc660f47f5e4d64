//! How a check runs: the engine, the context that a check is given, HTTP sessions, Kubernetes access, evidence,
//! redaction, clean-up and the command line.
//!
//! A suite is a const table of [`check::Check`]s; [`cli::main`] runs a list of suites against a target.

pub mod check;
pub mod cli;
pub mod config;
pub mod context;
pub mod engine;
pub mod evidence;
pub mod exec;
pub mod exit;
pub mod fault;
pub mod fixtures;
pub mod forward;
pub mod http;
pub mod kubernetes;
pub mod login;
pub mod own;
pub mod redact;
pub mod registry;
pub mod signals;
pub mod stop;
mod wait;

pub use check::{Check, Explain, Isolation, Profile, Seconds, Source, Suite, check};
pub use context::Ctx;
pub use fault::{Change, Fault};
pub use reports::model::{Level, Severity};
pub use stop::{Checked, Stop};

/// Prepares the process: one TLS provider for everything that speaks TLS. Safe to call any number of times.
pub fn init() {
    // Two libraries would otherwise each look for a provider of their own, and the first handshake would panic.
    _ = rustls::crypto::ring::default_provider().install_default();
}

/// What the requests of a check carry as `User-Agent`, so that the logs of the gateway and of the API server tell which
/// check asked.
#[must_use]
pub fn user_agent(run: &str, check: &str) -> String {
    format!("kubeflow-conformance/{} ({run}; {check})", env!("CARGO_PKG_VERSION"))
}
