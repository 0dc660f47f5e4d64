//! The one judgement of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Check, Level, Outcome, Results, Skip};

/// What a run says of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every Must of the selection passed.
    Conformant,
    /// A Must failed.
    NonConformant,
    /// No Must failed or errored, but one was skipped for another reason than that it does not apply, or this is a shard of
    /// a run.
    Partial,
    /// A Must errored, or no Must ran at all: nothing can be said.
    Inconclusive,
}

impl Verdict {
    /// As people write it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Conformant => "conformant",
            Self::NonConformant => "non-conformant",
            Self::Partial => "partial",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// Judges a run. A failure outweighs an error, an error a skip: what is certain is said first.
#[must_use]
pub fn judge(results: &Results) -> Verdict {
    let musts = || results.checks.iter().filter(|check| check.level == Level::Must);
    if musts().any(|check| matches!(check.outcome, Outcome::Failed(_))) {
        return Verdict::NonConformant;
    }
    if musts().any(|check| matches!(check.outcome, Outcome::Errored(_)))
        || !musts().any(|check| matches!(check.outcome, Outcome::Passed))
    {
        return Verdict::Inconclusive;
    }
    if musts().any(leaves_a_gap) || results.run.shard.is_some() { Verdict::Partial } else { Verdict::Conformant }
}

/// Whether a skipped check leaves something unsaid. What was not asked for or does not apply to this version does not.
fn leaves_a_gap(check: &Check) -> bool {
    match &check.outcome {
        Outcome::Skipped(skip) => !matches!(skip, Skip::NotSelected | Skip::VersionOutside { .. }),
        _ => false,
    }
}
