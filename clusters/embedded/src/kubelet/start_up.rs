//! How long a node takes to start a pod: pulling images, mounting volumes, setting up its network. Nothing, here, unless a
//! switch says how much: for measurements of what waits for it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::object::{text, uid};
use crate::platform::World;
use crate::store::Store;
use crate::switches;

/// The switch, in milliseconds.
const SWITCH: &str = "pods-start-after-milliseconds";

/// When a pod was first seen.
#[derive(Default)]
struct Seen(OnceLock<Instant>);

/// How long a pod takes to start.
#[must_use]
pub fn takes(store: &Store) -> Duration {
    let set = switches::value(store, SWITCH).and_then(|value| value.parse().ok());
    set.map_or(Duration::ZERO, Duration::from_millis)
}

/// How long it takes still until the containers of a pod that has not started may start; nothing if they may.
pub(super) fn left(world: &World, pod: &Value) -> Option<Duration> {
    let whole = takes(&world.store);
    if whole.is_zero() || text(pod, "/status/phase") != "Pending" {
        return None;
    }
    let seen = *world.memory.of::<Seen>(uid(pod)).0.get_or_init(Instant::now);
    let left = whole.saturating_sub(seen.elapsed());
    (!left.is_zero()).then_some(left)
}
