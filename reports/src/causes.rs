//! Root causes: one fault, not thirty failures.

use crate::model::{Check, Outcome, Results, Skip};

/// A check that failed or errored, with what it held up.
#[derive(Debug, Clone, PartialEq)]
pub struct RootCause<'a> {
    /// The check.
    pub check: &'a Check,
    /// The checks that it blocked, directly or through others.
    pub blocked: Vec<&'a Check>,
}

/// The failed and errored checks of a run, worst level first, each with what it blocked.
#[must_use]
pub fn root_causes(results: &Results) -> Vec<RootCause<'_>> {
    let mut causes: Vec<RootCause<'_>> = results
        .checks
        .iter()
        .filter(|check| matches!(check.outcome, Outcome::Failed(_) | Outcome::Errored(_)))
        .map(|check| RootCause { check, blocked: blocked_by(results, &check.id) })
        .collect();
    causes.sort_by_key(|cause| cause.check.level);
    causes
}

fn blocked_by<'a>(results: &'a Results, root: &str) -> Vec<&'a Check> {
    results
        .checks
        .iter()
        .filter(|check| matches!(&check.outcome, Outcome::Skipped(Skip::BlockedBy { id }) if id == root))
        .collect()
}
