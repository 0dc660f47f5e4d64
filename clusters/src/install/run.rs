//! One installation: wave by wave, then until all workloads are ready.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::apply::{Counts, Written, apply};
use super::existing::Existing;
use super::kinds::{Kinds, Resource, is_definition};
use super::plan::{Wave, waves};
use super::progress::Narrator;
use super::wait::{NAMED, Watched, and_more};
use super::{InstallError, Installed, Installer, PARALLEL, Step, readiness};
use crate::manifests::{Id, Manifest, Manifests};

/// Steps that took less are not told.
const BRIEF: Duration = Duration::from_millis(50);

pub(super) struct Run<'a> {
    pub installer: &'a Installer,
    pub manifests: &'a Manifests,
    pub started: Instant,
    /// Since when the present step lasts.
    pub waiting: Instant,
    pub watched: Watched,
    pub narrator: Narrator,
    existing: Existing,
    looked_at: BTreeSet<(String, String)>,
    counts: Counts,
    written: AtomicUsize,
    created: BTreeSet<usize>,
    changed: usize,
    all_written: Option<Duration>,
    steps: Vec<Step>,
}

impl<'a> Run<'a> {
    pub fn new(installer: &'a Installer, manifests: &'a Manifests) -> Self {
        Self {
            installer,
            manifests,
            started: Instant::now(),
            waiting: Instant::now(),
            watched: Watched::default(),
            existing: Existing::default(),
            looked_at: BTreeSet::new(),
            counts: Counts::default(),
            written: AtomicUsize::new(0),
            created: BTreeSet::new(),
            changed: 0,
            all_written: None,
            steps: Vec::new(),
            narrator: Narrator::new(installer.progress, manifests.objects.len()),
        }
    }

    pub async fn install(mut self, cancel: &CancellationToken) -> Result<Installed, InstallError> {
        match cancel.run_until_cancelled(self.run()).await {
            Some(Ok(())) => {
                let installed = self.installed().await?;
                self.narrator.end(&installed.table());
                Ok(installed)
            }
            // The table names every workload that is not ready; the error's sentence has room for some.
            Some(Err(InstallError::NoImage { account, held })) => {
                self.narrator.end(&account.table());
                Err(InstallError::NoImage { account, held })
            }
            Some(Err(error)) => {
                self.narrator.end("stopped");
                Err(error)
            }
            None => {
                self.narrator.end("interrupted");
                let written = self.written();
                Err(InstallError::Interrupted { written, objects: self.manifests.objects.len() })
            }
        }
    }

    /// The account of what was done.
    pub async fn installed(&mut self) -> Result<Installed, InstallError> {
        let all: Vec<usize> = self.workloads().collect();
        let workloads = self.watch(&all).await?;
        Ok(Installed {
            source: self.manifests.source.clone(),
            sha256: self.manifests.sha256.clone(),
            objects: self.manifests.objects.len(),
            created: self.created.len(),
            changed: self.changed,
            unwritten: self.manifests.objects.len().saturating_sub(self.written()),
            requests: self.counts.requests.load(Ordering::Relaxed),
            retries: self.counts.retries.load(Ordering::Relaxed),
            written: self.all_written,
            duration: self.started.elapsed(),
            steps: self.steps.clone(),
            workloads,
            claims: self.counts.claims.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        })
    }

    async fn run(&mut self) -> Result<(), InstallError> {
        let kinds = Kinds::find(&self.installer.client, self.manifests).await?;
        let waves = waves(&self.manifests.objects, &kinds);
        self.step("discovery of the API".to_owned());
        let mut later = Vec::new();
        for (number, wave) in waves.iter().enumerate() {
            let began = Instant::now();
            let title = format!("wave {} of {}: {} {}", number + 1, waves.len(), wave.objects.len(), wave.name);
            self.established(wave, &kinds).await?;
            let lost = self.answering(wave).await?;
            self.narrator.now(&title);
            self.look(wave, &kinds).await?;
            let waits = |index: &usize| wave.admitted.get(index).filter(|backends| !backends.is_disjoint(&lost));
            let held = wave.objects.iter().filter_map(|index| Some((*index, waits(index)?.clone())));
            self.watched.held.extend(held);
            let now = wave.objects.iter().copied().filter(|index| !self.watched.held.contains_key(index));
            let objects = later.iter().map(|(index, _)| *index).chain(now).collect();
            later = self.write(objects, &kinds).await?;
            self.step(format!("{} {}", wave.objects.len(), wave.name));
            self.narrator.line(&format!("{title}, {:.1} s", began.elapsed().as_secs_f64()));
        }
        if later.is_empty() && self.watched.held.is_empty() {
            self.all_written();
        }
        self.settle(later, &kinds).await
    }

    /// Writes down what took the time since the last step.
    pub fn step(&mut self, what: String) {
        let took = self.waiting.elapsed();
        if took >= BRIEF && !what.is_empty() {
            self.steps.push(Step { what, took });
        }
        self.waiting = Instant::now();
    }

    /// How many objects are written.
    pub fn written(&self) -> usize {
        self.written.load(Ordering::Relaxed)
    }

    /// Everything is written for the first time.
    pub fn all_written(&mut self) {
        if self.all_written.is_none() {
            self.all_written = Some(self.started.elapsed());
        }
    }

    pub fn id(&self, index: usize) -> &'a Id {
        &self.manifests.objects[index].id
    }

    /// The objects whose readiness is waited for.
    pub fn workloads(&self) -> impl Iterator<Item = usize> + use<'a> {
        let objects = &self.manifests.objects;
        (0..objects.len()).filter(move |index| readiness::counts(&objects[*index].id))
    }

    /// The namespace that an object lives in: the context's if it names none.
    pub fn namespace<'b>(&'b self, id: &'b Id) -> &'b str {
        id.namespace.as_deref().unwrap_or(&self.installer.namespace)
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
    pub async fn write(&mut self, objects: Vec<usize>, kinds: &Kinds) -> Result<Vec<(usize, String)>, InstallError> {
        let writes: Vec<_> = objects.into_iter().map(|index| self.write_one(index, kinds).boxed()).collect();
        let mut results: Vec<(usize, Written)> = stream::iter(writes).buffer_unordered(PARALLEL).collect().await;
        results.sort_by_key(|(index, _)| *index);
        let (mut failures, mut later) = (Vec::new(), Vec::new());
        for (index, written) in results {
            match written {
                Written::Created => _ = self.created.insert(index),
                Written::Changed => self.changed += 1,
                Written::Unchanged => {}
                Written::Later(reason) => later.push((index, reason)),
                Written::Refused(reason) => failures.push(self.failure(index, reason)),
            }
        }
        // What others need goes first: nothing is gained by going on without it.
        if let Some((index, reason)) = later.iter().find(|(index, _)| is_foundation(self.id(*index))) {
            failures.push(self.failure(*index, reason.clone()));
        }
        if failures.is_empty() { Ok(later) } else { Err(self.refused(failures)) }
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
}

fn is_foundation(id: &Id) -> bool {
    is_definition(id) || (id.kind == "Namespace" && id.group.is_empty())
}

pub(super) fn objects(count: usize) -> String {
    if count == 1 { "1 object".to_owned() } else { format!("{count} objects") }
}
