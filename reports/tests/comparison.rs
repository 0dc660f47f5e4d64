//! Two runs side by side.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test says what it expects")]

mod support;

use reports::comparison::Comparison;
use reports::model::{Finding, Level, Outcome, Problem, Severity, Skip};
use support::{check, failure, run};

fn outcome(word: &str) -> Outcome {
    match word {
        "passed" => Outcome::Passed,
        "failed" => failure("a", "b"),
        "errored" => Outcome::Errored(Problem { class: "timeout".into(), message: "late".into(), next: None }),
        "blocked" => Outcome::Skipped(Skip::BlockedBy { id: "GWY-001".into() }),
        "outside" => Outcome::Skipped(Skip::VersionOutside { applies_to: "contract A".into() }),
        "unasked" => Outcome::Skipped(Skip::NotSelected),
        _ => Outcome::Skipped(Skip::ReadOnly),
    }
}

/// The lists that a check is in, when it came out one way and then another.
fn lists(before: Option<&str>, after: Option<&str>) -> Vec<&'static str> {
    let side =
        |word: Option<&str>| run(word.map(|word| check("GWY-001", Level::Must, outcome(word))).into_iter().collect());
    let found = Comparison::of(&side(before), &side(after));
    let lists = [
        ("regressed", found.regressed.len()),
        ("fixed", found.fixed.len()),
        ("newly skipped", found.newly_skipped.len()),
        ("no longer applicable", found.no_longer_applicable.len()),
        ("newly judged", found.newly_judged.len()),
        ("still failing", found.still_failing.len()),
        ("unchanged", found.unchanged),
    ];
    lists.into_iter().filter(|(_, count)| *count > 0).map(|(name, _)| name).collect()
}

#[test]
fn every_pair_of_outcomes_is_in_one_list() {
    for (before, after, expected) in [
        ("passed", "passed", "unchanged"),
        ("passed", "failed", "regressed"),
        ("passed", "errored", "regressed"),
        ("passed", "blocked", "regressed"),
        ("passed", "skipped", "newly skipped"),
        ("passed", "unasked", "newly skipped"),
        ("passed", "outside", "no longer applicable"),
        ("failed", "passed", "fixed"),
        ("errored", "passed", "fixed"),
        ("failed", "errored", "still failing"),
        ("failed", "skipped", "newly skipped"),
        ("skipped", "failed", "regressed"),
        ("skipped", "passed", "newly judged"),
        ("outside", "passed", "newly judged"),
        ("outside", "skipped", "unchanged"),
    ] {
        assert_eq!(lists(Some(before), Some(after)), [expected], "{before} -> {after}");
    }
    assert_eq!(lists(None, Some("failed")), ["regressed"]);
    assert_eq!(lists(Some("passed"), None), ["newly skipped"]);
}

#[test]
fn findings_come_and_go() {
    let with = |title: &str| {
        let mut check = check("GWY-001", Level::Must, Outcome::Passed);
        check.findings.push(Finding { severity: Severity::Low, title: title.into(), detail: String::new() });
        run(vec![check])
    };
    let found = Comparison::of(&with("old"), &with("new"));
    assert_eq!((found.new_findings, found.gone_findings), (vec!["GWY-001: new".into()], vec!["GWY-001: old".into()]));
}

#[test]
fn what_a_cluster_says_does_not_reach_the_terminal() {
    let mut hostile = check("GWY-001", Level::Must, failure("a", "\u{1b}[2J\u{202e}<script>"));
    hostile.title = "\u{1b}]0;x\u{7}".into();
    let text = Comparison::of(&run(Vec::new()), &run(vec![hostile])).text();
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{text:?}");
    let json = serde_json::to_value(Comparison::of(&run(Vec::new()), &run(Vec::new()))).unwrap();
    assert_eq!(json["schema"], "kubeflow-conformance/comparison/v1");
}
