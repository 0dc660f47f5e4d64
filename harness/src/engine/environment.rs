//! What a run runs against, and how.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clusters::versions::Version;
use clusters::versions::credentials::{DEFAULT_PASSWORD, EMBEDDED_USERS};
use clusters::versions::parts::Part;
use clusters::{Mode, Target};
use reports::model::{Install, Manifests, Note, Run, Shard, TargetMode};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::context::User;
use crate::redact::Redactor;

/// What a run runs against, and how. [`Environment::new`] gives the defaults; every field may be set.
#[derive(Clone)]
pub struct Environment {
    /// Unique id of the run; the value of a label, so at most 63 letters, digits and hyphens.
    pub run_id: String,
    /// When the run started, provisioning included: RFC 3339 in UTC.
    pub started: jiff::Timestamp,
    /// What is judged.
    pub target: Target,
    /// Base URL of the gateway as this process reaches it.
    pub gateway: Url,
    /// The release whose expectations apply.
    pub version: &'static Version,
    /// How the version was determined: `given`, `detected`, `default`.
    pub version_from: String,
    /// The version that the API server gives.
    pub kubernetes_version: Option<String>,
    /// Who the run logs in as.
    pub user: User,
    /// Whom the checks of tenancy log in as besides.
    pub others: Vec<User>,
    /// An Experiment of the user's own, to be tried as an acceptance case.
    pub experiment: Option<serde_json::Value>,
    /// A pipeline of the user's own, to be tried as an acceptance case.
    pub pipeline: Option<GivenPipeline>,
    /// The parts of the platform that the site is said to leave out.
    pub without: Vec<&'static Part>,
    /// The image of the pods that send requests inside the cluster, if not one of the platform's.
    pub probe_image: Option<String>,
    /// How many checks may run at once; at least one.
    pub jobs: usize,
    /// Creates nothing: checks that write are skipped, and nothing is cleaned up.
    pub read_only: bool,
    /// Whether the owner of an existing cluster allows that parts of the platform are restarted.
    pub may_restart: bool,
    /// Leaves what the checks created, for a person to look at.
    pub keep: bool,
    /// The shard that this run is, unless it is whole.
    pub shard: Option<Shard>,
    /// The ids of runs that are known to have been killed: what they left behind is removed before it expires.
    pub killed: BTreeSet<String>,
    /// Looks for leftovers of dead runs at the start and compares the restart counts of the platform's pods: some 30
    /// calls to the API.
    pub housekeeping: bool,
    /// The profiles that were asked for, for the report.
    pub profiles: Vec<String>,
    /// What was installed, for the report.
    pub manifests: Option<Manifests>,
    /// How it was installed, for the report.
    pub install: Option<Install>,
    /// What was noticed before the run.
    pub notes: Vec<Note>,
    /// The folder that gets `events.jsonl`; without one there is no event log.
    pub report_dir: Option<PathBuf>,
    /// Knows the run's secrets.
    pub redactor: Redactor,
    /// Interrupts the run: nothing starts any more, what runs gets a little time, everything is cleaned up.
    pub cancel: CancellationToken,
    /// Where the checks run; the runtime that the engine runs on unless set. One of its own keeps a check that blocks
    /// its thread from holding up the engine: see [`super::threads`].
    pub checks_on: Option<Handle>,
}

/// A pipeline of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenPipeline {
    /// Its file, as it is: YAML of one or two documents.
    pub text: String,
    /// How long it may run.
    pub within: Duration,
}

impl Environment {
    /// The defaults: four checks a core but at least 32, clean-up, no event log.
    #[must_use]
    pub fn new(target: Target, gateway: Url, version: &'static Version, user: User) -> Self {
        let redactor = Redactor::new();
        redactor.secret(&user.password);
        // The blueprint has them; whoever installs something else says so.
        let others = if target.mode == Mode::Simulated { embedded_users() } else { Vec::new() };
        Self {
            run_id: uuid::Uuid::new_v4().to_string(),
            started: jiff::Timestamp::now(),
            target,
            gateway,
            version,
            version_from: "default".to_owned(),
            kubernetes_version: None,
            user,
            others,
            experiment: None,
            pipeline: None,
            without: Vec::new(),
            probe_image: None,
            jobs: default_jobs(),
            read_only: false,
            may_restart: false,
            keep: false,
            shard: None,
            killed: BTreeSet::new(),
            housekeeping: true,
            profiles: Vec::new(),
            manifests: None,
            install: None,
            notes: Vec::new(),
            report_dir: None,
            redactor,
            cancel: CancellationToken::new(),
            checks_on: None,
        }
    }

    /// The run, for its report.
    #[must_use]
    pub fn run(&self) -> Run {
        Run {
            id: self.run_id.clone(),
            started: self.started.to_string(),
            duration_ms: 0,
            checks_ms: 0,
            critical_path_ms: 0,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            profiles: self.profiles.clone(),
            shard: self.shard.clone(),
            joined: Vec::new(),
            interrupted: false,
            recovered: false,
        }
    }

    /// The target, for the report.
    #[must_use]
    pub fn described_target(&self) -> reports::model::Target {
        reports::model::Target {
            mode: match self.target.mode {
                Mode::Simulated => TargetMode::Simulated,
                Mode::Disposable => TargetMode::Disposable,
                Mode::Existing => TargetMode::Existing,
            },
            provider: self.target.provider.to_owned(),
            name: self.target.name.clone(),
            gateway_url: self.gateway.to_string(),
            kubernetes_version: self.kubernetes_version.clone(),
            kubeflow_version: self.version.kubeflow.to_owned(),
            contract: self.version.contract.letter().to_owned(),
            version_from: self.version_from.clone(),
            manifests: self.manifests.clone(),
        }
    }
}

fn embedded_users() -> Vec<User> {
    let user = |email: &&str| User { email: (*email).to_owned(), password: DEFAULT_PASSWORD.to_owned() };
    EMBEDDED_USERS.iter().map(user).collect()
}

/// How many checks run at once unless the user says otherwise: they mostly wait for the platform, which costs nothing here.
/// Behind a gateway whose answers take 50 ms, sixteen make a run a third longer than its longest chain of checks; with
/// thirty-two the chain is all that counts, and more bring nothing (`ci/bench`).
#[must_use]
pub fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(32, |cores| (4 * cores.get()).max(32))
}
