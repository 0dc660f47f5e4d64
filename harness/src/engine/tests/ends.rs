//! How checks and runs end.

use std::sync::{Arc, Mutex};

use reports::journal::fold;
use reports::model::{Note, Problem};

use super::super::attempt::INTERRUPT_BUDGET;
use super::super::{EVENT_LOG, Journal};
use super::*;
use crate::context::{Ctx, Seen};
use crate::fixtures::Fixture;

fn problem(outcome: &Outcome) -> &Problem {
    match outcome {
        Outcome::Errored(problem) => problem,
        other => panic!("not errored: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_errs_with_the_place_and_the_others_go_on() {
    let checks = vec![
        made_up("TST-001", |_| Box::pin(async { panic!("the sky fell: {}", "password=hunter2") })),
        made_up("TST-002", takes!(10)),
        made_up("TST-003", takes!(10)).after(&["TST-001"]),
    ];
    let results = results_of(&[suite("one", checks)], environment()).await;
    let problem = problem(outcome(&results, "TST-001"));
    assert_eq!(problem.class, "panic");
    assert!(problem.message.contains("the sky fell") && problem.message.contains("ends.rs:"), "{}", problem.message);
    assert_eq!(outcome(&results, "TST-002"), &Outcome::Passed);
    assert_eq!(outcome(&results, "TST-003"), &blocked_by("TST-001"));
}

#[tokio::test(start_paused = true)]
async fn what_a_site_leaves_out_is_absent_and_the_checks_after_it_go_on() {
    let checks = vec![
        made_up("TST-001", |_| Box::pin(async { Err(Stop::LeftOut("Katib".to_owned())) })),
        made_up("TST-002", takes!(10)).after(&["TST-001"]),
    ];
    let results = results_of(&[suite("one", checks)], environment()).await;
    let absent = Outcome::Skipped(Skip::FeatureAbsent { feature: "Katib".into() });
    assert_eq!(outcome(&results, "TST-001"), &absent);
    assert_eq!(outcome(&results, "TST-002"), &Outcome::Passed);
    assert_eq!(crate::exit::code(&results), crate::exit::PARTIAL);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_never_ends_is_ended_when_its_time_is_up() {
    let checks = vec![made_up("TST-001", |_| Box::pin(std::future::pending())), made_up("TST-002", takes!(10))];
    let results = results_of(&[suite("one", checks)], environment()).await;
    let problem = problem(outcome(&results, "TST-001"));
    assert_eq!((problem.class.as_str(), problem.message.as_str()), ("timeout", "the check did not end within 10s"));
    assert_eq!(entry(&results, "TST-001").duration_ms, 10_000);
    assert_eq!(outcome(&results, "TST-002"), &Outcome::Passed);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_ends_what_runs_after_a_budget_and_starts_nothing_more() {
    let checks = vec![
        made_up("TST-001", takes!(1_000)),
        made_up("TST-002", takes!(2_000)),
        made_up("TST-003", |_| Box::pin(std::future::pending())),
        made_up("TST-004", takes!(1)).after(&["TST-002"]),
    ];
    let environment = environment();
    let cancel = environment.cancel.clone();
    let running = run(&Selection::all(&[suite("one", checks)]), environment).unwrap();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        cancel.cancel();
    });
    let results = running.finish().await;
    assert!(results.run.interrupted);
    assert_eq!(outcome(&results, "TST-001"), &Outcome::Passed);
    assert_eq!(outcome(&results, "TST-002"), &Outcome::Passed, "it ended within the budget");
    assert_eq!(outcome(&results, "TST-003"), &Outcome::Skipped(Skip::Interrupted));
    assert_eq!(outcome(&results, "TST-004"), &Outcome::Skipped(Skip::Interrupted));
    assert_eq!(u128::from(results.run.checks_ms), 1_500 + INTERRUPT_BUDGET.as_millis());
    assert_eq!(crate::exit::code(&results), crate::exit::INTERRUPTED);
}

#[tokio::test(start_paused = true)]
async fn results_arrive_as_they_are_known() {
    let checks = vec![made_up("TST-001", takes!(5_000)), made_up("TST-002", takes!(1_000))];
    let mut running = run(&Selection::all(&[suite("one", checks)]), environment()).unwrap();
    let start = tokio::time::Instant::now();
    let second = running.pending.pop().unwrap().result.await.unwrap();
    assert_eq!((second.id.as_str(), start.elapsed()), ("TST-002", secs(1)));
    let first = running.pending.pop().unwrap().result.await.unwrap();
    assert_eq!((first.id.as_str(), start.elapsed()), ("TST-001", secs(5)));
}

/// Looks at a clock of its own: comes true after three seconds, then is false once, then stays true.
async fn wobbly(start: tokio::time::Instant) -> Checked<Seen<u64>> {
    Ok(match start.elapsed().as_secs() {
        second @ (3 | 5..) => Seen::Yes(second),
        second => Seen::NotYet(format!("second {second}")),
    })
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_bounded_and_recorded() {
    let checks = vec![
        made_up("TST-001", |cx| {
            Box::pin(async {
                let start = tokio::time::Instant::now();
                let seen = cx.eventually("the light is on", secs(9), secs(1), || Box::pin(wobbly(start))).await?;
                assert_eq!(seen, 3);
                let start = tokio::time::Instant::now();
                let look = || -> futures::future::BoxFuture<'_, _> { Box::pin(wobbly(start)) };
                assert_eq!(cx.eventually_steady("the light stays on", 3, secs(9), secs(1), look).await?, 7);
                Ok(())
            })
        })
        .within(Seconds(60)),
        made_up("TST-002", |cx| {
            Box::pin(async {
                let start = tokio::time::Instant::now();
                cx.eventually("the light is on", secs(2), secs(1), || Box::pin(wobbly(start))).await?;
                Ok(())
            })
        }),
        made_up("TST-003", |cx| {
            Box::pin(async {
                let look = || -> futures::future::BoxFuture<'_, Checked<Seen<()>>> {
                    Box::pin(async { Err(Stop::errored("transport", "no route")) })
                };
                cx.eventually("somebody answers", secs(2), secs(1), look).await
            })
        }),
        made_up("TST-004", |cx| {
            Box::pin(async {
                let look = || -> futures::future::BoxFuture<'_, Checked<Seen<()>>> { Box::pin(std::future::pending()) };
                cx.eventually("somebody answers", secs(2), secs(1), look).await
            })
        }),
    ];
    let results = results_of(&[suite("one", checks)], environment()).await;
    assert_eq!(outcome(&results, "TST-001"), &Outcome::Passed);
    let Outcome::Failed(failure) = outcome(&results, "TST-002") else { panic!("{:?}", outcome(&results, "TST-002")) };
    assert_eq!(failure.expected, "the light is on within 2s");
    assert_eq!(failure.actual, "after 2 looks: second 1");
    assert_eq!(problem(outcome(&results, "TST-003")).class, "transport");
    assert_eq!(problem(outcome(&results, "TST-004")).class, "timeout");
    let evidence = serde_json::to_string(&entry(&results, "TST-001").evidence).unwrap();
    assert!(evidence.contains(r#""name":"the light is on","attempts":4"#), "{evidence}");
}

/// A fixture that cannot be made.
struct Broken;

impl Fixture for Broken {
    const NAME: &'static str = "broken thing";
    const WITHIN: Duration = Duration::from_secs(5);
    async fn make(cx: Ctx) -> Checked<Self> {
        cx.remark("tried");
        tokio::time::sleep(Duration::from_millis(100)).await;
        Err(Stop::failed("whole", "broken"))
    }
}

/// A fixture that takes a while.
struct Slow;

impl Fixture for Slow {
    const NAME: &'static str = "slow thing";
    const WITHIN: Duration = Duration::from_secs(5);
    async fn make(_: Ctx) -> Checked<Self> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(Self)
    }
}

#[tokio::test(start_paused = true)]
async fn a_fixture_is_made_once_and_its_failure_has_one_root() {
    let wants_broken: Run = |cx| Box::pin(async { cx.fixture::<Broken>().await.map(drop) });
    let wants_slow: Run = |cx| Box::pin(async { cx.fixture::<Slow>().await.map(drop) });
    let checks = vec![
        made_up("TST-001", wants_broken),
        made_up("TST-002", wants_broken),
        made_up("TST-003", wants_slow).within(Seconds(1)),
        made_up("TST-004", wants_slow),
    ];
    let results = results_of(&[suite("one", checks)], environment()).await;
    let broken = problem(outcome(&results, "TST-001"));
    assert!(broken.message.contains("there is no broken thing: expected whole, actual broken"), "{}", broken.message);
    assert_eq!(outcome(&results, "TST-002"), &blocked_by("TST-001"));
    assert_eq!(problem(outcome(&results, "TST-003")).class, "timeout", "it had no time for it");
    assert_eq!(outcome(&results, "TST-004"), &Outcome::Passed, "the work was not lost");
    assert_eq!(results.run.checks_ms, 2_000);
}

#[tokio::test(start_paused = true)]
async fn the_event_log_folds_to_the_results_also_when_it_breaks_off() {
    let checks = vec![
        made_up("TST-001", |cx| {
            Box::pin(async {
                cx.note("uncovered-route", "a route");
                Ok(())
            })
        }),
        made_up("TST-002", fails).after(&["TST-001"]),
        made_up("TST-003", takes!(10)).after(&["TST-002"]),
    ];
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment { report_dir: Some(folder.path().to_owned()), ..environment() };
    let results = results_of(&[suite("one", checks)], environment).await;
    let path = folder.path().join(EVENT_LOG);
    let log = std::fs::read(&path).unwrap();
    assert_eq!(fold(&log).unwrap(), results);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let first = log.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for end in first..log.len() {
        let folded = fold(&log[..end]).unwrap();
        assert!(folded.run.recovered || folded == results, "cut at {end}");
        for check in &folded.checks {
            let full = outcome(&results, &check.id);
            assert!(&check.outcome == full || check.outcome == Outcome::Skipped(Skip::Interrupted));
        }
    }
}

/// A disk that is full after some bytes.
struct Disk(Arc<Mutex<usize>>);

impl std::io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut room = self.0.lock().unwrap();
        if *room < bytes.len() {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
        }
        *room -= bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_costs_the_log_only() {
    let note = |text: &str| reports::journal::Entry::Noted(Note { topic: "setup".into(), text: text.into() });
    let room = Arc::new(Mutex::new(100));
    let journal = Journal::to(Disk(Arc::clone(&room)));
    journal.append(&note("short"));
    assert_eq!(journal.problem(), None);
    journal.append(&note(&"long ".repeat(100)));
    let left = *room.lock().unwrap();
    journal.append(&note("short"));
    assert_eq!(*room.lock().unwrap(), left, "a log with a gap would lie");
    assert!(journal.problem().unwrap().contains("could not be written"));
}

#[tokio::test(start_paused = true)]
async fn a_report_folder_that_cannot_be_written_is_said_and_the_run_goes_on() {
    let environment = Environment { report_dir: Some("/dev/null/nowhere".into()), ..environment() };
    let results = results_of(&[suite("one", vec![made_up("TST-001", takes!(1))])], environment).await;
    assert_eq!(outcome(&results, "TST-001"), &Outcome::Passed);
    assert!(
        results.notes.iter().any(|note| note.text.contains("event log could not be written")),
        "{:?}",
        results.notes
    );
}
