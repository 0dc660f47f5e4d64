//! How a check runs: the engine, the context that a check is given, HTTP sessions, Kubernetes access, evidence,
//! redaction, clean-up and the command line.
//!
//! A suite is a const table of [`check::Check`]s; [`cli::main`] runs a list of suites against a target.

pub mod check;
pub mod cli;
pub mod context;
pub mod fault;
pub mod http;
pub mod stop;

pub use check::{Check, Explain, Isolation, Profile, Seconds, Source, Suite, check};
pub use context::Ctx;
pub use fault::{Change, Fault};
pub use reports::model::{Level, Severity};
pub use stop::{Checked, Stop};
