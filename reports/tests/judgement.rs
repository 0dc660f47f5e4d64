//! The verdict and the root causes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use reports::causes::root_causes;
use reports::model::{Level, Outcome, Problem, Results, Skip};
use reports::verdict::{Verdict, judge};
use support::{check, failure, run};

fn errored() -> Outcome {
    Outcome::Errored(Problem { class: "timeout".into(), message: "m".into(), next: None })
}

fn skipped(skip: Skip) -> Outcome {
    Outcome::Skipped(skip)
}

fn of(outcomes: Vec<(Level, Outcome)>) -> Results {
    run(outcomes
        .into_iter()
        .enumerate()
        .map(|(n, (level, outcome))| check(&format!("GWY-{n:03}"), level, outcome))
        .collect())
}

#[test]
fn verdicts() {
    use Level::{May, Must, Should};
    let absent = || skipped(Skip::FeatureAbsent { feature: "x".into() });
    let outside = || skipped(Skip::VersionOutside { applies_to: "B".into() });
    for (name, outcomes, verdict) in [
        ("all passed", vec![(Must, Outcome::Passed), (May, Outcome::Passed)], Verdict::Conformant),
        ("a Should failed", vec![(Must, Outcome::Passed), (Should, failure("a", "b"))], Verdict::Conformant),
        ("a Should errored", vec![(Must, Outcome::Passed), (Should, errored())], Verdict::Conformant),
        ("a Must failed", vec![(Must, Outcome::Passed), (Must, failure("a", "b"))], Verdict::NonConformant),
        ("failed outweighs errored", vec![(Must, errored()), (Must, failure("a", "b"))], Verdict::NonConformant),
        ("a Must errored", vec![(Must, Outcome::Passed), (Must, errored())], Verdict::Inconclusive),
        ("a Must absent", vec![(Must, Outcome::Passed), (Must, absent())], Verdict::Partial),
        ("a Must read-only", vec![(Must, Outcome::Passed), (Must, skipped(Skip::ReadOnly))], Verdict::Partial),
        ("a Must interrupted", vec![(Must, Outcome::Passed), (Must, skipped(Skip::Interrupted))], Verdict::Partial),
        ("another version's Must", vec![(Must, Outcome::Passed), (Must, outside())], Verdict::Conformant),
        ("unselected Must", vec![(Must, Outcome::Passed), (Must, skipped(Skip::NotSelected))], Verdict::Conformant),
        ("no Must ran", vec![(Must, skipped(Skip::NotSelected)), (May, Outcome::Passed)], Verdict::Inconclusive),
        ("nothing at all", vec![], Verdict::Inconclusive),
    ] {
        assert_eq!(judge(&of(outcomes)), verdict, "{name}");
    }
}

#[test]
fn a_root_cause_carries_what_it_blocks() {
    let results = support::failed();
    let causes = root_causes(&results);
    assert_eq!(causes.iter().map(|cause| cause.check.id.as_str()).collect::<Vec<_>>(), ["IDN-004", "IDN-006"]);
    assert_eq!(causes[0].blocked.iter().map(|check| check.id.as_str()).collect::<Vec<_>>(), ["IDN-005"]);
}
