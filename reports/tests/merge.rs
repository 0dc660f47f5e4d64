//! Shards of one run give its verdict; what does not belong together is refused.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use reports::matrix::{Cell, Matrix};
use reports::merge::{MergeError, merge};
use reports::model::{Level, Outcome, Problem, Results, Shard, Skip};
use reports::verdict::{Verdict, judge};
use support::{check, failure, run};

const IDS: [&str; 4] = ["GWY-001", "GWY-002", "IDN-004", "IDN-005"];

fn left_out() -> Outcome {
    Outcome::Skipped(Skip::NotSelected)
}

fn errored() -> Outcome {
    Outcome::Errored(Problem { class: "timeout".into(), message: "m".into(), next: None })
}

/// A shard in which these checks came out so; the others are not its own.
fn shard(index: u32, count: u32, outcomes: &[(&str, Outcome)]) -> (String, Results) {
    let outcome = |id: &str| outcomes.iter().find(|(of, _)| *of == id).map_or_else(left_out, |(_, one)| one.clone());
    let mut results = run(IDS.iter().map(|id| check(id, Level::Must, outcome(id))).collect());
    results.run.id = format!("run-{index}");
    results.run.shard = Some(Shard { of: "job-7".into(), index, count });
    (format!("folder-{index}"), results)
}

fn halves() -> [(String, Results); 2] {
    [
        shard(0, 2, &[("GWY-001", Outcome::Passed), ("IDN-004", Outcome::Passed)]),
        shard(1, 2, &[("GWY-001", Outcome::Passed), ("GWY-002", Outcome::Passed), ("IDN-005", Outcome::Passed)]),
    ]
}

#[test]
fn a_shard_alone_is_at_best_partial_and_says_that_it_is_one() {
    let (_, results) = &halves()[1];
    assert_eq!(judge(results), Verdict::Partial);
    let page = reports::html::page(results, String::new());
    for text in [
        page,
        reports::markdown::render(results),
        reports::terminal::summary(results, reports::terminal::Style::plain()),
    ] {
        assert!(text.contains("PARTIAL (simulated, shard 1/2)"), "{text}");
    }
    let failing = shard(0, 2, &[("GWY-001", failure("a", "b"))]).1;
    assert_eq!(judge(&failing), Verdict::NonConformant, "what fails in a part fails in the whole");
}

#[test]
fn all_shards_together_give_the_verdict() {
    let whole = merge(&halves()).unwrap();
    assert_eq!(judge(&whole), Verdict::Conformant);
    assert_eq!((whole.run.id.as_str(), whole.run.shard.as_ref()), ("job-7", None));
    assert_eq!(whole.run.joined, ["run-0", "run-1"]);
    assert!(whole.checks.iter().all(|check| check.outcome == Outcome::Passed));
    let [one, other] = halves();
    assert_eq!(merge(&[other, one]).unwrap().checks, whole.checks, "their order is no matter");
}

#[test]
fn what_is_not_sure_is_not_passed() {
    let interrupted = || Outcome::Skipped(Skip::Interrupted);
    for (others, expected) in [
        (interrupted(), interrupted()),
        (errored(), errored()),
        (failure("a", "b"), failure("a", "b")),
        (left_out(), Outcome::Passed),
    ] {
        let one = shard(0, 2, &[("GWY-001", Outcome::Passed)]);
        let whole = merge(&[one, shard(1, 2, &[("GWY-001", others)])]).unwrap();
        assert_eq!(whole.checks[0].outcome, expected);
    }
    let whole = merge(&[shard(0, 2, &[("GWY-001", errored())]), shard(1, 2, &[("GWY-001", failure("a", "b"))])]);
    assert_eq!(whole.unwrap().checks[0].outcome, failure("a", "b"));
}

#[test]
fn what_no_shard_was_to_run_stays_left_out() {
    let whole = merge(&[shard(0, 1, &[("GWY-001", Outcome::Passed)])]).unwrap();
    assert_eq!(whole.checks[3].outcome, left_out());
}

#[test]
fn shards_that_do_not_belong_together_are_refused() {
    type Spoil = fn(&mut Results);
    let spoilt: [(&str, Spoil); 8] = [
        ("the run", |results| results.run.shard.as_mut().unwrap().of = "job-8".into()),
        ("the number of shards", |results| results.run.shard.as_mut().unwrap().count = 3),
        ("this program's version", |results| results.run.tool_version = "0.0.9".into()),
        ("the target", |results| results.target.name = "another".into()),
        ("Kubernetes", |results| results.target.kubernetes_version = None),
        ("the Kubeflow release", |results| results.target.kubeflow_version = "1.10.2".into()),
        ("what was installed", |results| results.target.manifests = None),
        ("the catalogue", |results| drop(results.checks.pop())),
    ];
    for (what, spoil) in spoilt {
        let mut shards = halves();
        spoil(&mut shards[1].1);
        let error = merge(&shards).unwrap_err();
        assert!(matches!(&error, MergeError::Stranger { what: found, .. } if *found == what), "{what}: {error}");
        let text = error.to_string();
        assert!(text.contains("folder-1") && text.contains("folder-0") && text.contains(what), "{text}");
    }
}

#[test]
fn missing_double_and_whole_ones_are_refused() {
    let [one, other] = halves();
    assert_eq!(merge(&[]), Err(MergeError::Nothing));
    let missing = merge(&[shard(1, 4, &[])]).unwrap_err();
    assert!(missing.to_string().contains("of 4 shards these are missing: 0, 2, 3"), "{missing}");
    let twice = merge(&[one.clone(), other, one]).unwrap_err();
    assert!(twice.to_string().contains("shard 0/2 is there twice: folder-0 and folder-0"), "{twice}");
    let whole = merge(&[("here".into(), run(Vec::new()))]).unwrap_err();
    assert_eq!(whole, MergeError::Whole { name: "here".into() });
    let beyond = merge(&[shard(0, 2, &[]), shard(5, 2, &[])]).unwrap_err();
    assert!(beyond.to_string().contains("folder-5 says that it is shard 5/2"), "{beyond}");
}

#[test]
fn the_columns_of_a_matrix_are_put_together() {
    let matrix = |places: &[usize]| {
        let cell = |_, row: usize, column: usize| {
            let own = row == places[column];
            Cell::Tried { expected: own, seen: Some(own) }
        };
        let who = (0..3).map(|n| format!("user-{n}")).collect();
        Matrix::of("m", who, places.iter().map(|n| format!("home-{n}")).collect(), vec!["list".into()], cell)
    };
    let mut shards = halves();
    for (shard, places) in shards.iter_mut().zip([&[0, 2][..], &[1][..]]) {
        shard.1.checks[0].matrices = vec![matrix(places)];
    }
    let whole = merge(&shards).unwrap();
    assert_eq!(whole.checks[0].matrices, [matrix(&[0, 2, 1])]);
}
