//! The janitor: removes what runs that were killed left behind: at once if the run is known to be dead, else once it
//! has expired.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use jiff::Timestamp;
use kube::api::{DynamicObject, ListParams};
use tokio::time::timeout;

use super::{EXPIRES_ANNOTATION, KINDS, Kind, NEVER, Owned, RUN_LABEL, ending, run_in, undo};

/// How many kinds are looked at at once, and how many objects of a kind are removed at once.
const AT_ONCE: usize = 8;
/// How long one kind may take: the janitor is a courtesy, it does not hold a run up.
const BUDGET: Duration = Duration::from_secs(20);

/// What the janitor did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Removed {
    /// An object of a run that is over is gone.
    Object {
        /// The run that left it.
        run: String,
        /// The object.
        object: String,
    },
    /// It could not do its work.
    Problem(String),
}

/// What makes a run a thing of the past.
#[derive(Debug, Clone)]
pub(crate) struct Over {
    /// The present time: what has expired by now is nobody's.
    pub now: Timestamp,
    /// The runs that are known to have been killed.
    pub killed: BTreeSet<String>,
    /// The run that asks, which is not over.
    pub own: String,
}

impl Over {
    /// The run of an object whose run is over. One without a readable expiry is kept, as is one that a person wanted to
    /// keep: it may be somebody's.
    fn run_of(&self, object: &DynamicObject) -> Option<String> {
        let expires = object.metadata.annotations.as_ref()?.get(EXPIRES_ANNOTATION)?;
        let run = object.metadata.labels.as_ref()?.get(RUN_LABEL)?;
        if expires == NEVER || *run == self.own {
            return None;
        }
        let expired = expires.parse::<Timestamp>().ok()? < self.now;
        (expired || self.killed.contains(run)).then(|| run.clone())
    }
}

/// Removes every object of runs that are over. A kind that the platform does not have is nothing to speak of.
pub(crate) async fn clear(client: &kube::Client, over: &Over) -> Vec<Removed> {
    let looks: Vec<_> = KINDS.iter().map(|kind| clear_in_time(client, kind, over)).collect();
    let mut removed = stream::iter(looks).buffered(AT_ONCE).collect::<Vec<_>>().await.concat();
    if !over.killed.is_empty()
        && let Some(kind) = KINDS.iter().find(|kind| kind.kind == "Profile")
    {
        match timeout(BUDGET, clear_named(client, kind, over)).await {
            Ok(done) => removed.extend(done),
            Err(_) => removed.push(Removed::Problem(format!("{}: no answer within {BUDGET:?}", kind.plural))),
        }
    }
    removed
}

async fn clear_in_time(client: &kube::Client, kind: &'static Kind, over: &Over) -> Vec<Removed> {
    match timeout(BUDGET, clear_kind(client, kind, over)).await {
        Ok(done) => done,
        Err(_) => vec![Removed::Problem(format!("{}: no answer within {BUDGET:?}", kind.plural))],
    }
}

async fn clear_kind(client: &kube::Client, kind: &'static Kind, over: &Over) -> Vec<Removed> {
    clear_those(client, kind, &ListParams::default().labels(RUN_LABEL), |object| over.run_of(object)).await
}

/// What applications made for checks of killed runs, which could not label it any more.
async fn clear_named(client: &kube::Client, kind: &'static Kind, over: &Over) -> Vec<Removed> {
    clear_those(client, kind, &ListParams::default().labels(&format!("!{RUN_LABEL}")), |object| {
        let end = run_in(object.metadata.name.as_deref()?)?;
        over.killed.iter().find(|run| **run != over.own && ending(run) == end).cloned()
    })
    .await
}

/// Removes those of a kind that are a past run's.
async fn clear_those(
    client: &kube::Client,
    kind: &'static Kind,
    which: &ListParams,
    run_of: impl Fn(&DynamicObject) -> Option<String>,
) -> Vec<Removed> {
    let objects = match kind.api(client.clone(), None).list(which).await {
        Ok(objects) => objects.items,
        Err(kube::Error::Api(status)) if status.code == 404 => return Vec::new(),
        Err(error) => return vec![Removed::Problem(format!("{}: {error}", kind.plural))],
    };
    let removals = objects.iter().filter_map(|object| {
        let run = run_of(object)?;
        let owned = Owned::of(kind, object);
        Some(async move {
            match undo::remove(client, &owned, &run).await {
                Ok(_) => Removed::Object { run, object: owned.to_string() },
                Err(error) => Removed::Problem(format!("{owned} of run {run}: {error}")),
            }
        })
    });
    let removals: Vec<_> = removals.collect();
    stream::iter(removals).buffered(AT_ONCE).collect().await
}
