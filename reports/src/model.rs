//! What is recorded of a run: the schema of `results.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::matrix::Matrix;

/// The version of this schema: `results.json` names it, and a reader refuses one that it does not know. A field may be
/// added within a version; renaming or removing one makes a new version.
pub const SCHEMA: &str = "kubeflow-conformance/results/v1";

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Results {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// When and by what.
    pub run: Run,
    /// What was judged.
    pub target: Target,
    /// How it was installed, if this run did that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<Install>,
    /// Every check of the selection and, as `skipped`, every other one of the catalogue; in the catalogue's order.
    pub checks: Vec<Check>,
    /// What the run noticed outside any check: restarted pods, routes without a probe, objects left behind.
    #[serde(default)]
    pub notes: Vec<Note>,
}

/// When and by what a run was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Unique id; also the value of the label on every object that the run creates.
    pub id: String,
    /// Start, RFC 3339 in UTC.
    pub started: String,
    /// Wall time in milliseconds, provisioning and installation included.
    pub duration_ms: u64,
    /// Wall time of the checks alone, in milliseconds.
    pub checks_ms: u64,
    /// The longest chain of checks that had to follow one another, in milliseconds: no scheduler can be faster.
    pub critical_path_ms: u64,
    /// The version of this program.
    pub tool_version: String,
    /// The profiles asked for; empty means all checks.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// Which part of a run this is, if it was run in shards: at best partial, for there is no verdict but of all, joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The ids of the shards that were joined to this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<String>,
    /// Whether the run was cut short by a signal.
    #[serde(default)]
    pub interrupted: bool,
    /// Whether `results.json` was rebuilt from the event log of a run that did not finish.
    #[serde(default)]
    pub recovered: bool,
}

/// One part of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// What all parts of the run have in common and no other run has.
    pub of: String,
    /// Which part, counted from 0.
    pub index: u32,
    /// How many parts there are.
    pub count: u32,
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// What was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// Who owns it, hence what may be done to it.
    pub mode: TargetMode,
    /// The provider: `embedded`, `kind`, `existing`.
    pub provider: String,
    /// The kubeconfig context, or what else names it to a person.
    pub name: String,
    /// Base URL of the gateway as the run reached it.
    pub gateway_url: String,
    /// The version that the API server gives, for example `v1.34.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<String>,
    /// The Kubeflow release that the expectations are of, for example `1.9.1`.
    pub kubeflow_version: String,
    /// `A` (oidc-authservice) or `B` (oauth2-proxy).
    pub contract: String,
    /// How the version was determined: `given`, `detected`, `default`.
    pub version_from: String,
    /// Where the installed objects came from: a file name, `blueprint`, or nothing for an existing platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifests: Option<Manifests>,
}

/// Who owns a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetMode {
    /// The embedded reference platform: no cluster is judged.
    Simulated,
    /// A cluster that this run made and may destroy.
    Disposable,
    /// Somebody's cluster: nothing but own objects is changed.
    Existing,
}

/// The manifests that were installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manifests {
    /// File name, without its folder.
    pub name: String,
    /// SHA-256 of the file as read, in hexadecimal.
    pub sha256: String,
}

/// How the platform was installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Install {
    /// Objects applied.
    pub objects: u64,
    /// From the first write until everything was ready, in milliseconds.
    pub duration_ms: u64,
    /// Write requests sent, retries included.
    pub requests: u64,
    /// Writes that were repeated.
    pub retries: u64,
    /// The readiness of every workload at the end.
    #[serde(default)]
    pub workloads: Vec<Workload>,
}

/// The readiness of one workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Workload {
    /// For example `Deployment`.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Pods ready.
    pub ready: u64,
    /// Pods wanted.
    pub wanted: u64,
    /// Why it is not ready, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One check of the catalogue and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Stable id, for example `GWY-003`.
    pub id: String,
    /// The suite, for example `gateway`.
    pub suite: String,
    /// The name of its test: `suite::ID::slug`.
    pub test: String,
    /// The requirement, in the positive.
    pub title: String,
    /// How much it weighs.
    pub level: Level,
    /// Where the requirement comes from.
    pub source: String,
    /// The profiles that it belongs to.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// Ids that had to pass first.
    #[serde(default)]
    pub after: Vec<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// Start, in milliseconds since the start of the run's checks.
    pub started_ms: u64,
    /// Duration in milliseconds, clean-up included.
    pub duration_ms: u64,
    /// Weaknesses of the platform that do not make the check fail (for example a published default password in use).
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Objects that the check created and could not remove.
    #[serde(default)]
    pub leaked: Vec<String>,
    /// Who reaches what, as the check saw it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matrices: Vec<Matrix>,
    /// Everything that was done and seen, redacted.
    #[serde(default)]
    pub evidence: Vec<Event>,
    /// What is checked, why, how to fix, how to reproduce.
    pub explain: Explain,
}

/// How much a check weighs (RFC 2119). Only `must` decides the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Decides the verdict.
    Must,
    /// Worth fixing; does not decide.
    Should,
    /// Good to know.
    May,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Outcome {
    /// The requirement holds.
    Passed,
    /// The platform does not meet the requirement.
    Failed(Failure),
    /// Could not tell: our fault or the environment's.
    Errored(Problem),
    /// Did not run.
    Skipped(Skip),
}

/// How the platform differs from the requirement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// What the requirement demands.
    pub expected: String,
    /// What was seen.
    pub actual: String,
    /// Where: a request line, an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The object or setting that most likely causes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Why a check could not tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The class: `timeout`, `panic`, `transport`, `kubernetes`, `precondition`, `cleanup`.
    pub class: String,
    /// What happened, on what.
    pub message: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Why a check did not run: a closed list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Skip {
    /// The selection leaves it out.
    NotSelected,
    /// The platform does not have what it is about.
    FeatureAbsent {
        /// What is absent.
        feature: String,
    },
    /// It does not apply to this version of the platform.
    VersionOutside {
        /// What it applies to.
        applies_to: String,
    },
    /// A check that it builds on did not pass.
    BlockedBy {
        /// Its id.
        id: String,
    },
    /// The run may or can not do what it needs.
    NoCapability {
        /// What is missing.
        capability: String,
    },
    /// It would create objects, and the run is read-only.
    ReadOnly,
    /// The run was interrupted before it started.
    Interrupted,
}

/// A weakness that does not make a check fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// One sentence.
    pub title: String,
    /// What was seen, and what to do.
    pub detail: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Before production.
    High,
    /// Soon.
    Medium,
    /// Good to know.
    Low,
}

/// Something noticed outside any check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// What it is about: `restarts`, `uncovered-route`, `matrix`, `leftover`, `janitor`, `setup`.
    pub topic: String,
    /// What was noticed.
    pub text: String,
}

/// What is checked, why, how to fix, how to reproduce by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explain {
    /// What is checked.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// How to fix.
    pub fix: String,
    /// How to reproduce by hand.
    pub reproduce: String,
}

/// One thing that was done or seen during a check; secrets are redacted before it is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Milliseconds since the start of the run's checks.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: EventKind,
}

/// The kinds of evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// An HTTP exchange with the gateway.
    Http(HttpExchange),
    /// A call to the Kubernetes API.
    Kubernetes {
        /// Method and path.
        call: String,
        /// HTTP status; 0 when no answer came.
        status: u16,
        /// Milliseconds.
        duration_ms: u64,
    },
    /// A named wait.
    Wait {
        /// What was waited for.
        name: String,
        /// How often it was looked at.
        attempts: u32,
        /// Milliseconds.
        duration_ms: u64,
        /// Whether it came true within the bound.
        reached: bool,
        /// What was seen last.
        last: String,
    },
    /// An object created, or removed again.
    Object {
        /// `created`, `removed`, `kept`, `leaked`.
        action: String,
        /// Kind, namespace and name.
        object: String,
    },
    /// A remark of the check.
    Remark {
        /// The text.
        text: String,
    },
}

/// One HTTP request and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HttpExchange {
    /// Method.
    pub method: String,
    /// Full URL.
    pub url: String,
    /// Request headers, in order.
    #[serde(default)]
    pub request_headers: Vec<(String, String)>,
    /// Request body, up to a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_body: Option<String>,
    /// Status; 0 when no answer came.
    pub status: u16,
    /// Answer headers, in order.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Answer body, up to a limit.
    #[serde(default)]
    pub body: String,
    /// Bytes of the answer body that were received.
    pub body_bytes: u64,
    /// Milliseconds until the answer was complete.
    pub duration_ms: u64,
    /// Why no answer came, or why it is incomplete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// A command line that repeats the request.
    pub curl: String,
}
