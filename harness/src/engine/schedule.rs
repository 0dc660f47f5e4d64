//! The schedule: a state machine over the plan that says what may start now. It knows no clock and no task.

use reports::model::{Outcome, Skip};

use super::plan::Plan;
use crate::check::Isolation;

/// Where the steps of a plan stand.
pub(crate) struct Schedule {
    plan: Plan,
    states: Vec<State>,
    jobs: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    Waiting,
    Running,
    /// It passed, but for what the site is said to leave out.
    Passed,
    /// It did not; this is what becomes of those who wait for it.
    Stopped(Skip),
}

impl Schedule {
    /// Everything waits.
    pub(crate) fn new(plan: Plan, jobs: usize) -> Self {
        let states = vec![State::Waiting; plan.steps.len()];
        Self { plan, states, jobs: jobs.max(1) }
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The next step that may start, now started. Long chains first, then the catalogue's order; what must be alone
    /// when nothing else can start, and what is destructive when nothing but that is left.
    pub(crate) fn start_next(&mut self) -> Option<usize> {
        let running = self.in_state(&State::Running);
        let alone = |index: &usize| self.isolation(*index) >= Isolation::Exclusive;
        if running.len() >= self.jobs || running.iter().any(alone) {
            return None;
        }
        let mut ready: Vec<usize> = (0..self.states.len()).filter(|index| self.is_ready(*index, &running)).collect();
        ready.sort_by_key(|index| {
            (self.isolation(*index).max(Isolation::Suite), std::cmp::Reverse(self.plan.steps[*index].chain), *index)
        });
        let next = *ready.first()?;
        self.states[next] = State::Running;
        Some(next)
    }

    fn is_ready(&self, index: usize, running: &[usize]) -> bool {
        let step = &self.plan.steps[index];
        let waiting = self.states[index] == State::Waiting && step.skip.is_none();
        waiting
            && step.after.iter().all(|before| self.states[*before] == State::Passed)
            && match step.check.isolation {
                Isolation::Shared => true,
                Isolation::Suite => !running.iter().any(|other| {
                    let other = &self.plan.steps[*other];
                    other.check.isolation == Isolation::Suite && other.suite.name == step.suite.name
                }),
                Isolation::Exclusive | Isolation::Destructive => running.is_empty(),
            }
    }

    fn isolation(&self, index: usize) -> Isolation {
        self.plan.steps[index].check.isolation
    }

    /// A step ended; `opens` says whether those that come after it may go on.
    pub(crate) fn ended(&mut self, index: usize, outcome: &Outcome, opens: bool) {
        self.states[index] = match outcome {
            _ if opens => State::Passed,
            Outcome::Passed => State::Passed,
            Outcome::Failed(_) | Outcome::Errored(_) => {
                State::Stopped(Skip::BlockedBy { id: self.plan.steps[index].check.id.to_owned() })
            }
            Outcome::Skipped(skip) => State::Stopped(skip.clone()),
        };
    }

    /// The next step that will not run, and why; now ended. Its cause is the root: what blocked the check that blocks
    /// it, however far away.
    pub(crate) fn skip_next(&mut self) -> Option<(usize, Skip)> {
        let (index, skip) =
            self.in_state(&State::Waiting).into_iter().find_map(|index| Some((index, self.skip_of(index)?)))?;
        self.states[index] = State::Stopped(skip.clone());
        Some((index, skip))
    }

    fn skip_of(&self, index: usize) -> Option<Skip> {
        let step = &self.plan.steps[index];
        if let Some(skip) = &step.skip {
            return Some(skip.clone());
        }
        if step.after.iter().any(|before| matches!(self.states[*before], State::Waiting | State::Running)) {
            return None;
        }
        let stops: Vec<&Skip> = step
            .after
            .iter()
            .filter_map(|before| match &self.states[*before] {
                State::Stopped(skip) => Some(skip),
                _ => None,
            })
            .collect();
        // A failure explains more than something that does not apply.
        let blocker = stops.iter().find(|skip| matches!(skip, Skip::BlockedBy { .. }));
        blocker.or(stops.first()).map(|skip| (*skip).clone())
    }

    /// Nothing starts any more: yields what was waiting.
    pub(crate) fn interrupt(&mut self) -> Vec<usize> {
        let waiting = self.in_state(&State::Waiting);
        for index in &waiting {
            self.states[*index] = State::Stopped(Skip::Interrupted);
        }
        waiting
    }

    fn in_state(&self, state: &State) -> Vec<usize> {
        (0..self.states.len()).filter(|index| self.states[*index] == *state).collect()
    }
}
