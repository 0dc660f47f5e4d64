//! Katib's programs beside its UI server: [`db_manager`] with its [`observations`] in MySQL, the [`suggestion`] services
//! that propose values from a [`search`] space, and the metrics [`collector`] in every trial's pod. What
//! `katib-controller` does is in `crate::controllers::katib` and `crate::access::katib`.
//!
//! Facts: kubeflow/katib v0.16.0 to v0.18.0, checked against what the real programs of v0.17.0 were seen to do.

pub mod collector;
pub mod config;
pub mod db_manager;
pub mod observations;
pub mod search;
pub mod suggestion;

/// The API group of experiments, suggestions and trials.
pub const GROUP: &str = "kubeflow.org";
/// Their version.
pub const API_VERSION: &str = "kubeflow.org/v1beta1";
/// The label that names an experiment.
pub const EXPERIMENT_LABEL: &str = "katib.kubeflow.org/experiment";
/// The label that names a trial.
pub const TRIAL_LABEL: &str = "katib.kubeflow.org/trial";
/// The value of a metric that was never reported.
pub const UNAVAILABLE: &str = "unavailable";
/// The namespace of Katib where nothing says another.
pub const HOME: &str = "kubeflow";
/// Where DBManager listens.
pub const DB_MANAGER: (&str, u16) = ("katib-db-manager", 6789);
