//! The results of a run before anything has run.

use reports::model::{Check, Outcome, Results, Run, SCHEMA, Skip, Target};

use super::Selection;
use crate::check;

/// Results in which every check that was asked for is interrupted, and every other one not selected: what there is to
/// say of a run that dies before its first check.
#[must_use]
pub fn blank(selection: &Selection, run: Run, target: Target) -> Results {
    let checks = selection.catalogue().map(|(suite, check)| {
        let skip = if selection.contains(check) { Skip::Interrupted } else { Skip::NotSelected };
        entry(suite, check, Outcome::Skipped(skip))
    });
    Results { schema: SCHEMA.to_owned(), run, target, install: None, checks: checks.collect(), notes: Vec::new() }
}

/// A check's entry without a trace of having run.
pub(crate) fn entry(suite: &check::Suite, check: &check::Check, outcome: Outcome) -> Check {
    Check {
        id: check.id.to_owned(),
        suite: suite.name.to_owned(),
        test: suite.test_name(check),
        title: check.title.to_owned(),
        level: check.level,
        source: check.source.to_string(),
        profiles: check.profiles.iter().map(|profile| profile.name().to_owned()).collect(),
        after: check.after.iter().map(|id| (*id).to_owned()).collect(),
        outcome,
        started_ms: 0,
        duration_ms: 0,
        findings: Vec::new(),
        leaked: Vec::new(),
        matrices: Vec::new(),
        evidence: Vec::new(),
        explain: reports::model::Explain {
            what: check.explain.what.to_owned(),
            why: check.explain.why.to_owned(),
            fix: check.explain.fix.to_owned(),
            reproduce: check.explain.reproduce.to_owned(),
        },
    }
}
