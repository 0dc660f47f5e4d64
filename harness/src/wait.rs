//! Waiting for something to come true: bounded, with every look counted.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::context::Seen;
use crate::stop::{Checked, Stop};

/// What a wait is content with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    /// How long it may take.
    pub within: Duration,
    /// How long after a look the next one follows.
    pub every: Duration,
    /// How many looks in a row must see it.
    pub in_a_row: u32,
}

/// What came of a wait.
pub(crate) struct Waited<T> {
    /// How many looks it took.
    pub attempts: u32,
    /// What the last look saw.
    pub last: String,
    /// How it ended.
    pub end: End<T>,
}

/// How a wait ended.
pub(crate) enum End<T> {
    /// It came true.
    Reached(T),
    /// It did not within its bound.
    TooLate,
    /// The last look within the bound could not tell, or hung.
    CouldNotTell(Stop),
    /// A look failed or found that it does not apply: no use in looking again.
    Over(Stop),
}

/// How long a look may take beyond the bound if it began before: one that is only late is not one that hangs.
const GRACE: Duration = Duration::from_secs(2);

/// Looks until the goal is reached or cannot be any more.
pub(crate) async fn until<'a, T>(goal: Goal, mut look: impl FnMut() -> BoxFuture<'a, Checked<Seen<T>>>) -> Waited<T> {
    let deadline = Instant::now() + goal.within;
    let mut attempts = 0;
    let mut row = 0;
    loop {
        attempts += 1;
        let (last, late) = match timeout_at(deadline.max(Instant::now() + GRACE), look()).await {
            Ok(Ok(Seen::Yes(seen))) => {
                row += 1;
                if row >= goal.in_a_row {
                    return Waited { attempts, last: String::from("reached"), end: End::Reached(seen) };
                }
                (format!("reached {row} times in a row, {} are needed", goal.in_a_row), End::TooLate)
            }
            Ok(Ok(Seen::NotYet(instead))) => {
                row = 0;
                (instead, End::TooLate)
            }
            Ok(Err(stop @ Stop::Errored(_))) => {
                row = 0;
                (stop.to_string(), End::CouldNotTell(stop))
            }
            Ok(Err(stop)) => return Waited { attempts, last: stop.to_string(), end: End::Over(stop) },
            Err(_) => {
                let stop = Stop::errored("timeout", "the last look did not end");
                return Waited { attempts, last: stop.to_string(), end: End::CouldNotTell(stop) };
            }
        };
        let next = Instant::now() + goal.every;
        if next >= deadline {
            return Waited { attempts, last, end: late };
        }
        sleep_until(next).await;
    }
}

impl<T> Waited<T> {
    /// The wait as a step of a check.
    pub(crate) fn into_checked(self, name: &str, goal: Goal) -> Checked<T> {
        let row = if goal.in_a_row > 1 { format!(", {} times in a row", goal.in_a_row) } else { String::new() };
        let wanted = format!("{name} within {:?}{row}", goal.within);
        match self.end {
            End::Reached(seen) => Ok(seen),
            End::TooLate => Err(Stop::failed(wanted, format!("after {} looks: {}", self.attempts, self.last))),
            End::CouldNotTell(Stop::Errored(mut problem)) => {
                problem.message = format!("waited for {wanted}: {}", problem.message);
                Err(Stop::Errored(problem))
            }
            End::CouldNotTell(stop) | End::Over(stop) => Err(stop),
        }
    }
}
