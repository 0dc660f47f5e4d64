//! What an installation is: its account at the end.

use std::time::Duration;

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
    /// Write requests sent, repeated ones included.
    pub requests: usize,
    /// Write requests that were repeated.
    pub retries: usize,
    /// From the first request until everything was ready.
    pub duration: Duration,
    /// The workloads at the end.
    pub workloads: Vec<Readiness>,
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
    /// What it waits for, if it is not ready.
    pub reason: Option<String>,
}
