//! When a wait asks what keeps what it waits for. That takes a dozen calls, and most of what is waited for is there
//! before the first of them is answered.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long is waited for news before it is asked what is wrong, and how long until it is asked again.
const PATIENCE: Duration = Duration::from_millis(500);

/// The patience of one wait.
#[derive(Debug)]
pub struct Patience {
    ends: Mutex<Instant>,
}

impl Patience {
    /// It begins now.
    #[must_use]
    pub fn new() -> Self {
        Self { ends: Mutex::new(Instant::now() + PATIENCE) }
    }

    /// Whether it is at its end, and it is time to ask; it begins anew then.
    pub fn is_over(&self) -> bool {
        self.is_over_at(Instant::now())
    }

    fn is_over_at(&self, now: Instant) -> bool {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let over = *ends <= now;
        if over {
            *ends = now + PATIENCE;
        }
        over
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_once_each_time() {
        let begun = Instant::now();
        let patience = Patience { ends: Mutex::new(begun + PATIENCE) };
        let asked = [0, 1, 2, 3, 7, 8].map(|halves| patience.is_over_at(begun + PATIENCE / 2 * halves));
        assert_eq!(asked, [false, false, true, false, true, false]);
    }
}
