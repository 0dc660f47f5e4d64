//! The loop that drives the controllers: changes of the store in, objects to look at out, one after the other.
//!
//! An object waits in the queue once however often it changed. A controller that cannot finish says so and gets the
//! object again, after a while that doubles each time, as the work queues of client-go do.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::platform::World;
use crate::store::{Change, ChangeKind, Key};

const FIRST_RETRY: Duration = Duration::from_millis(10);
const LAST_RETRY: Duration = Duration::from_secs(2);
/// Reconciliations after which other tasks get their turn.
const BURST: usize = 16;

/// One controller.
#[derive(Clone, Copy)]
pub struct Controller {
    /// For logs.
    pub name: &'static str,
    /// The objects that a change makes it look at.
    pub concerns: fn(&World, &Change) -> Vec<Key>,
    /// Moves one object (which may be gone) a step along. Must do nothing if nothing is left to do.
    pub reconcile: fn(&World, &Key) -> Next,
}

/// What a controller wants to happen with the object it just looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing until it changes again.
    Wait,
    /// Again soon: something that it needs is not there.
    Retry,
    /// Again after this time.
    After(Duration),
}

type Task = (usize, Key);

/// The loop.
pub struct Reconciler {
    world: Arc<World>,
    controllers: &'static [Controller],
    seen: u64,
    queue: VecDeque<Task>,
    queued: HashSet<Task>,
    timers: BTreeMap<(Instant, usize, Key), ()>,
    retries: HashMap<Task, u32>,
}

impl Reconciler {
    /// A loop that has everything in the store still to look at.
    #[must_use]
    pub fn new(world: Arc<World>, controllers: &'static [Controller]) -> Self {
        let mut reconciler = Self {
            world,
            controllers,
            seen: 0,
            queue: VecDeque::new(),
            queued: HashSet::new(),
            timers: BTreeMap::new(),
            retries: HashMap::new(),
        };
        reconciler.look_at_everything();
        reconciler
    }

    /// Runs for ever.
    pub async fn run(mut self) {
        let mut revisions = self.world.store.revisions();
        loop {
            self.take_changes();
            for _ in 0..BURST {
                let Some(task) = self.queue.pop_front() else { break };
                self.step(task);
            }
            if !self.queue.is_empty() {
                tokio::task::yield_now().await;
                continue;
            }
            match self.timers.keys().next().map(|(at, ..)| *at) {
                None => {
                    if revisions.changed().await.is_err() {
                        return;
                    }
                }
                Some(at) => tokio::select! {
                    changed = revisions.changed() => if changed.is_err() { return },
                    () = sleep_until(at) => self.ring(),
                },
            }
        }
    }

    /// Runs until nothing is left to do; what waits for a time is not waited for.
    pub fn settle(&mut self) {
        self.take_changes();
        while let Some(task) = self.queue.pop_front() {
            self.step(task);
            self.take_changes();
        }
    }

    fn take_changes(&mut self) {
        if self.world.store.revision() == self.seen {
            return;
        }
        match self.world.store.changes_since(self.seen) {
            None => self.look_at_everything(),
            Some(changes) => {
                for change in changes {
                    self.seen = change.revision;
                    self.notice(&change);
                }
            }
        }
    }

    /// What a loop does that starts, or that the log has left behind: as if every object were new.
    fn look_at_everything(&mut self) {
        self.seen = self.world.store.revision();
        for (key, object) in self.world.store.all() {
            let change = Change { revision: self.seen, kind: ChangeKind::Added, key, object, before: None };
            self.notice(&change);
        }
    }

    fn notice(&mut self, change: &Change) {
        for (index, controller) in self.controllers.iter().enumerate() {
            let concerned = contained(controller.name, || (controller.concerns)(&self.world, change));
            for key in concerned.unwrap_or_default() {
                self.enqueue((index, key));
            }
        }
    }

    fn enqueue(&mut self, task: Task) {
        if self.queued.insert(task.clone()) {
            self.queue.push_back(task);
        }
    }

    fn step(&mut self, task: Task) {
        self.queued.remove(&task);
        let controller = &self.controllers[task.0];
        let next = contained(controller.name, || (controller.reconcile)(&self.world, &task.1));
        let delay = match next {
            Some(Next::Wait) => None,
            Some(Next::After(delay)) => Some(delay),
            Some(Next::Retry) | None => {
                let tries = self.retries.entry(task.clone()).or_default();
                *tries += 1;
                let delay = FIRST_RETRY.saturating_mul(1 << (*tries - 1).min(10)).min(LAST_RETRY);
                self.timers.insert((Instant::now() + delay, task.0, task.1), ());
                return;
            }
        };
        self.retries.remove(&task);
        if let Some(delay) = delay {
            self.timers.insert((Instant::now() + delay, task.0, task.1), ());
        }
    }

    fn ring(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, index, key), ()) = entry.remove_entry();
            self.enqueue((index, key));
        }
    }
}

/// A controller that panics loses its turn, not the platform.
fn contained<T>(name: &str, work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).inspect_err(|_| tracing::error!(controller = name, "panicked")).ok()
}
