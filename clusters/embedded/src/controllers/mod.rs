//! What moves objects along without being asked: workloads make pods, pods get ready, Services get endpoints, owners
//! take their dependants with them.
//!
//! Each controller is a row of [`CONTROLLERS`]: which objects a change makes it look at, and what it does with one. The
//! [`reconciler`] drives all of them from the store's log, one object at a time; nothing polls.

pub mod bootstrap;
mod bootstrap_policy;
mod cluster_roles;
mod deployment_rollout;
mod deployments;
pub mod endpoints;
pub mod events;
pub mod label_selector;
mod namespaces;
pub(crate) mod owned;
pub mod pods;
pub mod reconciler;
mod replica_sets;
pub mod services;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use self::reconciler::{Controller, Reconciler};
use crate::kubelet;
use crate::platform::World;

/// All of them.
static CONTROLLERS: &[Controller] = &[
    namespaces::CONTROLLER,
    services::CONTROLLER,
    cluster_roles::CONTROLLER,
    deployments::CONTROLLER,
    replica_sets::CONTROLLER,
    kubelet::lifecycle::CONTROLLER,
    endpoints::CONTROLLER,
];

/// Starts all controllers; they run until `stop`.
pub fn start(world: &Arc<World>, stop: &CancellationToken) {
    let reconciler = Reconciler::new(world.clone(), CONTROLLERS);
    tokio::spawn(stop.clone().run_until_cancelled_owned(reconciler.run()));
}

/// Runs all controllers until nothing is left to do, without a task of their own: for tests and measurements.
pub fn settle(world: &Arc<World>) {
    Reconciler::new(world.clone(), CONTROLLERS).settle();
}
