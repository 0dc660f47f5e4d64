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
    /// How long after a look the next one follows, while the wait is young and looks are quick.
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

/// The longest pause between two looks, unless the goal itself has a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long to wait for the next look: a twentieth of what has been waited already, and half of what the last look took, so
/// that many waits at once do not keep a busy platform from what they wait for.
fn pause(goal: Goal, waited: Duration, look: Duration) -> Duration {
    goal.every.max((waited / 20).max(look / 2).min(LONGEST_PAUSE))
}

/// Looks until the goal is reached or cannot be any more.
pub(crate) async fn until<'a, T>(goal: Goal, mut look: impl FnMut() -> BoxFuture<'a, Checked<Seen<T>>>) -> Waited<T> {
    let begun = Instant::now();
    let deadline = begun + goal.within;
    let mut attempts = 0;
    let mut row = 0;
    loop {
        attempts += 1;
        let looked = Instant::now();
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
        let now = Instant::now();
        let soonest = now + goal.every;
        // A row is not broken off, and the bound is used to its end.
        let pause = if row > 0 { goal.every } else { pause(goal, now - begun, now - looked) };
        let last_chance = deadline.checked_sub(goal.every).unwrap_or(soonest);
        let next = (now + pause).min(soonest.max(last_chance));
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

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(100);

    /// The times of all looks, if it comes true after so long; a look takes a while itself.
    async fn looks(comes: Duration, within: Duration, takes: Duration, in_a_row: u32) -> Vec<Duration> {
        let begun = Instant::now();
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let goal = Goal { within, every: EVERY, in_a_row };
        until(goal, || {
            let seen = seen.clone();
            Box::pin(async move {
                seen.lock().unwrap().push(begun.elapsed());
                tokio::time::sleep(takes).await;
                Ok(if begun.elapsed() >= comes { Seen::Yes(()) } else { Seen::NotYet(String::new()) })
            })
        })
        .await;
        let seen = seen.lock().unwrap();
        seen.clone()
    }

    const NEVER: Duration = Duration::from_secs(1 << 20);
    const QUICK: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn a_long_wait_looks_less_often_and_to_its_end() {
        let times = looks(NEVER, Duration::from_secs(600), QUICK, 1).await;
        assert!((100..300).contains(&times.len()), "{}", times.len());
        assert!(times[times.len() - 1] >= Duration::from_secs(600) - 2 * EVERY, "{times:?}");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= LONGEST_PAUSE + QUICK), "{times:?}");
        assert!(times[..15].windows(2).all(|pair| pair[1] - pair[0] <= EVERY + 2 * QUICK), "{times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_true_is_seen_hardly_later() {
        for after in [1, 10, 90, 300] {
            let comes = Duration::from_secs(after);
            let times = looks(comes, Duration::from_secs(600), QUICK, 1).await;
            let late = times[times.len() - 1] - comes;
            assert!(late <= comes / 19 + EVERY, "{after} s: {late:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_looks_leave_room_and_a_row_is_not_broken_off() {
        let slow = Duration::from_secs(2);
        let times = looks(NEVER, Duration::from_secs(30), slow, 1).await;
        assert!(times.len() <= 11, "{times:?}");
        let row = looks(Duration::from_secs(60), Duration::from_secs(120), QUICK, 3).await;
        let last = &row[row.len() - 3..];
        assert!(last.windows(2).all(|pair| pair[1] - pair[0] <= EVERY + 2 * QUICK), "{last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_longer_than_the_bound_is_one_look() {
        assert_eq!(looks(NEVER, EVERY / 2, QUICK, 1).await.len(), 1);
    }
}
