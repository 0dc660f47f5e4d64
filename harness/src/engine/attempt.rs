//! One check, from its start until everything that it created is gone.

use std::sync::Arc;
use std::time::Duration;

use reports::journal::Entry;
use reports::model::{Check, Event, EventKind, Outcome, Problem, Skip};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until, timeout};

use super::panics::Slot;
use super::plan::Step;
use super::results;
use super::shared::Shared;
use crate::context::Ctx;
use crate::evidence::{Recorded, Recorder, millis};
use crate::own::undo;
use crate::stop::{Checked, Stop};

/// How long a check may go on after the run was interrupted.
pub const INTERRUPT_BUDGET: Duration = Duration::from_secs(3);
/// How long a check that is ended may take to notice: a task ends where it next waits.
const ABORT_BUDGET: Duration = Duration::from_millis(500);
/// How many milliseconds an answer takes that is worth a word.
const LONG: u64 = 1000;
/// How long removing what a check created may take. What is still there then is left to the sweep.
pub const CLEANUP_BUDGET: Duration = Duration::from_secs(20);

/// A check that ended.
pub(crate) struct Ended {
    /// Its result.
    pub check: Check,
    /// Whether those that come after it may go on: it passed, but for what the site is said to leave out.
    pub opens: bool,
}

/// Runs a check and cleans up behind it.
pub(crate) async fn attempt(shared: Arc<Shared>, step: Step, cleaner: kube::Client) -> Ended {
    let environment = &shared.environment;
    let started = Instant::now();
    let started_ms = millis(started - shared.start);
    shared.journal.append(&Entry::Began { id: step.check.id.to_owned(), at_ms: started_ms });

    let recorder = Recorder::new(shared.start, environment.redactor.clone());
    let cx = Ctx::new(Arc::clone(&shared), step.check, recorder.clone(), client(&shared, &step, &recorder));
    let list = cx.undo().clone();
    let (mut outcome, opens) = run(&shared, &step, cx).await;
    let leaked = undo(&list, &cleaner, &environment.run_id, environment.keep, &recorder, CLEANUP_BUDGET).await;
    let Recorded { evidence, findings, matrices } = recorder.close();
    if let Outcome::Errored(problem) = &mut outcome
        && problem.class == "timeout"
        && let Some(slowest) = slowest(&evidence)
    {
        problem.message = format!("{}; {slowest}", problem.message);
    }
    let duration_ms = millis(started.elapsed());
    let entry = results::entry(step.suite, step.check, outcome);
    let mut check = Check { started_ms, duration_ms, findings, leaked, matrices, evidence, ..entry };
    environment.redactor.check(&mut check);
    Ended { check, opens }
}

/// The client that speaks for a check. Its worker lives where the check does.
fn client(shared: &Shared, step: &Step, recorder: &Recorder) -> kube::Client {
    let _guard = shared.environment.checks_on.as_ref().map(tokio::runtime::Handle::enter);
    let user_agent = crate::user_agent(&shared.environment.run_id, step.check.id);
    shared.kubernetes.client(&user_agent, recorder.clone())
}

/// Runs the check's function in a task of its own until it ends, its time is up, or the run is interrupted. Says also
/// whether those that come after it may go on.
async fn run(shared: &Shared, step: &Step, cx: Ctx) -> (Outcome, bool) {
    let (slot, check) = (Slot::default(), step.check);
    let task = slot.clone().watch(async move { (check.run)(&cx).await });
    let mut task = match &shared.environment.checks_on {
        Some(runtime) => runtime.spawn(task),
        None => tokio::spawn(task),
    };
    let within = check.bound(1 + shared.environment.others.len());
    let late = Instant::now() + within;
    let interrupted = async {
        shared.environment.cancel.cancelled().await;
        tokio::time::sleep(INTERRUPT_BUDGET).await;
    };
    tokio::select! {
        biased;
        ended = &mut task => {
            let opens = matches!(ended, Ok(Ok(()) | Err(Stop::LeftOut(_))));
            (outcome_of(ended, &slot), opens)
        }
        () = sleep_until(late) => {
            let ended = end(&mut task).await;
            (Outcome::Errored(too_late(within, ended)), false)
        }
        () = interrupted => {
            end(&mut task).await;
            (Outcome::Skipped(Skip::Interrupted), false)
        }
    }
}

/// Ends a task, and says whether it really has ended: one that blocks its thread does not.
async fn end<T>(task: &mut JoinHandle<T>) -> bool {
    task.abort();
    timeout(ABORT_BUDGET, task).await.is_ok()
}

fn outcome_of(ended: Result<Checked, JoinError>, slot: &Slot) -> Outcome {
    match ended {
        Ok(Ok(())) => Outcome::Passed,
        Ok(Err(stop)) => stop.into(),
        Err(error) => Outcome::Errored(Problem {
            class: String::from("panic"),
            message: match slot.take() {
                Some(panic) => format!("the check panicked: {panic}"),
                None => format!("the check's task ended: {error}"),
            },
            next: Some(String::from(
                "this is a mistake in the check, not in the platform; report it with this message",
            )),
        }),
    }
}

fn too_late(within: Duration, ended: bool) -> Problem {
    let blocked = if ended { "" } else { ", and blocks its thread: it was left behind" };
    Problem {
        class: String::from("timeout"),
        message: format!("the check did not end within {within:?}{blocked}"),
        next: Some(String::from("its evidence shows what it waited for last")),
    }
}

/// What kept a check that ran out of time: the answer that took longest, if that was long.
fn slowest(evidence: &[Event]) -> Option<String> {
    let answers = evidence.iter().filter_map(|event| match &event.what {
        EventKind::Http(exchange) => Some((exchange.duration_ms, format!("{} {}", exchange.method, exchange.url))),
        EventKind::Kubernetes { call, duration_ms, .. } => Some((*duration_ms, call.clone())),
        _ => None,
    });
    let (took, what) = answers.max_by_key(|(took, _)| *took).filter(|(took, _)| *took >= LONG)?;
    Some(format!("the slowest answer came after {:.1?}: {what}", Duration::from_millis(took)))
}

/// The entry of a check that was not started.
pub(crate) fn skipped(shared: &Shared, step: &Step, skip: Skip) -> Check {
    let started_ms = millis(shared.start.elapsed());
    Check { started_ms, ..results::entry(step.suite, step.check, Outcome::from(Stop::Skipped(skip))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_answer_is_told_if_it_was_slow() {
        let call = |duration_ms| Event {
            at_ms: 0,
            what: EventKind::Kubernetes { call: format!("GET /{duration_ms}"), status: 200, duration_ms },
        };
        let remark = Event { at_ms: 0, what: EventKind::Remark { text: "slow".to_owned() } };
        assert_eq!(slowest(&[]), None);
        assert_eq!(slowest(&[call(999), remark.clone()]), None);
        let told = slowest(&[call(1000), call(5930), remark, call(3)]);
        assert_eq!(told.as_deref(), Some("the slowest answer came after 5.9s: GET /5930"));
    }
}
