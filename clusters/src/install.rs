//! The installer: manifests become a platform, in an order that needs no second attempt.
//!
//! Objects are written by server-side apply in waves: namespaces, then definitions, then configuration (accounts and their
//! rights, Services, volumes, policies), then workloads, webhooks and custom resources, each in the first wave that may
//! begin when the webhooks that admit it are configured and the workloads behind them are ready, and its definition is
//! established. A controller keeps the fields that it has written since; what can heal is tried again, within bounds. A
//! second run writes what is missing and changes nothing else.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use kube::{Client, Config};
use tokio_util::sync::CancellationToken;

use crate::manifests::{Id, Manifests, Place};
use crate::reach;

mod admission;
mod apply;
mod conflict;
mod difference;
mod drift;
mod existing;
mod kinds;
mod leftover;
mod plan;
mod pods;
mod preview;
mod progress;
pub(crate) mod readiness;
mod request;
mod run;
mod selector;
mod wait;

pub use conflict::Claim;
pub use difference::Difference;
pub use drift::{DefinitionVersions, Drift, ImageDrift};
pub use preview::{Change, Preview, Previewed};
pub use progress::Progress;
pub(crate) use request::{escaped, fetch, words};

/// The field manager of everything that the installer writes.
pub const FIELD_MANAGER: &str = "kubeflow-conformance";

/// Requests in flight at once.
const PARALLEL: usize = 16;

/// How long an installation may take unless told otherwise: a platform pulls some 20 GB of images.
const WITHIN: Duration = Duration::from_secs(45 * 60);

/// How long an image may be missing before its workload is given up, unless told otherwise: the kubelet tries three times.
const PATIENCE: Duration = Duration::from_secs(60);

/// Installs manifests into a cluster.
#[derive(Clone)]
pub struct Installer {
    client: Client,
    namespace: String,
    progress: Progress,
    within: Duration,
    patience: Duration,
}

impl Installer {
    /// An installer for a cluster.
    ///
    /// # Errors
    /// If the configuration's credentials or certificates cannot be used.
    pub fn new(config: &Config) -> Result<Self, InstallError> {
        let client = reach::client(config).map_err(|error| InstallError::api("the cluster's configuration", &error))?;
        let namespace = config.default_namespace.clone();
        Ok(Self { client, namespace, progress: Progress::Silent, within: WITHIN, patience: PATIENCE })
    }

    /// Where progress is shown; nowhere by default.
    #[must_use]
    pub fn progress(self, progress: Progress) -> Self {
        Self { progress, ..self }
    }

    /// How long all of it may take; 45 minutes by default.
    #[must_use]
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// How long an image may be missing, and nothing else get any further, before that is the end; a minute by default.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Installs manifests and waits until all their workloads are ready.
    ///
    /// # Errors
    /// [`InstallError`]; what was written stays, and another run goes on from there.
    pub async fn install(&self, manifests: &Manifests, cancel: &CancellationToken) -> Result<Installed, InstallError> {
        run::Run::new(self, manifests).install(cancel).await
    }
}

/// What was installed and how it went.
#[derive(Debug, Clone)]
pub struct Installed {
    /// Where the manifests come from.
    pub source: String,
    /// SHA-256 of the manifests as read, in hexadecimal.
    pub sha256: String,
    /// Objects in the manifests.
    pub objects: usize,
    /// Objects that were created.
    pub created: usize,
    /// Objects that existed and were changed.
    pub changed: usize,
    /// Objects that are not written.
    pub unwritten: usize,
    /// Write requests sent, repeated ones included.
    pub requests: usize,
    /// Write requests that were repeated.
    pub retries: usize,
    /// From the first request until everything was written, if it was.
    pub written: Option<Duration>,
    /// From the first request until everything was ready, or it was given up.
    pub duration: Duration,
    /// What the time went to, in order: one thing after another, so this is the critical path.
    pub steps: Vec<Step>,
    /// The workloads at the end.
    pub workloads: Vec<Readiness>,
    /// Fields of existing objects that others owned.
    pub claims: Vec<Claim>,
}

impl Installed {
    /// The account for a person: what was done, and how many workloads are ready by namespace. Those that are not
    /// ready have a line each.
    #[must_use]
    pub fn table(&self) -> String {
        let Self { objects, created, changed, .. } = self;
        let mut table = format!("{objects} objects in {:.1} s: ", self.duration.as_secs_f64());
        match (created, changed) {
            (0, 0) => table.push_str("nothing to change"),
            (created, 0) => _ = write!(table, "{created} created"),
            (created, changed) => _ = write!(table, "{created} created, {changed} changed"),
        }
        let unchanged = objects.saturating_sub(created + changed + self.unwritten);
        if unchanged > 0 && created + changed > 0 {
            _ = write!(table, ", {unchanged} as they were");
        }
        if self.unwritten > 0 {
            _ = write!(table, ", {} not written", self.unwritten);
        }
        let ready = self.workloads.iter().filter(|workload| workload.reason.is_none()).count();
        _ = write!(table, "; {ready} of {} workloads ready", self.workloads.len());
        let mut namespaces: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for workload in &self.workloads {
            let (ready, all) = namespaces.entry(&workload.namespace).or_default();
            *ready += usize::from(workload.reason.is_none());
            *all += 1;
        }
        let written = self.written.map(|written| format!("written after {:.1} s, ", written.as_secs_f64()));
        _ = write!(
            table,
            "\n  {}{} write requests, {} of them repeated",
            written.unwrap_or_default(),
            self.requests,
            self.retries
        );
        let steps: Vec<String> = self.steps.iter().map(ToString::to_string).collect();
        _ = write!(table, "\n  critical path: {}", steps.join("; "));
        for line in claimed(&self.claims) {
            _ = write!(table, "\n  {line}");
        }
        let width = namespaces.keys().map(|name| name.len()).max().unwrap_or_default();
        for (namespace, (ready, all)) in namespaces {
            _ = write!(table, "\n  {namespace:width$}  {ready:>3} of {all}");
        }
        for workload in self.workloads.iter().filter(|workload| workload.reason.is_some()) {
            _ = write!(table, "\n  {workload}");
        }
        table
    }
}

/// One line a field manager: how much is left to it, or taken over from it.
fn claimed(claims: &[Claim]) -> Vec<String> {
    let mut managers: BTreeMap<(bool, &str), (usize, &Claim)> = BTreeMap::new();
    for claim in claims {
        managers.entry((claim.kept, &claim.manager)).or_insert((0, claim)).0 += 1;
    }
    let told = managers.into_iter().map(|((kept, manager), (count, example))| {
        let what = if kept { "left to" } else { "taken over from" };
        let fields = if count == 1 { "field" } else { "fields" };
        format!("{what} field manager {manager:?}: {count} {fields}, such as {} of {}", example.field, example.object)
    });
    told.collect()
}

/// Something that an installation spent time on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was written, or what was waited for last.
    pub what: String,
    /// How long.
    pub took: Duration,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} s {}", self.took.as_secs_f64(), self.what)
    }
}

/// How far a workload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// `Deployment`, `StatefulSet`, `DaemonSet` or `Job`.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Pods ready (of a Job: succeeded).
    pub ready: u64,
    /// Pods wanted.
    pub wanted: u64,
    /// What it waits for, if it is not ready: the words of its pods, or of itself.
    pub reason: Option<String>,
    /// Whether an image of its pods cannot be pulled.
    pub no_image: bool,
}

impl std::fmt::Display for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, namespace, name, ready, wanted, reason, .. } = self;
        write!(f, "{kind} {namespace}/{name} {ready} of {wanted} ready")?;
        reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// An object that the cluster does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The object.
    pub id: Id,
    /// Where it stands.
    pub place: Place,
    /// The server's words.
    pub reason: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.id, self.place, self.reason)
    }
}

/// Why a platform is not installed. What was written stays; another run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A kind that neither the cluster nor the manifests know.
    #[error("{source_name}, {place}: the cluster serves no kind {} of {api_version}, and no definition among the manifests does; add its CustomResourceDefinition, or remove {id}", id.kind)]
    UnknownKind {
        /// The manifests' source.
        source_name: String,
        /// The object.
        id: Box<Id>,
        /// Its group and version.
        api_version: String,
        /// Where it stands.
        place: Place,
    },
    /// The API does not answer a question.
    #[error(
        "cannot read {what}: {reason}; installing needs a cluster administrator's rights, see: kubectl auth can-i '*' '*' -A"
    )]
    Api {
        /// What was asked for.
        what: String,
        /// The server's words.
        reason: String,
    },
    /// Objects that the cluster does not take.
    #[error("{source_name}: the cluster refuses {} of {objects} objects: {}; correct them and run again, what is written stays", failures.len(), first(failures))]
    Refused {
        /// The manifests' source.
        source_name: String,
        /// How many objects there are.
        objects: usize,
        /// Those that are refused.
        failures: Vec<Failure>,
    },
    /// Images cannot be pulled.
    #[error("{}: {}{}; see that these images can be had, then run again: the installation goes on where it stopped", account.source, lost(&account.workloads), held_back(*held))]
    NoImage {
        /// What was done.
        account: Box<Installed>,
        /// Objects that are not written because a webhook that admits them is among the lost.
        held: usize,
    },
    /// Something did not come true in time.
    #[error("not installed within {} s: {waiting}; look at what it names, then run again: the installation goes on where it stopped", within.as_secs())]
    TimedOut {
        /// The bound.
        within: Duration,
        /// What was waited for.
        waiting: String,
    },
    /// Stopped from outside.
    #[error("interrupted when {written} of {objects} objects were written; run again and it goes on from there")]
    Interrupted {
        /// Objects written.
        written: usize,
        /// Objects in the manifests.
        objects: usize,
    },
}

impl InstallError {
    fn api(what: &str, error: &kube::Error) -> Self {
        Self::Api { what: what.to_owned(), reason: request::words(error) }
    }
}

fn first(failures: &[Failure]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = failures.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = failures.len().saturating_sub(SHOWN);
    if more > 0 { format!("{}; and {more} more", shown.join("; ")) } else { shown.join("; ") }
}

fn lost(workloads: &[Readiness]) -> String {
    const SHOWN: usize = 2;
    const LONGEST: usize = 180;
    let lost: Vec<&Readiness> = workloads.iter().filter(|workload| workload.no_image).collect();
    let shown = lost.iter().take(SHOWN).map(|Readiness { kind, namespace, name, reason, .. }| {
        let reason = reason.as_deref().unwrap_or_default();
        let cut = reason.char_indices().nth(LONGEST).map_or(reason.len(), |(index, _)| index);
        format!("{kind} {namespace}/{name}: {}", &reason[..cut])
    });
    let shown = shown.collect::<Vec<_>>().join("; ");
    match lost.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more workloads without their images"),
    }
}

fn held_back(held: usize) -> String {
    match held {
        0 => String::new(),
        1 => "; 1 object waits for a webhook among them".to_owned(),
        held => format!("; {held} objects wait for webhooks among them"),
    }
}
