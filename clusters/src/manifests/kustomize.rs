//! Rendering a kustomization with `kubectl kustomize`.

use std::path::Path;

use tokio::process::Command;

use super::ManifestError;
use crate::program;

/// How much of what `kubectl` says is kept.
const LAST_WORDS: usize = 2_000;

/// The rendered text of a folder. `kubectl` and what it starts (git, for remote bases) form a process group, which is
/// killed when this future is dropped.
pub(super) async fn render(folder: &Path) -> Result<Vec<u8>, ManifestError> {
    render_with("kubectl", folder).await
}

async fn render_with(program: &str, folder: &Path) -> Result<Vec<u8>, ManifestError> {
    let no_kubectl = |error: std::io::Error| ManifestError::NoKubectl {
        folder: folder.display().to_string(),
        reason: error.to_string(),
    };
    let mut command = Command::new(program);
    command.arg("kustomize").arg(folder);
    let ended = program::run(command).await.map_err(no_kubectl)?;
    if ended.status.success() {
        return Ok(ended.stdout);
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let from = said.char_indices().rev().nth(LAST_WORDS).map_or(0, |(index, _)| index);
    let reason = said[from..].trim();
    Err(ManifestError::Kustomize {
        folder: folder.display().to_string(),
        reason: if reason.is_empty() { ended.status.to_string() } else { reason.to_owned() },
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    fn program(folder: &Path, script: &str) -> String {
        let path = folder.join("kubectl");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a temporary folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a temporary folder");
        path.display().to_string()
    }

    #[tokio::test]
    async fn what_kubectl_writes_is_the_text() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kubectl = program(folder.path(), "echo \"$1: $2\"");
        let text = render_with(&kubectl, folder.path()).await.expect("rendered");
        assert_eq!(String::from_utf8_lossy(&text), format!("kustomize: {}\n", folder.path().display()));
    }

    #[tokio::test]
    async fn what_goes_wrong_is_said() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let missing = render_with("no-such-kubectl", folder.path()).await.expect_err("missing");
        assert!(missing.to_string().contains("install kubectl, or give rendered YAML"), "{missing}");
        let kubectl = program(folder.path(), "echo 'error: unable to find one of kustomization.yaml' >&2; exit 1");
        let failed = render_with(&kubectl, folder.path()).await.expect_err("failed");
        assert!(failed.to_string().ends_with("failed: error: unable to find one of kustomization.yaml"), "{failed}");
    }

    #[tokio::test]
    async fn dropping_the_future_ends_the_whole_group() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kubectl = program(folder.path(), "sleep 300 & echo $! > \"$2/pid\"; wait");
        let rendering = render_with(&kubectl, folder.path());
        let pid = folder.path().join("pid");
        let written = async {
            while !fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            biased;
            () = written => {}
            _ = rendering => panic!("it does not end by itself"),
        }
        let pid = fs::read_to_string(&pid).expect("written").trim().to_owned();
        let gone = async {
            while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the grandchild is gone");
    }
}
