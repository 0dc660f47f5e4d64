//! A command in a container, as `kubectl exec` runs it, to its end.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{Api, AttachParams};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use crate::context::Ctx;
use crate::stop::{Checked, Stop};

/// How much of each stream is read.
const LIMIT: u64 = 1 << 20;
/// How long a command may take, the way there included.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a command runs.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The pod's namespace.
    pub namespace: &'a str,
    /// The pod.
    pub pod: &'a str,
    /// The container.
    pub container: &'a str,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// What it wrote; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
}

/// Runs a command.
///
/// # Errors
/// [`Stop::Errored`] if it did not run to its end: there is no such pod, container or program, the run may not, or the
/// connection broke. An exit code other than 0 is no error.
pub async fn run(cx: &Ctx, place: Place<'_>, command: &[&str]) -> Checked<Ran> {
    bounded(cx, place, command, None).await
}

/// Runs a command that reads `input`. It should not read further than that: clusters before Kubernetes 1.30 cannot tell it
/// that nothing follows (`v4.channel.k8s.io`).
///
/// A secret belongs here: a command line is part of the request's address, which audit logs keep.
///
/// # Errors
/// As [`run`].
pub async fn run_with_input(cx: &Ctx, place: Place<'_>, command: &[&str], input: &str) -> Checked<Ran> {
    bounded(cx, place, command, Some(input)).await
}

async fn bounded(cx: &Ctx, place: Place<'_>, command: &[&str], input: Option<&str>) -> Checked<Ran> {
    let ran = tokio::time::timeout(PATIENCE, attempt(cx, place, command, input)).await;
    ran.unwrap_or_else(|_| Err(broken(place, command, &format!("it did not end within {} s", PATIENCE.as_secs()))))
}

async fn attempt(cx: &Ctx, place: Place<'_>, command: &[&str], input: Option<&str>) -> Checked<Ran> {
    let pods: Api<Pod> = Api::namespaced(cx.kube(), place.namespace);
    let how = AttachParams::default().container(place.container).stdin(input.is_some()).stdout(true).stderr(true);
    let mut process = pods
        .exec(place.pod, command.iter().copied(), &how)
        .await
        .map_err(|error| broken(place, command, &crate::kubernetes::describe(&error)))?;
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let status = process.take_status();
    if let (Some(input), Some(mut stdin)) = (input, process.stdin()) {
        let fed = async {
            stdin.write_all(input.as_bytes()).await?;
            stdin.shutdown().await
        };
        if let Err(error) = fed.await {
            return Err(broken(place, command, &format!("its input: {error}")));
        }
    }
    let (stdout, stderr) = tokio::join!(whole(stdout), whole(stderr));
    let unreadable = |error: std::io::Error| broken(place, command, &error.to_string());
    let (stdout, stderr) = (stdout.map_err(unreadable)?, stderr.map_err(unreadable)?);
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    match status.as_ref().map(exit_code) {
        Some(Ok(code)) => Ok(Ran { code, stdout, stderr }),
        Some(Err(why)) => Err(broken(place, command, why)),
        None => Err(broken(place, command, "the connection ended before the command did")),
    }
}

fn broken(Place { namespace, pod, container }: Place<'_>, command: &[&str], why: &str) -> Stop {
    let program = command.first().copied().unwrap_or_default();
    Stop::errored("kubernetes", format!("exec of {program} in pod {namespace}/{pod}, container {container}: {why}"))
}

/// The exit code, or why there is none (`k8s.io/apimachinery` `remotecommand`: reason `NonZeroExitCode`, cause
/// `ExitCode`).
fn exit_code(status: &Status) -> Result<i32, &str> {
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status.details.as_ref().and_then(|details| details.causes.as_ref());
    let code = causes.into_iter().flatten().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
    let code = code.and_then(|cause| cause.message.as_deref()?.parse().ok());
    code.ok_or_else(|| status.message.as_deref().unwrap_or("it failed without a reason"))
}

async fn whole(stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(LIMIT).read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: &str) -> Result<i32, String> {
        let status: Status = serde_json::from_str(status).unwrap();
        exit_code(&status).map_err(str::to_owned)
    }

    #[test]
    fn the_exit_code_is_in_the_status() {
        assert_eq!(ended(r#"{"status": "Success"}"#), Ok(0));
        let failed = r#"{"status": "Failure", "reason": "NonZeroExitCode", "message": "exit code 28",
            "details": {"causes": [{"reason": "ExitCode", "message": "28"}]}}"#;
        assert_eq!(ended(failed), Ok(28));
        let absent = r#"{"status": "Failure", "message": "executable file not found"}"#;
        assert_eq!(ended(absent), Err("executable file not found".to_owned()));
        let odd =
            r#"{"status": "Failure", "message": "x", "details": {"causes": [{"reason": "ExitCode", "message": "?"}]}}"#;
        assert_eq!(ended(odd), Err("x".to_owned()));
    }
}
