//! Removing what a check created, in reverse order: objects of Kubernetes, and what an application keeps for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use kube::api::{DeleteParams, Preconditions, PropagationPolicy};
use reports::model::EventKind;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Owned, RUN_LABEL};
use crate::evidence::Recorder;
use crate::stop::{Checked, Stop};

/// What a check has created, oldest first. Clones are the same list.
#[derive(Clone, Default)]
pub(crate) struct Undo {
    list: Arc<Mutex<List>>,
}

#[derive(Default)]
struct List {
    entries: Vec<(u64, Entry)>,
    next: u64,
    closed: bool,
}

/// What is to be removed.
enum Entry {
    /// An object of Kubernetes.
    Object(Owned),
    /// What an application keeps; the future removes it.
    Kept(String, BoxFuture<'static, Checked>),
}

impl Undo {
    /// Remembers what is about to be created. Refused once the check has ended: a task that outlives it creates nothing.
    pub(super) fn expect(&self, owned: Owned) -> Checked<u64> {
        self.add(Entry::Object(owned))
    }

    /// Remembers how to remove what an application keeps.
    pub(crate) fn kept(&self, what: String, removal: BoxFuture<'static, Checked>) -> Checked {
        self.add(Entry::Kept(what, removal)).map(|_| ())
    }

    fn add(&self, entry: Entry) -> Checked<u64> {
        let mut list = self.lock();
        if list.closed {
            return Err(Stop::errored("cleanup", "the check has ended; it creates nothing any more"));
        }
        let ticket = list.next;
        list.next += 1;
        list.entries.push((ticket, entry));
        Ok(ticket)
    }

    /// It was created.
    pub(super) fn confirm(&self, ticket: u64, owned: Owned) {
        if let Some(entry) = self.lock().entries.iter_mut().find(|entry| entry.0 == ticket) {
            entry.1 = Entry::Object(owned);
        }
    }

    /// It was not created.
    pub(super) fn forget(&self, ticket: u64) {
        self.lock().entries.retain(|entry| entry.0 != ticket);
    }

    /// Ends the list and yields it, youngest first.
    fn close(&self) -> Vec<Entry> {
        let mut list = self.lock();
        list.closed = true;
        std::mem::take(&mut list.entries).into_iter().rev().map(|(_, entry)| entry).collect()
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes everything on a list, within `budget` in all, and yields what could not be removed. With `keep` it only
/// records what stays.
pub(crate) async fn undo(
    list: &Undo,
    client: &kube::Client,
    run_id: &str,
    keep: bool,
    recorder: &Recorder,
    budget: Duration,
) -> Vec<String> {
    let deadline = Instant::now() + budget;
    let mut leaked = Vec::new();
    for entry in list.close() {
        let (what, removal) = match entry {
            Entry::Object(owned) => {
                let what = owned.to_string();
                let removal = async move { remove(client, &owned, run_id).await.map_err(Stop::from) };
                (what, futures::future::Either::Left(removal))
            }
            Entry::Kept(what, removal) => {
                (what, futures::future::Either::Right(async move { removal.await.map(|()| Gone::Yes) }))
            }
        };
        let action = if keep {
            "kept"
        } else {
            match timeout_at(deadline, removal).await {
                Ok(Ok(Gone::Yes)) => "removed",
                Ok(Ok(Gone::NeverWas)) => continue,
                Ok(Err(stop)) => {
                    leaked.push(format!("{what}: {stop}"));
                    "leaked"
                }
                Err(_) => {
                    leaked.push(format!("{what}: not gone within {budget:?}"));
                    "leaked"
                }
            }
        };
        recorder.record(EventKind::Object { action: action.to_owned(), object: what });
    }
    leaked
}

/// Whether an object was there to be removed.
pub(super) enum Gone {
    /// It was, and is no more.
    Yes,
    /// No such object of this run.
    NeverWas,
}

/// Removes an object of the run `run_id` and waits until it is gone.
pub(super) async fn remove(client: &kube::Client, owned: &Owned, run_id: &str) -> Result<Gone, kube::Error> {
    let api = owned.api(client.clone());
    let uid = match &owned.uid {
        Some(uid) => uid.clone(),
        // Nobody has seen it: it may not exist, or be somebody else's of the same name.
        None if owned.name.is_empty() => return Ok(Gone::NeverWas),
        None => match api.get_metadata_opt(&owned.name).await? {
            Some(found) if found.metadata.labels.iter().flatten().any(|(k, v)| k == RUN_LABEL && v == run_id) => {
                found.metadata.uid.unwrap_or_default()
            }
            _ => return Ok(Gone::NeverWas),
        },
    };
    let parameters = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        preconditions: Some(Preconditions { uid: Some(uid.clone()), resource_version: None }),
        ..DeleteParams::default()
    };
    match api.delete(&owned.name, &parameters).await {
        // 409: the name is another object's by now, so ours is gone.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(Gone::Yes),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    let mut pause = Duration::from_millis(20);
    while api.get_metadata_opt(&owned.name).await?.is_some_and(|found| found.metadata.uid.as_ref() == Some(&uid)) {
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
    Ok(Gone::Yes)
}
