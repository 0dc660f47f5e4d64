//! A command in a container, as `kubectl exec` runs it: the way to a database that the mesh lets nobody else dial.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::AttachParams;
use kube::{Api, Client};
use tokio::io::AsyncReadExt;

use crate::install::words;

/// How long a command may take.
const WITHIN: Duration = Duration::from_secs(120);
/// The most that is taken of what it writes.
const MOST: u64 = 256 << 20;

/// Where a command runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Container {
    pub namespace: String,
    pub pod: String,
    pub container: String,
}

impl std::fmt::Display for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pod {}/{}", self.namespace, self.pod)
    }
}

/// Runs a command; its output, or why there is none.
pub(super) async fn run(client: &Client, at: &Container, command: &[&str]) -> Result<String, String> {
    let ran = tokio::time::timeout(WITHIN, attempt(client, at, command)).await;
    ran.unwrap_or_else(|_| Err(format!("{at}: no end within {} s", WITHIN.as_secs())))
}

async fn attempt(client: &Client, at: &Container, command: &[&str]) -> Result<String, String> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &at.namespace);
    let parameters = AttachParams::default().container(&at.container).stdout(true).stderr(true);
    let exec = api.exec(&at.pod, command.iter().copied(), &parameters).await;
    let mut process = exec.map_err(|error| format!("{at}: {}", words(&error)))?;
    let status = process.take_status();
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let (output, complaint) = tokio::join!(all_of(stdout), all_of(stderr));
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    if status.as_ref().and_then(|status| status.status.as_deref()) == Some("Success") {
        return Ok(output);
    }
    let complaint = complaint.split_whitespace().collect::<Vec<_>>().join(" ");
    let message = status.and_then(|status| status.message).unwrap_or_else(|| "it was cut off".to_owned());
    Err(format!("{at}: {}", if complaint.is_empty() { message } else { complaint }))
}

async fn all_of(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What was read counts even if the connection broke then: the status tells.
        _ = pipe.take(MOST).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
