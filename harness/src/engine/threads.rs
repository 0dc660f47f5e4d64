//! The threads of a run. The checks have a runtime of their own: one that blocks its thread holds up neither the engine
//! with its timeouts and its clean-up nor an embedded platform, and the end of the program does not wait for it.

use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

/// Threads beyond one a job, so that checks that block theirs for good leave enough for the others.
const SPARE: usize = 8;

/// How long the end waits for what still runs.
const FAREWELL: Duration = Duration::from_secs(1);

/// The runtimes of a program that runs checks.
pub struct Threads {
    engine: Runtime,
    checks: Runtime,
}

impl Threads {
    /// Starts them for a run of at most `jobs` checks at once.
    pub fn start(jobs: usize) -> std::io::Result<Self> {
        let engine = Builder::new_multi_thread().worker_threads(2).thread_name("engine").enable_all().build()?;
        let checks =
            Builder::new_multi_thread().worker_threads(jobs + SPARE).thread_name("check").enable_all().build()?;
        Ok(Self { engine, checks })
    }

    /// Where everything but the checks runs: provider, installer, engine, reports.
    #[must_use]
    pub fn engine(&self) -> &Runtime {
        &self.engine
    }

    /// Where the checks run: for [`super::Environment::checks_on`].
    #[must_use]
    pub fn checks(&self) -> Handle {
        self.checks.handle().clone()
    }

    /// Ends them; a thread that is blocked is left behind.
    pub fn shut_down(self) {
        self.checks.shutdown_background();
        self.engine.shutdown_timeout(FAREWELL);
    }
}
