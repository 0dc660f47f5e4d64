//! What an installation waits for, how that is told, and when it is given up: when nothing moves any more that could
//! still move, not when some long time is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::kinds::Kinds;
use super::plan::Wave;
use super::pods::{Pods, Trouble};
use super::run::{Run, objects};
use super::{Failure, InstallError, Readiness, readiness};
use crate::manifests::{Id, Manifest};

/// How many of the things that are waited for are named.
pub(super) const NAMED: usize = 3;
/// How long a workload is waited for before its pods are looked at: most start within moments.
const PODS: Duration = Duration::from_secs(2);
/// A refusal that others may heal is final when nothing has moved for this many times the installer's patience.
const REFUSALS: u32 = 3;

/// What is known of the workloads that are not ready.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Since when an image of a workload cannot be had, and the words of its pod, by index.
    no_image: BTreeMap<usize, (Instant, String)>,
    /// How far all of it was, and since when: objects written, and pods ready.
    moved: Option<((usize, u64), Instant)>,
    /// What is not written, by index: the workloads that a webhook needs which admits it, by index, are not to be had.
    pub held: BTreeMap<usize, BTreeSet<usize>>,
}

impl Run<'_> {
    /// Waits until the definitions of a wave's objects are established.
    pub(super) async fn established(&mut self, wave: &Wave, kinds: &Kinds) -> Result<(), InstallError> {
        let mut definitions: Vec<&Id> = wave.established.iter().map(|index| self.id(*index)).collect();
        let Some(resource) = definitions.first().and_then(|id| kinds.of(id)) else { return Ok(()) };
        let (mut pause, mut last) = (None, None);
        loop {
            let missing = readiness::not_established(&self.installer.client, definitions, resource).await?;
            let Some((first, _)) = missing.first() else {
                self.step(last.map(|id: &Id| format!("{id} to be established")).unwrap_or_default());
                return Ok(());
            };
            last = Some(first);
            let named = missing.iter().take(NAMED).map(|(id, reason)| format!("{id} ({reason})"));
            let waiting = format!(
                "{} waits for {}{}",
                objects(wave.objects.len()),
                named.collect::<Vec<_>>().join(", "),
                and_more(missing.len())
            );
            definitions = missing.into_iter().map(|(id, _)| id).collect();
            pause = self.pause(pause, waiting).await?;
        }
    }

    /// Waits until the workloads answer that a wave's objects need; yields those that never will: an image is missing, they
    /// are not even written, or nothing moves any more while images are missing elsewhere.
    pub(super) async fn answering(&mut self, wave: &Wave) -> Result<BTreeSet<usize>, InstallError> {
        let workloads: BTreeSet<usize> = wave.ready.keys().copied().collect();
        if workloads.is_empty() {
            return Ok(BTreeSet::new());
        }
        let webhook = wave.ready.values().next().map_or("", String::as_str);
        let before = format!("{} admitted by {webhook} wait for ", objects(wave.objects.len()));
        let all: Vec<usize> = self.workloads().collect();
        let (mut pause, mut last) = (None, None);
        loop {
            let looked = self.watch(&all).await?;
            let unmoved = self.unmoved(&looked) >= self.installer.patience;
            let stuck = unmoved && all.iter().any(|index| self.lost(*index));
            let missing = all
                .iter()
                .copied()
                .zip(looked)
                .filter(|(index, workload)| workloads.contains(index) && workload.reason.is_some());
            let missing: Vec<(usize, Readiness)> = missing.collect();
            let hopeful = |(index, _): &&(usize, Readiness)| {
                !stuck && !self.lost(*index) && !self.watched.held.contains_key(index)
            };
            let still: Vec<&(usize, Readiness)> = missing.iter().filter(hopeful).collect();
            let Some((_, first)) = still.first() else {
                self.step(last.unwrap_or_default());
                return Ok(missing.into_iter().map(|(index, _)| index).collect());
            };
            last = Some(format!("{} {}/{} to answer for webhooks", first.kind, first.namespace, first.name));
            let waiting = format!("{before}{}", named(&still));
            pause = self.pause(pause, waiting).await?;
        }
    }

    /// The end of an installation: what was refused is tried again, what waits for a webhook is written when it
    /// answers, and all workloads get ready.
    pub(super) async fn settle(&mut self, mut later: Vec<(usize, String)>, kinds: &Kinds) -> Result<(), InstallError> {
        let all: Vec<usize> = self.workloads().collect();
        let (mut pause, mut last) = (None, None);
        loop {
            let looked = self.watch(&all).await?;
            let unmoved = self.unmoved(&looked);
            let missing = all.iter().copied().zip(looked).filter(|(_, workload)| workload.reason.is_some());
            let missing: Vec<(usize, Readiness)> = missing.collect();
            let answers = |backends: &BTreeSet<usize>| missing.iter().all(|(index, _)| !backends.contains(index));
            let held = std::mem::take(&mut self.watched.held);
            let (freed, held): (BTreeMap<_, _>, BTreeMap<_, _>) =
                held.into_iter().partition(|(_, needs)| answers(needs));
            self.watched.held = held;
            let again = later.iter().map(|(index, _)| *index).chain(freed.keys().copied()).collect();
            later = self.write(again, kinds).await?;
            if later.is_empty() && self.watched.held.is_empty() {
                self.all_written();
                if freed.is_empty() && missing.is_empty() {
                    self.step(last.unwrap_or_default());
                    return Ok(());
                }
            }
            let refused = later.iter().map(|(index, reason)| format!("{}: {}", self.id(*index), short(reason)));
            let mut waiting: Vec<String> = refused.take(NAMED).collect();
            let still: Vec<&(usize, Readiness)> = missing.iter().collect();
            waiting.extend((!still.is_empty()).then(|| named(&still)));
            if let Some((_, first)) = missing.first() {
                last = Some(format!("{} {}/{} to get ready", first.kind, first.namespace, first.name));
            }
            let patience = self.installer.patience;
            if unmoved >= patience && missing.iter().any(|(index, _)| self.lost(*index)) {
                let account = Box::new(self.installed().await?);
                return Err(InstallError::NoImage { account, held: self.watched.held.len() });
            }
            if unmoved >= patience * REFUSALS && !later.is_empty() {
                let failures = later.into_iter().map(|(index, reason)| self.failure(index, reason)).collect();
                return Err(self.refused(failures));
            }
            pause = self.pause(pause, waiting.join("; ")).await?;
        }
    }

    /// How far some workloads are, with the words of their pods where they are not ready.
    pub(super) async fn watch(&mut self, workloads: &[usize]) -> Result<Vec<Readiness>, InstallError> {
        let ids = workloads.iter().map(|index| self.id(*index));
        let asked: Vec<(&Id, &str)> = ids.map(|id| (id, self.namespace(id))).collect();
        let mut looked = readiness::look(&self.installer.client, &asked).await?;
        let unready = looked.iter().filter(|workload| workload.reason.is_some());
        let namespaces: BTreeSet<String> = unready.map(|workload| workload.namespace.clone()).collect();
        let soon = self.waiting.elapsed() < PODS;
        let namespaces = namespaces.iter().map(String::as_str).filter(|_| !soon);
        let pods = Pods::look(&self.installer.client, namespaces).await;
        let pods = pods.map_err(|error| InstallError::api("the pods", &error))?;
        for (index, workload) in workloads.iter().zip(&mut looked) {
            let Some(reason) = &mut workload.reason else {
                self.watched.no_image.remove(index);
                continue;
            };
            if self.watched.held.contains_key(index) {
                *reason = "it is not written, for no webhook that admits it answers".to_owned();
                continue;
            }
            match pods.trouble(self.id(*index), &workload.namespace) {
                Some(Trouble { words, no_image: true }) => {
                    self.watched.no_image.entry(*index).or_insert_with(|| (Instant::now(), String::new())).1 = words;
                }
                Some(Trouble { words, no_image: false }) => {
                    self.watched.no_image.remove(index);
                    *reason = words;
                }
                // They were not looked at.
                None if soon => {}
                None => _ = self.watched.no_image.remove(index),
            }
            if let Some((_, words)) = self.watched.no_image.get(index) {
                workload.no_image = true;
                reason.clone_from(words);
            }
        }
        Ok(looked)
    }

    /// Whether an image of a workload could not be had for as long as the installer has patience.
    fn lost(&self, index: usize) -> bool {
        self.watched.no_image.get(&index).is_some_and(|(since, _)| since.elapsed() >= self.installer.patience)
    }

    /// How long all of it has been as far as it is.
    fn unmoved(&mut self, all: &[Readiness]) -> Duration {
        let far = (self.written(), all.iter().map(|workload| workload.ready).sum());
        match self.watched.moved {
            Some((before, since)) if before == far => since.elapsed(),
            _ => {
                self.watched.moved = Some((far, Instant::now()));
                Duration::ZERO
            }
        }
    }

    /// Pauses before another look; an error if all of it has taken too long.
    pub(super) async fn pause(
        &mut self,
        last: Option<Duration>,
        waiting: String,
    ) -> Result<Option<Duration>, InstallError> {
        let within = self.installer.within;
        let left = within.saturating_sub(self.started.elapsed());
        if left.is_zero() {
            return Err(InstallError::TimedOut { within, waiting });
        }
        self.narrator.waits(&waiting);
        let pause = readiness::longer(last);
        sleep(pause.min(left)).await;
        Ok(Some(pause))
    }

    pub(super) fn failure(&self, index: usize, reason: String) -> Failure {
        let Manifest { id, place, .. } = &self.manifests.objects[index];
        Failure { id: id.clone(), place: *place, reason }
    }

    pub(super) fn refused(&self, failures: Vec<Failure>) -> InstallError {
        let (source_name, objects) = (self.manifests.source.clone(), self.manifests.objects.len());
        InstallError::Refused { source_name, objects, failures }
    }
}

fn named(workloads: &[&(usize, Readiness)]) -> String {
    let named: Vec<String> = workloads.iter().take(NAMED).map(|(_, workload)| short(&workload.to_string())).collect();
    format!("{}{}", named.join(", "), and_more(workloads.len()))
}

/// Room for the words of several things in one line.
fn short(text: &str) -> String {
    const LONGEST: usize = 300;
    text.char_indices().nth(LONGEST).map_or_else(|| text.to_owned(), |(cut, _)| format!("{}…", &text[..cut]))
}

pub(super) fn and_more(count: usize) -> String {
    if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() }
}
