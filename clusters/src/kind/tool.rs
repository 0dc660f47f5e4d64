//! The program `kind`.

use std::io;
use std::path::Path;

use super::{KindError, Surroundings};
use crate::program::{self, Ended};

/// Node images that were built with kind 0.20 or later need that version or a later one: their entry point expects a
/// private cgroup namespace (kubernetes-sigs/cluster-api issue 8788).
const OLDEST: (u32, u32) = (0, 20);
const OLDEST_TEXT: &str = "0.20 or later";

/// A `kind` that will do.
#[derive(Debug, Clone)]
pub(super) struct Tool {
    surroundings: Surroundings,
}

impl Tool {
    /// Finds it.
    pub async fn find(surroundings: &Surroundings) -> Result<Self, KindError> {
        let tool = Self { surroundings: surroundings.clone() };
        let said = tool.ask("asking kind for its version", &["version"]).await?;
        match version(&said) {
            Some(version) if version >= OLDEST => Ok(tool),
            Some((major, minor)) => Err(KindError::Old { found: format!("{major}.{minor}"), needed: OLDEST_TEXT }),
            None => Err(KindError::Failed {
                what: "asking kind for its version".to_owned(),
                reason: format!("it says {:?}", super::sentence(&said)),
                remedy: "check that the first kind on the PATH is the one of https://kind.sigs.k8s.io".to_owned(),
            }),
        }
    }

    /// The nodes of a cluster; none if there is no such cluster.
    pub async fn nodes(&self, name: &str) -> Result<Vec<String>, KindError> {
        let said = self.ask("listing the nodes of the cluster", &["get", "nodes", "--name", name]).await?;
        Ok(said.split_whitespace().map(str::to_owned).collect())
    }

    /// Makes a cluster; all that kind says goes into `log`.
    pub async fn create(&self, name: &str, image: Option<&str>, files: Files<'_>) -> Result<(), KindError> {
        let Files { configuration, kubeconfig, log } = files;
        let mut arguments = vec!["create", "cluster", "--name", name, "--retain"];
        arguments.extend(image.into_iter().flat_map(|image| ["--image", image]));
        let paths = [("--config", configuration), ("--kubeconfig", kubeconfig)];
        let ended = self.run(&arguments, &paths).await?;
        _ = std::fs::write(log, [&ended.stdout[..], &ended.stderr[..]].concat());
        if ended.status.success() {
            return Ok(());
        }
        Err(KindError::Failed {
            what: format!("making the kind cluster {name}"),
            reason: super::last_words(&ended),
            remedy: format!("see {}, and look at the nodes after another run with --keep", log.display()),
        })
    }

    /// Puts the images of an archive into all nodes.
    pub async fn load(&self, name: &str, archive: &Path) -> Result<(), KindError> {
        let archive_text = archive.display().to_string();
        let arguments = ["load", "image-archive", &archive_text, "--name", name];
        let ended = self.run(&arguments, &[]).await?;
        if ended.status.success() {
            return Ok(());
        }
        Err(KindError::Failed {
            what: format!("loading {archive_text} into the kind cluster {name}"),
            reason: super::last_words(&ended),
            remedy: "give a file that `docker save` wrote: --image-archive FILE".to_owned(),
        })
    }

    /// Deletes a cluster.
    pub async fn delete(&self, name: &str, kubeconfig: &Path) -> Result<(), KindError> {
        let ended = self.run(&["delete", "cluster", "--name", name], &[("--kubeconfig", kubeconfig)]).await?;
        if ended.status.success() {
            return Ok(());
        }
        Err(KindError::Failed {
            what: format!("deleting the kind cluster {name}"),
            reason: super::last_words(&ended),
            remedy: format!("try it by hand: kind delete cluster --name {name}"),
        })
    }

    async fn ask(&self, what: &str, arguments: &[&str]) -> Result<String, KindError> {
        let ended = self.run(arguments, &[]).await?;
        if ended.status.success() {
            return Ok(String::from_utf8_lossy(&ended.stdout).into_owned());
        }
        Err(KindError::Failed {
            what: what.to_owned(),
            reason: super::last_words(&ended),
            remedy: format!("try it by hand: kind {}", arguments.join(" ")),
        })
    }

    async fn run(&self, arguments: &[&str], paths: &[(&str, &Path)]) -> Result<Ended, KindError> {
        let mut command = self.surroundings.program("kind");
        command.args(arguments);
        for (option, path) in paths {
            command.arg(option).arg(path);
        }
        program::run(command).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => KindError::NoKind,
            _ => KindError::Failed {
                what: format!("running kind {}", arguments.first().copied().unwrap_or_default()),
                reason: error.to_string(),
                remedy: "check it with: kind version".to_owned(),
            },
        })
    }
}

/// The files of a cluster that is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files<'a> {
    pub configuration: &'a Path,
    pub kubeconfig: &'a Path,
    pub log: &'a Path,
}

/// Major and minor version out of `kind v0.30.0 go1.24.6 linux/amd64`.
fn version(said: &str) -> Option<(u32, u32)> {
    let mut words = said.split_whitespace();
    let mut numbers = words.find(|word| *word == "kind").and_then(|_| words.next())?.strip_prefix('v')?.split('.');
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_nonsense_is_none() {
        for (said, expected) in [
            ("kind v0.30.0 go1.24.6 linux/amd64\n", Some((0, 30))),
            ("kind v0.31.0-alpha+1234 go1.25 darwin/arm64", Some((0, 31))),
            ("kind v1.2", Some((1, 2))),
            ("", None),
            ("kind", None),
            ("kind v", None),
            ("kind 0.30.0", None),
            ("kind v0.x.1", None),
            ("kind v99999999999999.1", None),
        ] {
            assert_eq!(version(said), expected, "{said:?}");
        }
    }
}
