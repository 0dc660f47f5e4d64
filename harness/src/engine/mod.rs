//! The engine: runs a selection of checks against a platform and yields the results.
//!
//! It needs no command line: [`run`] takes a [`Selection`] and an [`Environment`], hands out one receiver for each
//! selected check, and [`Running::finish`] gives the results when everything has ended and is cleaned up.

pub(crate) mod attempt;
mod conduct;
mod critical_path;
mod environment;
mod journal;
mod panics;
pub(crate) mod plan;
mod restarts;
mod results;
mod schedule;
mod selection;
pub(crate) mod shared;
#[cfg(test)]
mod tests;
pub mod threads;

use std::sync::Arc;

use clusters::Mode;
use reports::journal::Entry;
use reports::model::{Check, Note, Results};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use environment::{Environment, GivenPipeline, default_jobs};
pub use journal::{EVENT_LOG, Journal};
pub use results::blank;
pub use selection::Selection;
pub use threads::Threads;

use crate::check;
use crate::http::{Gateway, GatewayError, Limits};
use crate::kubernetes::Kubernetes;
use plan::{Allowance, Plan};
use shared::Shared;

/// Why a run cannot start: a mistake in the registry of checks, or a target that cannot be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A check comes after one that does not exist.
    #[error("check {check} comes after {id}, which does not exist; correct its row in the suite")]
    UnknownPrerequisite {
        /// The check.
        check: &'static str,
        /// What it names.
        id: &'static str,
    },
    /// Checks wait for one another.
    #[error("these checks wait for one another: {0}; correct their rows in the suites")]
    Cycle(String),
    /// No client for the Kubernetes API can be made.
    #[error(
        "cannot prepare a client for the Kubernetes API: {0}; check the kubeconfig with: kubectl config view --minify"
    )]
    Client(String),
    /// The gateway's address cannot be used.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

/// A selected check, whose result is to come.
pub struct Pending {
    /// Its suite.
    pub suite: &'static check::Suite,
    /// The check.
    pub check: &'static check::Check,
    /// Gives the result, when the check has ended and is cleaned up.
    pub result: oneshot::Receiver<Arc<Check>>,
}

/// A run that goes on.
pub struct Running {
    /// One for each selected check, in the catalogue's order. May be taken out.
    pub pending: Vec<Pending>,
    conductor: JoinHandle<Results>,
    blank: Results,
}

/// Starts a run on the current tokio runtime.
///
/// # Errors
/// [`EngineError`], before anything was sent to the platform.
///
/// # Panics
/// Outside a tokio runtime.
pub fn run(selection: &Selection, environment: Environment) -> Result<Running, EngineError> {
    panics::install();
    crate::init();
    let allowance = Allowance {
        contract: environment.version.contract,
        changes: environment.target.mode != Mode::Existing || environment.may_restart,
        read_only: environment.read_only,
    };
    let plan = Plan::new(selection, allowance)?;
    let kubernetes = Kubernetes::new(environment.target.kube.clone())
        .map_err(|error| EngineError::Client(crate::kubernetes::describe(&error)))?;
    let client = kubernetes.shared();
    let gateway = Gateway::new(environment.gateway.clone(), Limits::default())?;

    let mut blank = blank(selection, environment.run(), environment.described_target());
    blank.install = environment.install.clone();
    blank.notes = environment.notes.clone();
    let journal = environment.report_dir.as_deref().map_or_else(Journal::without, Journal::create);
    journal.append(&Entry::Started(Box::new(blank.clone())));

    let (pending, senders) = plan
        .steps
        .iter()
        .map(|step| {
            let (sender, result) = oneshot::channel();
            (Pending { suite: step.suite, check: step.check, result }, Some(sender))
        })
        .unzip();
    let shared = Arc::new(Shared::new(environment, kubernetes, gateway, journal));
    let conductor = conduct::Conductor::new(shared, client, blank.clone(), senders);
    Ok(Running { pending, conductor: tokio::spawn(conductor.conduct(plan)), blank })
}

impl Running {
    /// The results, when everything has ended and is cleaned up.
    pub async fn finish(self) -> Results {
        match self.conductor.await {
            Ok(results) => results,
            Err(error) => {
                let text = format!("the engine itself failed, and no result is known: {error}");
                let mut results = self.blank;
                results.notes.push(Note { topic: String::from("setup"), text });
                results
            }
        }
    }
}
