//! One installation: wave by wave, then until all workloads are ready.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::apply::{Counts, Written, apply};
use super::existing::Existing;
use super::kinds::{Kinds, Resource, is_definition};
use super::plan::{Wave, waves};
use super::progress::Narrator;
use super::{Failure, InstallError, Installed, Installer, PARALLEL, Readiness, readiness};
use crate::manifests::{Id, Manifest, Manifests};

/// How many of the things that are waited for are named.
const NAMED: usize = 3;

pub(super) struct Run<'a> {
    installer: &'a Installer,
    manifests: &'a Manifests,
    started: Instant,
    existing: Existing,
    looked_at: BTreeSet<(String, String)>,
    counts: Counts,
    written: AtomicUsize,
    created: BTreeSet<usize>,
    changed: usize,
    narrator: Narrator,
}

impl<'a> Run<'a> {
    pub fn new(installer: &'a Installer, manifests: &'a Manifests) -> Self {
        Self {
            installer,
            manifests,
            started: Instant::now(),
            existing: Existing::default(),
            looked_at: BTreeSet::new(),
            counts: Counts::default(),
            written: AtomicUsize::new(0),
            created: BTreeSet::new(),
            changed: 0,
            narrator: Narrator::new(installer.progress, manifests.objects.len()),
        }
    }

    pub async fn install(mut self, cancel: &CancellationToken) -> Result<Installed, InstallError> {
        let result = cancel.run_until_cancelled(self.run()).await;
        let workloads = match result {
            Some(Ok(workloads)) => workloads,
            Some(Err(error)) => {
                self.narrator.end("stopped");
                return Err(error);
            }
            None => {
                self.narrator.end("interrupted");
                let written = self.written.load(Ordering::Relaxed);
                return Err(InstallError::Interrupted { written, objects: self.manifests.objects.len() });
            }
        };
        let installed = Installed {
            source: self.manifests.source.clone(),
            sha256: self.manifests.sha256.clone(),
            objects: self.manifests.objects.len(),
            created: self.created.len(),
            changed: self.changed,
            requests: self.counts.requests.load(Ordering::Relaxed),
            retries: self.counts.retries.load(Ordering::Relaxed),
            duration: self.started.elapsed(),
            workloads,
        };
        self.narrator.end(&installed.table());
        Ok(installed)
    }

    async fn run(&mut self) -> Result<Vec<Readiness>, InstallError> {
        let kinds = Kinds::find(&self.installer.client, self.manifests).await?;
        let waves = waves(&self.manifests.objects, &kinds);
        let mut later: Vec<usize> = Vec::new();
        for (number, wave) in waves.iter().enumerate() {
            let began = Instant::now();
            let title = format!("wave {} of {}: {} {}", number + 1, waves.len(), wave.objects.len(), wave.name);
            self.established(wave, &kinds).await?;
            self.ready(wave).await?;
            self.narrator.now(&title);
            self.look(wave, &kinds).await?;
            let objects = later.iter().chain(&wave.objects).copied().collect();
            later = self.write(objects, &kinds).await?.into_iter().map(|(index, _)| index).collect();
            self.narrator.line(&format!("{title}, {:.1} s", began.elapsed().as_secs_f64()));
        }
        self.write_rest(later, &kinds).await?;
        let all = (0..self.manifests.objects.len()).filter(|index| readiness::counts(self.id(*index))).collect();
        self.await_workloads(all, "").await
    }

    fn id(&self, index: usize) -> &'a Id {
        &self.manifests.objects[index].id
    }

    /// The namespace that an object lives in: the context's if it names none.
    fn namespace<'b>(&'b self, id: &'b Id) -> &'b str {
        id.namespace.as_deref().unwrap_or(&self.installer.namespace)
    }

    /// Waits until the definitions of a wave's objects are established.
    async fn established(&mut self, wave: &Wave, kinds: &Kinds) -> Result<(), InstallError> {
        let mut definitions: Vec<&Id> = wave.established.iter().map(|index| self.id(*index)).collect();
        let Some(resource) = definitions.first().and_then(|id| kinds.of(id)) else { return Ok(()) };
        let mut pause = None;
        loop {
            let missing = readiness::not_established(&self.installer.client, definitions, resource).await?;
            if missing.is_empty() {
                return Ok(());
            }
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

    /// Waits until the workloads answer that a wave's objects need.
    async fn ready(&mut self, wave: &Wave) -> Result<(), InstallError> {
        let workloads: Vec<usize> = wave.ready.keys().copied().collect();
        if workloads.is_empty() {
            return Ok(());
        }
        let webhook = wave.ready.values().next().map_or("", String::as_str);
        let before = format!("{} admitted by {webhook} wait for ", objects(wave.objects.len()));
        self.await_workloads(workloads, &before).await.map(drop)
    }

    /// Waits until workloads are ready.
    async fn await_workloads(&mut self, workloads: Vec<usize>, before: &str) -> Result<Vec<Readiness>, InstallError> {
        let mut pause = None;
        loop {
            let asked: Vec<(&Id, &str)> = workloads
                .iter()
                .map(|index| (self.id(*index), self.namespace(&self.manifests.objects[*index].id)))
                .collect();
            let looked = readiness::look(&self.installer.client, &asked).await?;
            let missing: Vec<&Readiness> = looked.iter().filter(|workload| workload.reason.is_some()).collect();
            if missing.is_empty() {
                return Ok(looked);
            }
            let named: Vec<String> = missing.iter().take(NAMED).map(ToString::to_string).collect();
            let waiting = format!("{before}{}{}", named.join(", "), and_more(missing.len()));
            pause = self.pause(pause, waiting).await?;
        }
    }

    /// Pauses before another look; an error if all of it has taken too long.
    async fn pause(&mut self, last: Option<Duration>, waiting: String) -> Result<Option<Duration>, InstallError> {
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

    /// Looks at what exists of a wave's kinds, and waits until nothing of it is on its way out: what is written into a
    /// namespace that is being deleted goes with it.
    async fn look(&mut self, wave: &Wave, kinds: &Kinds) -> Result<(), InstallError> {
        let mut pause = None;
        loop {
            self.look_once(wave, kinds).await?;
            let going: Vec<&Id> =
                wave.objects.iter().map(|index| self.id(*index)).filter(|id| self.goes(id, kinds)).collect();
            if going.is_empty() {
                return Ok(());
            }
            let named: Vec<String> = going.iter().take(NAMED).map(ToString::to_string).collect();
            let waiting = format!(
                "{}{} from before is still being deleted; if it stays, see its finalizers and status",
                named.join(", "),
                and_more(going.len())
            );
            pause = self.pause(pause, waiting).await?;
            self.existing.forget();
            self.looked_at.clear();
        }
    }

    /// Whether an object is being deleted.
    fn goes(&self, id: &Id, kinds: &Kinds) -> bool {
        let Some(resource) = kinds.of(id) else { return false };
        let namespace = resource.namespaced.then(|| self.namespace(id));
        self.existing.mark(id, resource, namespace).is_some_and(|mark| mark.going)
    }

    /// A kind that this run has defined has no objects.
    async fn look_once(&mut self, wave: &Wave, kinds: &Kinds) -> Result<(), InstallError> {
        let mut unseen: Vec<(&Id, &Resource)> = Vec::new();
        for index in &wave.objects {
            let id = self.id(*index);
            let Some(resource) = kinds.of(id) else { continue };
            let new = resource.defined_by.is_some_and(|definition| self.created.contains(&definition));
            if !new && self.looked_at.insert((id.group.clone(), resource.plural.clone())) {
                unseen.push((id, resource));
            }
        }
        self.existing.look(&self.installer.client, unseen).await
    }

    /// Writes objects at once; yields those that have to be tried again, with the reason.
    async fn write(&mut self, objects: Vec<usize>, kinds: &Kinds) -> Result<Vec<(usize, String)>, InstallError> {
        let writes: Vec<_> = objects.into_iter().map(|index| self.write_one(index, kinds).boxed()).collect();
        let mut results: Vec<(usize, Written)> = stream::iter(writes).buffer_unordered(PARALLEL).collect().await;
        results.sort_by_key(|(index, _)| *index);
        let (mut failures, mut later) = (Vec::new(), Vec::new());
        for (index, written) in results {
            let Manifest { id, place, .. } = &self.manifests.objects[index];
            match written {
                Written::Created => _ = self.created.insert(index),
                Written::Changed => self.changed += 1,
                Written::Unchanged => {}
                Written::Later(reason) => later.push((index, reason)),
                Written::Refused(reason) => failures.push(Failure { id: id.clone(), place: *place, reason }),
            }
        }
        // What others need goes first: nothing is gained by going on without it.
        if let Some((index, reason)) = later.iter().find(|(index, _)| is_foundation(self.id(*index))) {
            let Manifest { id, place, .. } = &self.manifests.objects[*index];
            failures.push(Failure { id: id.clone(), place: *place, reason: reason.clone() });
        }
        if failures.is_empty() {
            return Ok(later);
        }
        let (source_name, objects) = (self.manifests.source.clone(), self.manifests.objects.len());
        Err(InstallError::Refused { source_name, objects, failures })
    }

    async fn write_one(&self, index: usize, kinds: &Kinds) -> (usize, Written) {
        let manifest: &Manifest = &self.manifests.objects[index];
        let Some(resource) = kinds.of(&manifest.id) else { return (index, Written::Unchanged) };
        let namespace = resource.namespaced.then(|| self.namespace(&manifest.id));
        let client = &self.installer.client;
        let written = apply(client, manifest, (resource, namespace), &self.existing, &self.counts).await;
        if !matches!(written, Written::Later(_) | Written::Refused(_)) {
            self.written.fetch_add(1, Ordering::Relaxed);
            self.narrator.written();
        }
        (index, written)
    }

    /// Tries again what can heal, until it is healed.
    async fn write_rest(&mut self, mut later: Vec<usize>, kinds: &Kinds) -> Result<(), InstallError> {
        let mut pause = None;
        while !later.is_empty() {
            let refused = self.write(later, kinds).await?;
            let named = refused.iter().take(NAMED).map(|(index, reason)| format!("{}: {reason}", self.id(*index)));
            let waiting = format!("{}{}", named.collect::<Vec<_>>().join("; "), and_more(refused.len()));
            later = refused.into_iter().map(|(index, _)| index).collect();
            if !later.is_empty() {
                pause = self.pause(pause, waiting).await?;
            }
        }
        Ok(())
    }
}

fn is_foundation(id: &Id) -> bool {
    is_definition(id) || (id.kind == "Namespace" && id.group.is_empty())
}

fn objects(count: usize) -> String {
    if count == 1 { "1 object".to_owned() } else { format!("{count} objects") }
}

fn and_more(count: usize) -> String {
    if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() }
}
