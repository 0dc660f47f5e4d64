//! From standalone Kubeflow Pipelines and Katib to the platform: look at what is there, lose nothing by surprise, clean,
//! install, compare.
//!
//! [`preflight`] only reads. [`Snapshot::take`] writes down what there is. [`clean`] deletes, in an order that does not hang,
//! what the preflight showed and nothing else. [`Comparison::of`] tells what is there afterwards.

use kube::{Client, Config};

use crate::reach;

mod bucket;
mod clash;
pub mod clean;
mod compare;
mod data;
mod database;
mod exec;
mod hang;
mod marks;
mod object_store;
mod preflight;
mod remnants;
mod snapshot;
mod survey;

pub use bucket::Bucket;
pub use clash::Clash;
pub use compare::{Comparison, Items};
pub use data::{Data, Fate, Volume};
pub use database::Database;
pub use hang::Hang;
pub use marks::{Mark, Side, State};
pub use preflight::{Preflight, preflight};
pub use remnants::Remnant;
pub use snapshot::{Snapshot, SnapshotError};

/// Why a migration cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The API does not answer a question.
    #[error("cannot read {what}: {reason}; it takes the right to list everything, see: kubectl auth can-i list '*' -A")]
    Api {
        /// What was asked for.
        what: String,
        /// The server's words.
        reason: String,
    },
    /// The name that was typed is not the cluster's.
    #[error(
        "{typed:?} is not this cluster's name: it is {cluster:?}; type it to delete what the plan shows: --confirm {cluster}"
    )]
    OtherName {
        /// What was typed.
        typed: String,
        /// The cluster's name.
        cluster: String,
    },
    /// There is data that nobody has said anything about.
    #[error(
        "{data}; save it, then say so with --data-saved SNAPSHOT, or give it up with --lose-data; nothing was deleted"
    )]
    UnsavedData {
        /// What there is.
        data: String,
    },
    /// The data is not what the snapshot says.
    #[error(
        "the data has changed since the snapshot of {taken}: {difference}; save it again, take another snapshot; nothing was deleted"
    )]
    OldSnapshot {
        /// When it was taken.
        taken: String,
        /// What differs.
        difference: String,
    },
    /// The cluster is not one that may be cleaned.
    #[error("{reason}; nothing was deleted")]
    NotToBeCleaned {
        /// Why.
        reason: String,
    },
    /// Objects of others would go along.
    #[error(
        "{count} objects in the namespaces to delete belong to neither Kubeflow nor the charts: {examples}; move them, or give them up with --with-others; nothing was deleted"
    )]
    Others {
        /// How many.
        count: usize,
        /// Some of them.
        examples: String,
    },
    /// An object is not deleted.
    #[error("{object} is not deleted: {reason}; what is deleted stays deleted, run again to go on")]
    Refused {
        /// The object.
        object: String,
        /// The server's words.
        reason: String,
    },
    /// Something does not go away.
    #[error("{object} is still there after {seconds} s: {reason}; run again to go on")]
    Stays {
        /// The object.
        object: String,
        /// How long it was waited for.
        seconds: u64,
        /// What holds it.
        reason: String,
    },
    /// Stopped from outside.
    #[error("interrupted; what is deleted stays deleted, run again to go on")]
    Interrupted,
}

impl MigrateError {
    fn api(what: &str, error: &kube::Error) -> Self {
        Self::Api { what: what.to_owned(), reason: crate::install::words(error) }
    }
}

/// A client for a cluster.
///
/// # Errors
/// If the configuration's credentials or certificates cannot be used.
pub fn client(config: &Config) -> Result<Client, MigrateError> {
    reach::client(config).map_err(|error| MigrateError::api("the cluster's configuration", &error))
}
