//! Conducts a run: starts what the schedule lets start, collects what ends, and tidies up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reports::journal::Entry;
use reports::model::{Check, Note, Outcome, Problem, Results, Skip};
use tokio::sync::oneshot;
use tokio::task::{Id, JoinHandle, JoinSet};
use tokio::time::interval;

use super::attempt::{self, Ended, attempt, skipped};
use super::critical_path::critical_path_ms;
use super::plan::Plan;
use super::restarts::Restarts;
use super::schedule::Schedule;
use super::shared::Shared;
use crate::evidence::{Recorder, millis};
use crate::own::{Over, Removed, clear, gone, sweep, undo};

/// How long the sweep at the end may take; namespaces take a while.
const SWEEP_BUDGET: Duration = Duration::from_secs(60);
/// How often the checks' runtime is nudged. A check that blocks a thread may hold the one that watches the sockets;
/// any new task makes another thread look.
const NUDGE: Duration = Duration::from_millis(50);

/// What a run needs from its start to its end.
pub(super) struct Conductor {
    shared: Arc<Shared>,
    client: kube::Client,
    results: Results,
    senders: Vec<Option<oneshot::Sender<Arc<Check>>>>,
}

impl Conductor {
    pub(super) fn new(
        shared: Arc<Shared>,
        client: kube::Client,
        results: Results,
        senders: Vec<Option<oneshot::Sender<Arc<Check>>>>,
    ) -> Self {
        Self { shared, client, results, senders }
    }

    /// Runs the plan and yields the results.
    pub(super) async fn conduct(mut self, plan: Plan) -> Results {
        let housekeeping = self.shared.environment.housekeeping && !plan.steps.is_empty();
        plan.notes.iter().for_each(|note| self.shared.note(note.clone()));
        let before = if housekeeping { Some(Restarts::count(&self.client).await) } else { None };
        let janitor = (housekeeping && !self.shared.environment.read_only).then(|| self.start_janitor());

        let mut schedule = Schedule::new(plan, self.shared.environment.jobs);
        self.run_checks(&mut schedule).await;
        self.results.run.checks_ms = millis(self.shared.start.elapsed());

        self.tidy_up().await;
        if let Some(janitor) = janitor {
            self.note_janitor(janitor).await;
        }
        if let Some(before) = before {
            let after = Restarts::count(&self.client).await;
            after.since(&before).into_iter().for_each(|note| self.shared.note(note));
        }
        self.conclude(schedule.plan())
    }

    async fn run_checks(&mut self, schedule: &mut Schedule) {
        let cancel = self.shared.environment.cancel.clone();
        let mut attempts = JoinSet::new();
        let mut indices: HashMap<Id, usize> = HashMap::new();
        let mut nudge = interval(NUDGE);
        loop {
            if cancel.is_cancelled() {
                self.results.run.interrupted = true;
                for index in schedule.interrupt() {
                    self.skip(schedule, index, Skip::Interrupted);
                }
            }
            while let Some((index, skip)) = schedule.skip_next() {
                self.skip(schedule, index, skip);
            }
            while let Some(index) = schedule.start_next() {
                let step = schedule.plan().steps[index].clone();
                let task = attempts.spawn(attempt(Arc::clone(&self.shared), step, self.client.clone()));
                indices.insert(task.id(), index);
            }
            tokio::select! {
                ended = attempts.join_next_with_id() => {
                    let (id, ended) = match ended {
                        None => return,
                        Some(Ok((id, ended))) => (id, Ok(ended)),
                        Some(Err(error)) => (error.id(), Err(error)),
                    };
                    let Some(index) = indices.remove(&id) else { continue };
                    let Ended { check, opens } = ended.unwrap_or_else(|error| {
                        let step = &schedule.plan().steps[index];
                        let message = format!("the engine failed while it ran this check: {error}");
                        let problem = Problem { class: String::from("panic"), message, next: None };
                        let check = super::results::entry(step.suite, step.check, Outcome::Errored(problem));
                        Ended { check, opens: false }
                    });
                    schedule.ended(index, &check.outcome, opens);
                    self.ended(index, check);
                }
                () = cancel.cancelled(), if !self.results.run.interrupted => {}
                _ = nudge.tick(), if self.shared.environment.checks_on.is_some() => {
                    if let Some(runtime) = &self.shared.environment.checks_on {
                        runtime.spawn(async {});
                    }
                }
            }
        }
    }

    fn skip(&mut self, schedule: &Schedule, index: usize, skip: Skip) {
        let check = skipped(&self.shared, &schedule.plan().steps[index], skip);
        self.ended(index, check);
    }

    /// Writes a result down, and hands it to who waits for it.
    fn ended(&mut self, index: usize, check: Check) {
        self.shared.journal.append(&Entry::Ended(Box::new(check.clone())));
        if let Some(place) = self.results.checks.iter_mut().find(|known| known.id == check.id) {
            place.clone_from(&check);
        }
        if let Some(sender) = self.senders.get_mut(index).and_then(Option::take) {
            // Nobody has to wait for it.
            let _ = sender.send(Arc::new(check));
        }
    }

    fn start_janitor(&self) -> JoinHandle<Vec<Removed>> {
        let environment = &self.shared.environment;
        let (client, killed, run_id) = (self.client.clone(), environment.killed.clone(), environment.run_id.clone());
        let is_over = Over { now: Timestamp::now(), killed, own: run_id };
        tokio::spawn(async move { clear(&client, &is_over).await })
    }

    async fn note_janitor(&self, janitor: JoinHandle<Vec<Removed>>) {
        for removed in janitor.await.unwrap_or_default() {
            let text = match removed {
                Removed::Object { run, object } => format!("removed {object}, which the run {run} had left behind"),
                Removed::Problem(problem) => format!("could not look for what earlier runs left behind: {problem}"),
            };
            self.note("janitor", text);
        }
    }

    /// Removes what the fixtures and the checks created.
    async fn tidy_up(&mut self) {
        let environment = &self.shared.environment;
        let (run_id, kinds) = (&environment.run_id, self.shared.created_kinds());
        if kinds.is_empty() {
            return;
        }
        let recorder = Recorder::new(self.shared.start, environment.redactor.clone());
        undo(&self.shared.undo, &self.client, run_id, environment.keep, &recorder, attempt::CLEANUP_BUDGET).await;
        if environment.keep {
            let names: Vec<&str> = kinds.iter().map(|kind| kind.plural).collect();
            let command = format!("kubectl delete -A {} -l {}={run_id}", names.join(","), crate::own::RUN_LABEL);
            self.note("leftover", format!("what the checks created was kept; remove it with: {command}"));
            return;
        }
        let swept = sweep(&self.client, run_id, &kinds, SWEEP_BUDGET).await;
        for object in swept.removed {
            self.note("leftover", format!("the sweep removed {object}, which its check had not removed"));
        }
        for kind in swept.unseen.iter() {
            self.note("leftover", format!("the sweep could not look for {kind}"));
        }
        if swept.unseen.is_empty() {
            // The sweep has seen everything: what it does not name is gone after all.
            self.results.checks.iter_mut().for_each(|check| check.leaked.clear());
        }
        let namespaces = gone(&self.client, &self.shared.namespaces(), SWEEP_BUDGET).await.unwrap_or_else(|error| {
            self.note("leftover", format!("the sweep could not look for namespaces: {error}"));
            Vec::new()
        });
        for left in swept.left.into_iter().chain(namespaces) {
            self.note(
                "leftover",
                format!("{} was left behind by {}; remove it with: {}", left.text, left.check, left.command),
            );
            if let Some(check) = self.results.checks.iter_mut().find(|check| check.id == left.check) {
                check.leaked.push(left.text);
            }
        }
    }

    fn conclude(mut self, plan: &Plan) -> Results {
        let environment = &self.shared.environment;
        if let Some(problem) = self.shared.journal.problem() {
            self.note("setup", problem);
        }
        // What became known as a secret after a check had ended.
        self.results.checks.iter_mut().for_each(|check| environment.redactor.check(check));
        let workloads = self.results.install.iter_mut().flat_map(|install| &mut install.workloads);
        workloads.for_each(|workload| environment.redactor.workload(workload));

        let durations = self.results.checks.iter().map(|check| (check.id.as_str(), check.duration_ms)).collect();
        self.results.run.critical_path_ms = critical_path_ms(plan, &durations);
        let wall = Timestamp::now().duration_since(environment.started);
        self.results.run.duration_ms = u64::try_from(wall.as_millis()).unwrap_or(0);
        self.results.notes = self.shared.notes();
        self.shared.journal.append(&Entry::Finished(self.results.run.clone()));
        self.results
    }

    fn note(&self, topic: &str, text: String) {
        self.shared.note(Note { topic: topic.to_owned(), text });
    }
}
