//! The janitor: removes what runs that were killed left behind, once it has expired.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use jiff::Timestamp;
use kube::api::{DynamicObject, ListParams};
use tokio::time::timeout;

use super::{EXPIRES_ANNOTATION, KINDS, Kind, Owned, RUN_LABEL, undo};

/// How many kinds are looked at at once.
const AT_ONCE: usize = 8;
/// How long one kind may take: the janitor is a courtesy, it does not hold a run up.
const BUDGET: Duration = Duration::from_secs(20);

/// What the janitor did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Removed {
    /// An expired object is gone.
    Object {
        /// The run that left it.
        run: String,
        /// The object.
        object: String,
    },
    /// It could not do its work.
    Problem(String),
}

/// Removes every expired object of other runs than `run_id`. A kind that the platform does not have is nothing to
/// speak of.
pub(crate) async fn clear_expired(client: &kube::Client, run_id: &str, now: Timestamp) -> Vec<Removed> {
    let looks: Vec<_> = KINDS.iter().map(|kind| clear_in_time(client, kind, run_id, now)).collect();
    stream::iter(looks).buffered(AT_ONCE).collect::<Vec<_>>().await.concat()
}

async fn clear_in_time(client: &kube::Client, kind: &'static Kind, run_id: &str, now: Timestamp) -> Vec<Removed> {
    match timeout(BUDGET, clear_kind(client, kind, run_id, now)).await {
        Ok(done) => done,
        Err(_) => vec![Removed::Problem(format!("{}: no answer within {BUDGET:?}", kind.plural))],
    }
}

async fn clear_kind(client: &kube::Client, kind: &'static Kind, run_id: &str, now: Timestamp) -> Vec<Removed> {
    let listed = kind.api(client.clone(), None).list(&ListParams::default().labels(RUN_LABEL)).await;
    let objects = match listed {
        Ok(objects) => objects.items,
        Err(kube::Error::Api(status)) if status.code == 404 => return Vec::new(),
        Err(error) => return vec![Removed::Problem(format!("{}: {error}", kind.plural))],
    };
    let mut done = Vec::new();
    for object in objects {
        let Some(run) = expired_run(&object, now).filter(|run| run != run_id) else { continue };
        let owned = Owned::of(kind, &object);
        done.push(match undo::remove(client, &owned, &run).await {
            Ok(_) => Removed::Object { run, object: owned.to_string() },
            Err(error) => Removed::Problem(format!("{owned} of run {run}: {error}")),
        });
    }
    done
}

/// The run of an object that has expired. One without a readable expiry is kept: it may be somebody's.
fn expired_run(object: &DynamicObject, now: Timestamp) -> Option<String> {
    let expires = object.metadata.annotations.as_ref()?.get(EXPIRES_ANNOTATION)?;
    let expired = expires.parse::<Timestamp>().ok()? < now;
    let run = object.metadata.labels.as_ref()?.get(RUN_LABEL)?;
    expired.then(|| run.clone())
}
