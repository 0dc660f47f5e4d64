//! Two runs side by side: what got worse, what got better, what is no longer judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use crate::model::{Check, Level, Outcome, Results, Skip};
use crate::phrases;
use crate::verdict::{Verdict, judge};

/// The version of the format: a comparison names it.
pub const SCHEMA: &str = "kubeflow-conformance/comparison/v1";

/// Two runs, the earlier one first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// The earlier run.
    pub before: Side,
    /// The later run.
    pub after: Side,
    /// Checks that failed or could not tell, and did not before.
    pub regressed: Vec<Change>,
    /// Checks that pass, and did not before.
    pub fixed: Vec<Change>,
    /// Checks that are skipped, and were judged before.
    pub newly_skipped: Vec<Change>,
    /// Checks that were judged before and do not apply to the later run's release.
    pub no_longer_applicable: Vec<Change>,
    /// Checks that pass, and were not judged before.
    pub newly_judged: Vec<Change>,
    /// Checks that fail or cannot tell, as before.
    pub still_failing: Vec<Change>,
    /// How many came out the same otherwise.
    pub unchanged: usize,
    /// Findings that were not there before: check and title.
    pub new_findings: Vec<String>,
    /// Findings that are gone.
    pub gone_findings: Vec<String>,
}

/// One of the runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// The run's id.
    pub run: String,
    /// When it was made.
    pub started: String,
    /// What was judged.
    pub target: String,
    /// The release that was expected.
    pub kubeflow: String,
    /// The verdict.
    pub verdict: Verdict,
}

/// A check that came out otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Its id.
    pub id: String,
    /// The requirement.
    pub title: String,
    /// How much it weighs.
    pub level: Level,
    /// How it came out before; `absent` if the earlier run did not know it.
    pub before: String,
    /// How it comes out now; `absent` if the later run does not know it.
    pub after: String,
    /// Why, of a check that fails, cannot tell or is skipped now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What an outcome is to a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rank {
    Good,
    Bad,
    Unjudged,
    Inapplicable,
}

impl Comparison {
    /// Compares two runs.
    #[must_use]
    pub fn of(before: &Results, after: &Results) -> Self {
        let mut comparison = Self {
            schema: SCHEMA,
            before: Side::of(before),
            after: Side::of(after),
            regressed: Vec::new(),
            fixed: Vec::new(),
            newly_skipped: Vec::new(),
            no_longer_applicable: Vec::new(),
            newly_judged: Vec::new(),
            still_failing: Vec::new(),
            unchanged: 0,
            new_findings: only_in(after, before),
            gone_findings: only_in(before, after),
        };
        let by_id = |results: &'_ Results| {
            results.checks.iter().map(|check| (check.id.clone(), check.clone())).collect::<BTreeMap<_, _>>()
        };
        let (old, new) = (by_id(before), by_id(after));
        let ids: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for id in ids {
            let (was, is) = (old.get(id), new.get(id));
            let Some(change) = Change::of(was, is) else { continue };
            match (rank(was), rank(is)) {
                (Rank::Bad, Rank::Bad) => comparison.still_failing.push(change),
                (_, Rank::Bad) => comparison.regressed.push(change),
                (Rank::Bad, Rank::Good) => comparison.fixed.push(change),
                (Rank::Unjudged | Rank::Inapplicable, Rank::Good) => comparison.newly_judged.push(change),
                (Rank::Good | Rank::Bad, Rank::Unjudged) => comparison.newly_skipped.push(change),
                (Rank::Good | Rank::Bad, Rank::Inapplicable) => comparison.no_longer_applicable.push(change),
                _ => comparison.unchanged += 1,
            }
        }
        comparison
    }

    /// Whether anything got worse: a check fails that did not, or is no longer judged.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        !self.regressed.is_empty() || !self.newly_skipped.is_empty()
    }

    /// The account for a person.
    #[must_use]
    pub fn text(&self) -> String {
        let side = |side: &Side| {
            let line = format!(
                "{}, Kubeflow {}: {} ({}, run {})",
                side.target,
                side.kubeflow,
                side.verdict.text(),
                side.started,
                side.run
            );
            phrases::one_line(&line, 300)
        };
        let mut text = format!("before  {}\nafter   {}\n", side(&self.before), side(&self.after));
        for (title, changes) in [
            ("regressed", &self.regressed),
            ("newly skipped", &self.newly_skipped),
            ("still failing", &self.still_failing),
            ("fixed", &self.fixed),
            ("no longer applicable", &self.no_longer_applicable),
            ("newly judged", &self.newly_judged),
        ] {
            if !changes.is_empty() {
                _ = writeln!(text, "\n{title} ({})", changes.len());
            }
            for Change { id, title, before, after, reason, .. } in changes {
                _ = writeln!(text, "  {id}  {}: {before} -> {after}", phrases::one_line(title, 200));
                if let Some(reason) = reason {
                    _ = writeln!(text, "    {}", phrases::one_line(reason, 300));
                }
            }
        }
        for (title, findings) in [("new findings", &self.new_findings), ("findings gone", &self.gone_findings)] {
            if !findings.is_empty() {
                _ = writeln!(text, "\n{title} ({})", findings.len());
            }
            findings.iter().for_each(|finding| _ = writeln!(text, "  {}", phrases::one_line(finding, 300)));
        }
        _ = writeln!(text, "\n{} checks came out as before", self.unchanged + self.still_failing.len());
        text
    }
}

impl Side {
    fn of(results: &Results) -> Self {
        Self {
            run: results.run.id.clone(),
            started: results.run.started.clone(),
            target: phrases::target(results),
            kubeflow: results.target.kubeflow_version.clone(),
            verdict: judge(results),
        }
    }
}

impl Change {
    fn of(was: Option<&Check>, is: Option<&Check>) -> Option<Self> {
        let known = is.or(was)?;
        let status = |check: Option<&Check>| check.map_or("absent", |check| phrases::status(&check.outcome)).to_owned();
        let reason = is.and_then(|check| match &check.outcome {
            Outcome::Passed => None,
            Outcome::Failed(failure) => Some(format!("expected {}; actual {}", failure.expected, failure.actual)),
            Outcome::Errored(problem) => Some(problem.message.clone()),
            Outcome::Skipped(skip) => Some(phrases::skip(skip)),
        });
        Some(Self {
            id: known.id.clone(),
            title: known.title.clone(),
            level: known.level,
            before: status(was),
            after: status(is),
            reason,
        })
    }
}

/// What was not asked for is not judged; neither is what the run never knew. What is blocked fails with what blocks it.
fn rank(check: Option<&Check>) -> Rank {
    match check.map(|check| &check.outcome) {
        Some(Outcome::Passed) => Rank::Good,
        Some(Outcome::Failed(_) | Outcome::Errored(_) | Outcome::Skipped(Skip::BlockedBy { .. })) => Rank::Bad,
        Some(Outcome::Skipped(Skip::VersionOutside { .. })) => Rank::Inapplicable,
        Some(Outcome::Skipped(_)) | None => Rank::Unjudged,
    }
}

/// Findings of one run that the other has not.
fn only_in(of: &Results, other: &Results) -> Vec<String> {
    let findings = |results: &Results| -> BTreeSet<String> {
        let checks = results.checks.iter();
        checks
            .flat_map(|check| check.findings.iter().map(|finding| format!("{}: {}", check.id, finding.title)))
            .collect()
    };
    findings(of).difference(&findings(other)).cloned().collect()
}
