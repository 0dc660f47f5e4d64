//! An experiment whose trials are watched from its beginning to its end: no moment is missed between two looks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};
use futures::{StreamExt as _, pin_mut};
use harness::context::Seen;
use harness::fixtures::Fixture;
use harness::{Checked, Ctx, Stop};
use kube::api::DynamicObject;
use kube::runtime::watcher::{Error, Event};

use super::experiments::{ENDS_WITHIN, EVERY, OF, condition, counts, create, experiment, home, installed, trials};
use super::trouble;
use crate::objects::{self, EXPERIMENT, TRIAL, name, text};
use crate::patience::Patience;
use crate::tenants;

/// How many trials may run at once.
pub const AT_ONCE: usize = 3;
/// How many trials there may be.
pub const IN_ALL: usize = 4;
/// How a trial ends.
const ENDS: [&str; 5] = ["Succeeded", "Failed", "Killed", "MetricsUnavailable", "EarlyStopped"];

/// An experiment that was watched, with [`IN_ALL`] trials of which [`AT_ONCE`] may run at once.
pub struct Watched(Checked<Went>);

/// How it went.
#[derive(Debug, Clone)]
pub struct Went {
    /// The most trials that were pending or running at once.
    pub most: usize,
    /// How many there were.
    pub trials: usize,
    /// Why it ended.
    pub reason: String,
}

impl Watched {
    /// How it went; why that is not known, if so.
    pub fn went(&self) -> Checked<Went> {
        self.0.clone()
    }
}

impl Fixture for Watched {
    const NAME: &'static str = "an experiment that was watched";
    const WITHIN: Duration = Duration::from_secs(660);

    async fn make(cx: Ctx) -> Checked<Self> {
        Ok(Self(watched(&cx).await))
    }
}

/// What the watch has told so far.
#[derive(Debug, Default)]
struct Told {
    /// The trials, and which of them are pending or running.
    active: BTreeMap<String, bool>,
    most: usize,
}

impl Told {
    fn take(&mut self, event: Event<DynamicObject>) {
        let is_active = |trial: &DynamicObject| ENDS.iter().all(|kind| condition(&trial.data, kind).is_none());
        match event {
            Event::Init => self.active.clear(),
            Event::InitApply(trial) => {
                self.active.insert(name(&trial).to_owned(), is_active(&trial));
                return;
            }
            Event::Apply(trial) => {
                self.active.insert(name(&trial).to_owned(), is_active(&trial));
            }
            Event::Delete(trial) => {
                self.active.remove(name(&trial));
            }
            Event::InitDone => {}
        }
        self.most = self.most.max(self.active.values().filter(|active| **active).count());
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn watched(cx: &Ctx) -> Checked<Went> {
    installed(cx)?;
    let (namespace, called) = (home(cx).await?, tenants::name(cx, "kat-watched"));
    let told = Mutex::default();
    let at = (namespace.as_str(), called.as_str());
    let ended = async {
        let wanted = experiment(&namespace, &called, "random", 1000, "echo loss=${trialParameters.x}");
        create(cx, counts(wanted, 3, 4, 1)).await?;
        ends(cx, at, &told).await
    };
    let told_of = listen(cx, at, &told);
    pin_mut!(ended, told_of);
    let (trials, reason) = match select(ended, told_of).await {
        Either::Left((ended, _)) => ended?,
        Either::Right((stop, _)) => return Err(stop),
    };
    let most = lock(&told).most;
    Ok(Went { most, trials, reason })
}

/// Keeps what the watch tells, until it cannot go on.
async fn listen(cx: &Ctx, (namespace, experiment): (&str, &str), told: &Mutex<Told>) -> Stop {
    let changes = objects::watch(cx, TRIAL, namespace, &format!("{OF}={experiment}"));
    pin_mut!(changes);
    while let Some(change) = changes.next().await {
        match change {
            Ok(event) => lock(told).take(event),
            Err(Error::InitialListFailed(error) | Error::WatchStartFailed(error)) if is_refusal(&error) => {
                return Stop::from(error);
            }
            // It ended, as watches do after a while, or the server is busy: it is begun anew.
            Err(_) => {}
        }
    }
    Stop::errored("kubernetes", "the watch of trials has ended")
}

/// Whether a second try would be answered alike.
fn is_refusal(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 401 | 403 | 404 | 405))
}

/// Waits for the experiment's end, and until the watch has told of all its trials. Yields how many there are, and why it
/// ended.
async fn ends(cx: &Ctx, at: (&str, &str), told: &Mutex<Told>) -> Checked<(usize, String)> {
    let patience = &Patience::new();
    cx.eventually("the watched experiment ends", ENDS_WITHIN, EVERY, || {
        Box::pin(async move {
            let found = objects::get(cx, EXPERIMENT, at.0, at.1).await?;
            let ended = found
                .as_ref()
                .and_then(|found| ["Succeeded", "Failed"].iter().find_map(|kind| condition(&found.data, kind)));
            if let Some(ended) = ended {
                let all = trials(cx, at).await?;
                if all.iter().all(|trial| lock(told).active.contains_key(name(trial))) {
                    return Ok(Seen::Yes((all.len(), text(ended, "/reason").to_owned())));
                }
                return Ok(Seen::NotYet("it has ended; the watch has not told of all trials".to_owned()));
            }
            if patience.is_over()
                && let Some(cause) = trouble::itself(cx).await?
            {
                return Err(Stop::failed("the experiment goes on", "it does not").because(cause.what).fix(cause.fix));
            }
            let active = lock(told).active.values().filter(|active| **active).count();
            Ok(Seen::NotYet(format!("{active} trials at once")))
        }) as BoxFuture<'_, Checked<Seen<(usize, String)>>>
    })
    .await
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn trial(name: &str, condition: &str) -> DynamicObject {
        let conditions: Vec<Value> = vec![json!({"type": condition, "status": "True"})];
        serde_json::from_value(json!({
            "apiVersion": "kubeflow.org/v1beta1", "kind": "Trial", "metadata": {"name": name},
            "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    #[test]
    fn the_most_at_once_are_those_of_one_moment() {
        let mut told = Told::default();
        let mut changes = vec![Event::Init, Event::InitApply(trial("a", "Created")), Event::InitDone];
        changes.extend(
            [("b", "Created"), ("a", "Running"), ("a", "Succeeded"), ("c", "Created")]
                .map(|(name, condition)| Event::Apply(trial(name, condition))),
        );
        changes.into_iter().for_each(|change| told.take(change));
        assert_eq!((told.most, told.active.len()), (2, 3));
        // A watch that begins anew has them one by one; half a list is no moment.
        told.take(Event::Init);
        for name in ["a", "b", "c"] {
            told.take(Event::InitApply(trial(name, "Created")));
        }
        assert_eq!(told.most, 2);
        told.take(Event::InitDone);
        assert_eq!(told.most, 3);
    }
}
