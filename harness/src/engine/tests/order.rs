//! What runs when, and beside what.

use proptest::prelude::*;
use reports::model::{Outcome, Skip};

use super::super::plan::{Allowance, Plan};
use super::super::schedule::Schedule;
use super::*;
use clusters::versions::Contract;

#[tokio::test(start_paused = true)]
async fn checks_run_side_by_side_and_results_stay_in_the_catalogues_order() {
    let one = suite("one", vec![made_up("TST-001", takes!(300)), made_up("TST-002", takes!(100))]);
    let two = suite("two", vec![made_up("TST-003", takes!(200))]);
    let results = results_of(&[one, two], environment()).await;
    let ids: Vec<&str> = results.checks.iter().map(|check| check.id.as_str()).collect();
    assert_eq!(ids, ["TST-001", "TST-002", "TST-003"]);
    assert!(results.checks.iter().all(|check| check.outcome == Outcome::Passed && check.started_ms == 0));
    assert_eq!((results.run.checks_ms, results.run.critical_path_ms), (300, 300));
}

#[tokio::test(start_paused = true)]
async fn no_more_run_at_once_than_there_are_jobs() {
    let ids = ["TST-001", "TST-002", "TST-003", "TST-004", "TST-005"];
    let checks = ids.into_iter().map(|id| made_up(id, takes!(100))).collect();
    let results = results_of(&[suite("one", checks)], Environment { jobs: 2, ..environment() }).await;
    assert_eq!(results.run.checks_ms, 300);
    assert_eq!(results.run.critical_path_ms, 100);
}

#[tokio::test(start_paused = true)]
async fn a_check_waits_for_its_prerequisites_and_long_chains_go_first() {
    let checks = vec![
        made_up("TST-001", takes!(100)),
        made_up("TST-002", takes!(100)),
        made_up("TST-003", takes!(100)).after(&["TST-002"]),
        made_up("TST-004", takes!(50)).after(&["TST-003"]),
    ];
    let results = results_of(&[suite("one", checks)], Environment { jobs: 1, ..environment() }).await;
    assert_eq!(span(&results, "TST-002"), (0, 100));
    assert_eq!(span(&results, "TST-003"), (100, 200));
    assert!(span(&results, "TST-004").0 >= 200);
    assert_eq!(results.run.critical_path_ms, 250);
}

#[tokio::test(start_paused = true)]
async fn the_checks_of_a_suite_that_say_so_exclude_one_another_only() {
    let one = suite(
        "one",
        vec![
            isolated("TST-001", Isolation::Suite, takes!(100)),
            isolated("TST-002", Isolation::Suite, takes!(100)),
            made_up("TST-003", takes!(150)),
        ],
    );
    let two = suite("two", vec![isolated("TST-004", Isolation::Suite, takes!(100))]);
    let results = results_of(&[one, two], environment()).await;
    assert!(!overlap(&results, "TST-001", "TST-002"));
    assert!(overlap(&results, "TST-001", "TST-003") && overlap(&results, "TST-001", "TST-004"));
    assert_eq!((results.run.checks_ms, results.run.critical_path_ms), (200, 200));
}

#[tokio::test(start_paused = true)]
async fn an_exclusive_check_never_overlaps_and_a_destructive_one_comes_last() {
    let checks = vec![
        isolated("TST-001", Isolation::Destructive, takes!(10)),
        isolated("TST-002", Isolation::Exclusive, takes!(100)),
        made_up("TST-003", takes!(100)),
        made_up("TST-004", takes!(30)).after(&["TST-002"]),
        isolated("TST-005", Isolation::Destructive, takes!(10)),
    ];
    let results = results_of(&[suite("one", checks)], environment()).await;
    assert_eq!(span(&results, "TST-003"), (0, 100));
    assert_eq!(span(&results, "TST-002"), (100, 200));
    assert_eq!(span(&results, "TST-004"), (200, 230));
    assert_eq!(span(&results, "TST-001"), (230, 240));
    assert_eq!(span(&results, "TST-005"), (240, 250));
    assert_eq!(results.run.critical_path_ms, 220, "100 exclusive, 20 destructive, 100 of the rest");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_check_that_did_not_pass_names_the_root() {
    let checks = vec![
        made_up("TST-001", fails),
        made_up("TST-002", takes!(1)).after(&["TST-001"]),
        made_up("TST-003", takes!(1)).after(&["TST-002"]),
        made_up("TST-010", errs),
        made_up("TST-011", takes!(1)).after(&["TST-010"]),
        made_up("TST-020", is_absent),
        made_up("TST-021", takes!(1)).after(&["TST-020"]),
        made_up("TST-030", takes!(1)).after(&["TST-021", "TST-003"]),
    ];
    let results = results_of(&[suite("one", checks)], environment()).await;
    assert_eq!(outcome(&results, "TST-002"), &blocked_by("TST-001"));
    assert_eq!(outcome(&results, "TST-003"), &blocked_by("TST-001"));
    assert_eq!(outcome(&results, "TST-011"), &blocked_by("TST-010"));
    let absent = Outcome::Skipped(Skip::FeatureAbsent { feature: "Katib".into() });
    assert_eq!(outcome(&results, "TST-021"), &absent);
    assert_eq!(outcome(&results, "TST-030"), &blocked_by("TST-001"), "a failure explains more than an absence");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_asked_for_is_in_the_results_and_holds_nothing_up() {
    let checks = vec![made_up("TST-001", fails), made_up("TST-002", takes!(1)).after(&["TST-001"])];
    let selection = Selection::of(&[suite("one", checks)], |_, check| check.id == "TST-002");
    let running = run(&selection, environment()).unwrap();
    assert_eq!(running.pending.iter().map(|pending| pending.check.id).collect::<Vec<_>>(), ["TST-002"]);
    let results = running.finish().await;
    assert_eq!(outcome(&results, "TST-001"), &Outcome::Skipped(Skip::NotSelected));
    assert_eq!(outcome(&results, "TST-002"), &Outcome::Passed);
    assert!(results.notes.iter().any(|note| note.text.contains("TST-001 was not selected")), "{:?}", results.notes);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_apply_is_skipped_with_its_reason_and_blocks_nobody_of_this_version() {
    let checks = vec![
        made_up("TST-001", fails).only(&[Contract::A]),
        made_up("TST-002", takes!(1)).after(&["TST-001"]),
        made_up("TST-003", takes!(1)).writes(),
        isolated("TST-004", Isolation::Destructive, takes!(1)),
        made_up("TST-005", takes!(1)).after(&["TST-003"]),
    ];
    let results = results_of(&[suite("one", checks)], Environment { read_only: true, ..environment() }).await;
    let outside = Skip::VersionOutside { applies_to: "Kubeflow 1.8.1".into() };
    assert_eq!(outcome(&results, "TST-001"), &Outcome::Skipped(outside));
    assert_eq!(outcome(&results, "TST-002"), &Outcome::Passed);
    for id in ["TST-003", "TST-004", "TST-005"] {
        assert_eq!(outcome(&results, id), &Outcome::Skipped(Skip::ReadOnly), "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_s_cluster_is_never_changed() {
    let checks = vec![
        isolated("TST-001", Isolation::Destructive, |_| panic!("it ran")),
        made_up("TST-002", takes!(1)).after(&["TST-001"]),
        made_up("TST-003", takes!(1)).writes(),
    ];
    let mut somebody_s = environment();
    somebody_s.target.mode = Mode::Existing;
    let results = results_of(&[suite("one", checks)], somebody_s).await;
    for id in ["TST-001", "TST-002"] {
        assert!(matches!(outcome(&results, id), Outcome::Skipped(Skip::NoCapability { .. })), "{id}");
    }
    assert_eq!(outcome(&results, "TST-003"), &Outcome::Passed);
}

#[tokio::test(start_paused = true)]
async fn somebody_s_cluster_is_changed_if_its_owner_says_so() {
    let checks = vec![isolated("TST-001", Isolation::Destructive, takes!(1))];
    let mut allowed = environment();
    allowed.target.mode = Mode::Existing;
    allowed.may_restart = true;
    assert_eq!(outcome(&results_of(&[suite("one", checks)], allowed).await, "TST-001"), &Outcome::Passed);
}

#[tokio::test(start_paused = true)]
async fn an_empty_selection_ends_at_once_and_is_never_green() {
    let selection = Selection::of(&[suite("one", vec![made_up("TST-001", fails)])], |_, _| false);
    assert!(selection.is_empty());
    let results = run(&selection, Environment { housekeeping: true, ..environment() }).unwrap().finish().await;
    assert_eq!(outcome(&results, "TST-001"), &Outcome::Skipped(Skip::NotSelected));
    assert_eq!(crate::exit::code(&results), crate::exit::NOTHING_SELECTED);
}

#[tokio::test]
async fn a_registry_that_cannot_be_ordered_is_refused() {
    let circle = vec![
        made_up("TST-001", fails).after(&["TST-002"]),
        made_up("TST-002", fails).after(&["TST-003"]),
        made_up("TST-003", fails).after(&["TST-002"]),
    ];
    let error = run(&Selection::all(&[suite("one", circle)]), environment()).err().unwrap();
    assert!(error.to_string().contains("TST-002 -> TST-003 -> TST-002"), "{error}");
    let dangling = vec![made_up("TST-001", fails).after(&["TST-009"])];
    let error = run(&Selection::all(&[suite("one", dangling)]), environment()).err().unwrap();
    assert!(error.to_string().contains("TST-001 comes after TST-009"), "{error}");
}

/// Names for the checks of a random plan.
const IDS: [&str; 12] = [
    "TST-000", "TST-001", "TST-002", "TST-003", "TST-004", "TST-005", "TST-006", "TST-007", "TST-008", "TST-009",
    "TST-010", "TST-011",
];

/// A random plan: for each check its prerequisites among the earlier ones, its isolation, its outcome.
fn plans() -> impl Strategy<Value = Vec<(Vec<bool>, usize, usize)>> {
    let row = (prop::collection::vec(prop::bool::weighted(0.25), IDS.len()), 0..6usize, 0..8usize);
    prop::collection::vec(row, 1..=IDS.len())
}

fn isolation_of(number: usize) -> Isolation {
    [
        Isolation::Shared,
        Isolation::Shared,
        Isolation::Shared,
        Isolation::Suite,
        Isolation::Exclusive,
        Isolation::Destructive,
    ][number]
}

fn outcome_of(number: usize) -> Outcome {
    match number {
        0 => Stop::failed("a", "b").into(),
        1 => Stop::errored("transport", "c").into(),
        2 => Stop::absent("d").into(),
        _ => Outcome::Passed,
    }
}

proptest! {
    #[test]
    fn whatever_the_plan_everything_ends_once_and_isolation_holds(rows in plans(), jobs in 1..4usize, order in any::<u64>()) {
        let checks = rows.iter().enumerate().map(|(index, (after, isolation, _))| {
            let after: Vec<&'static str> = (0..index).filter(|before| after[*before]).map(|before| IDS[before]).collect();
            isolated(IDS[index], isolation_of(*isolation), fails).after(after.leak())
        });
        let selection = Selection::all(&[suite("one", checks.collect())]);
        let plan = Plan::new(&selection, Allowance { contract: Contract::B, changes: true, read_only: false }).unwrap();
        let mut schedule = Schedule::new(plan, jobs);
        let mut running: Vec<usize> = Vec::new();
        let mut outcomes: Vec<Option<Outcome>> = vec![None; rows.len()];
        let class = |index: usize| isolation_of(rows[index].1);
        let mut turn = order;
        loop {
            while let Some((index, skip)) = schedule.skip_next() {
                prop_assert!(outcomes[index].replace(Outcome::Skipped(skip.clone())).is_none());
                if let Skip::BlockedBy { id } = skip {
                    let root = IDS.iter().position(|known| *known == id).unwrap();
                    prop_assert!(matches!(outcomes[root], Some(Outcome::Failed(_) | Outcome::Errored(_))));
                }
            }
            while let Some(index) = schedule.start_next() {
                prop_assert!(running.len() < jobs);
                for other in &running {
                    prop_assert!(class(index) < Isolation::Exclusive && class(*other) < Isolation::Exclusive);
                    prop_assert!(class(index) != Isolation::Suite || class(*other) != Isolation::Suite);
                }
                if class(index) == Isolation::Destructive {
                    let waits = |other: usize| rows[other].0[index] && other > index;
                    let early = (0..rows.len()).any(|other| {
                        outcomes[other].is_none() && class(other) != Isolation::Destructive && other != index
                            && (0..other).filter(|before| rows[other].0[*before]).all(|before| outcomes[before] == Some(Outcome::Passed))
                            && !waits(other)
                    });
                    prop_assert!(!early, "something else could have gone first");
                }
                running.push(index);
            }
            if running.is_empty() {
                break;
            }
            turn = turn.rotate_left(7);
            let index = running.swap_remove(usize::try_from(turn % u64::try_from(running.len()).unwrap()).unwrap());
            let ended = outcome_of(rows[index].2);
            schedule.ended(index, &ended, ended == Outcome::Passed);
            prop_assert!(outcomes[index].replace(ended).is_none());
        }
        prop_assert!(outcomes.iter().all(Option::is_some), "{outcomes:?}");
    }
}
