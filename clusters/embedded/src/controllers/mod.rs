//! What moves objects along without being asked: workloads make pods, pods get ready, Services get endpoints, owners
//! take their dependants with them.
//!
//! Each controller is a row of `CONTROLLERS`: which objects a change makes it look at, and what it does with one. The
//! [`reconciler`] drives all of them from the store's log, one object at a time; nothing polls.

pub mod bootstrap;
mod bootstrap_policy;
mod certificates;
mod children;
mod cluster_roles;
mod culling;
mod daemon_sets;
mod definitions;
mod deployment_rollout;
mod deployments;
pub mod endpoints;
pub mod events;
pub(crate) mod garbage;
mod istio_root;
mod jobs;
pub(crate) mod katib;
pub mod label_selector;
mod managers;
mod namespaces;
mod notebooks;
mod operators;
pub(crate) mod owned;
mod persistence_agent;
mod pipelines_profiles;
pub mod pods;
mod profile_contents;
mod profile_plugins;
pub(crate) mod profile_settings;
mod profiles;
mod pvc_viewers;
pub mod reconciler;
mod replica_sets;
mod scheduled_workflows;
pub mod services;
mod stateful_sets;
mod tensorboards;
#[cfg(test)]
mod tests;
mod volume_claims;
mod webhook_authorities;
mod workflows;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use self::reconciler::{Controller, Reconciler};
use crate::kubelet;
use crate::platform::World;

/// All of them.
static CONTROLLERS: &[Controller] = &[
    namespaces::CONTROLLER,
    definitions::CONTROLLER,
    services::CONTROLLER,
    cluster_roles::CONTROLLER,
    deployments::CONTROLLER,
    replica_sets::CONTROLLER,
    stateful_sets::CONTROLLER,
    daemon_sets::CONTROLLER,
    jobs::CONTROLLER,
    volume_claims::CONTROLLER,
    kubelet::lifecycle::CONTROLLER,
    endpoints::CONTROLLER,
    garbage::CONTROLLER,
    certificates::CONTROLLER,
    webhook_authorities::CONTROLLER,
    istio_root::CONTROLLER,
    profiles::CONTROLLER,
    notebooks::CONTROLLER,
    culling::CONTROLLER,
    tensorboards::CONTROLLER,
    pvc_viewers::CONTROLLER,
    workflows::CONTROLLER,
    persistence_agent::CONTROLLER,
    katib::experiments::CONTROLLER,
    katib::suggestions::CONTROLLER,
    katib::trials::CONTROLLER,
    pipelines_profiles::CONTROLLER,
    scheduled_workflows::CONTROLLER,
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
