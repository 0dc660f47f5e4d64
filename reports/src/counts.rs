//! How many checks came out how.

use crate::model::{Check, Level, Outcome, Results, Skip};

/// Numbers of checks. Those that were not selected are in none of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed.
    pub passed: usize,
    /// Failed, of any level.
    pub failed: usize,
    /// Failed Musts.
    pub must_failed: usize,
    /// Could not tell.
    pub errored: usize,
    /// Skipped because a check before them did not pass.
    pub blocked: usize,
    /// Skipped for any other reason.
    pub skipped: usize,
}

impl Counts {
    /// Counts checks.
    pub fn of<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Self {
        let mut counts = Self::default();
        for check in checks {
            match &check.outcome {
                Outcome::Passed => counts.passed += 1,
                Outcome::Failed(_) => {
                    counts.failed += 1;
                    counts.must_failed += usize::from(check.level == Level::Must);
                }
                Outcome::Errored(_) => counts.errored += 1,
                Outcome::Skipped(Skip::NotSelected) => {}
                Outcome::Skipped(Skip::BlockedBy { .. }) => counts.blocked += 1,
                Outcome::Skipped(_) => counts.skipped += 1,
            }
        }
        counts
    }

    /// All selected checks.
    #[must_use]
    pub fn total(&self) -> usize {
        self.passed + self.failed + self.errored + self.blocked + self.skipped
    }
}

/// The suites of a run, in order, each with its selected checks.
#[must_use]
pub fn by_suite(results: &Results) -> Vec<(&str, Vec<&Check>)> {
    let mut suites: Vec<(&str, Vec<&Check>)> = Vec::new();
    for check in results.checks.iter().filter(|check| check.outcome != Outcome::Skipped(Skip::NotSelected)) {
        match suites.last_mut() {
            Some((name, checks)) if *name == check.suite => checks.push(check),
            _ => suites.push((&check.suite, vec![check])),
        }
    }
    suites
}
