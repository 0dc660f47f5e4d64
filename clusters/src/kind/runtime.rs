//! The container runtime under kind: docker, podman or nerdctl.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::{KindError, Surroundings};
use crate::program::{self, Ended};

/// Those that kind finds by itself, in its order (`pkg/cluster/provider.go`, `DetectNodeProvider`).
const KNOWN: &[&str] = &["docker", "nerdctl", "podman"];
/// Other names of nerdctl that kind takes (`pkg/internal/runtime/runtime.go`).
const NERDCTL: &[&str] = &["finch", "nerdctl.lima"];
/// How long it may take to say anything. One whose machine is suspended says nothing at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// A container runtime that answers.
#[derive(Debug, Clone)]
pub(super) struct Runtime {
    pub program: String,
    surroundings: Surroundings,
}

/// What it has to offer; what it does not tell is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// Processors.
    pub processors: Option<u64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Where images and containers lie.
    pub folder: Option<String>,
    /// The version of control groups, `1` or `2`.
    pub cgroup: Option<String>,
}

impl Runtime {
    /// The one that kind will use, if it answers.
    pub async fn find(surroundings: &Surroundings) -> Result<(Self, Offer), KindError> {
        if let Some(value) = &surroundings.provider {
            if !KNOWN.iter().chain(NERDCTL).any(|known| known == value) {
                return Err(KindError::UnknownRuntime { value: value.clone() });
            }
            let missing = KindError::MissingRuntime { program: value.clone() };
            return Self::ask(surroundings, value).await?.ok_or(missing);
        }
        for program in KNOWN {
            if let Some(found) = Self::ask(surroundings, program).await? {
                return Ok(found);
            }
        }
        Err(KindError::NoRuntime)
    }

    /// Nothing if the program is not there.
    async fn ask(surroundings: &Surroundings, program: &str) -> Result<Option<(Self, Offer)>, KindError> {
        let runtime = Self { program: program.to_owned(), surroundings: surroundings.clone() };
        let format = if program == "podman" { "json" } else { "{{json .}}" };
        match runtime.run(&["info", "--format", format]).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(runtime.down(error.to_string())),
            Ok(ended) => {
                let told: Value = serde_json::from_slice(&ended.stdout).unwrap_or_default();
                // `docker info` may succeed without a server, and say so in a field.
                let errors = told["ServerErrors"].as_array().and_then(|errors| errors.first()?.as_str());
                match errors {
                    Some(reason) => Err(runtime.down(super::sentence(reason))),
                    None if !ended.status.success() => Err(runtime.down(super::last_words(&ended))),
                    None => Ok(Some((runtime, Offer::read(&told)))),
                }
            }
        }
    }

    /// Whether all of some nodes have a folder mounted at a path.
    pub async fn all_mount(&self, nodes: &[String], at: &str) -> Result<bool, KindError> {
        let mut arguments = vec!["inspect", "--format", "{{json .Mounts}}"];
        arguments.extend(nodes.iter().map(String::as_str));
        let ended = self.run(&arguments).await.map_err(|error| self.down(error.to_string()))?;
        if !ended.status.success() {
            return Err(self.down(super::last_words(&ended)));
        }
        let mounts = serde_json::Deserializer::from_slice(&ended.stdout).into_iter::<Value>();
        let marked = mounts.filter_map(Result::ok).filter(|mounts| {
            mounts.as_array().is_some_and(|mounts| mounts.iter().any(|mount| mount["Destination"] == at))
        });
        Ok(!nodes.is_empty() && marked.count() == nodes.len())
    }

    /// Wakes nodes that stopped with the machine; those that run stay as they are.
    pub async fn start(&self, nodes: &[String]) -> Result<(), KindError> {
        let arguments: Vec<&str> = ["start"].into_iter().chain(nodes.iter().map(String::as_str)).collect();
        let ended = self.run(&arguments).await.map_err(|error| self.down(error.to_string()))?;
        if ended.status.success() { Ok(()) } else { Err(self.down(super::last_words(&ended))) }
    }

    async fn run(&self, arguments: &[&str]) -> io::Result<Ended> {
        let mut command = self.surroundings.program(&self.program);
        command.args(arguments);
        let silent = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", PATIENCE.as_secs()));
        timeout(PATIENCE, program::run(command)).await.map_err(|_| silent())?
    }

    fn down(&self, reason: String) -> KindError {
        KindError::RuntimeDown { program: self.program.clone(), reason }
    }
}

impl Offer {
    /// Reads what `docker info`, `nerdctl info` or `podman info` say.
    fn read(told: &Value) -> Self {
        let number = |paths: [&str; 2]| paths.iter().find_map(|path| told.pointer(path)?.as_u64());
        let text = |paths: [&str; 2]| {
            let found = paths.iter().find_map(|path| told.pointer(path)?.as_str())?;
            Some(found.to_owned()).filter(|text| !text.is_empty())
        };
        Self {
            processors: number(["/NCPU", "/host/cpus"]),
            memory: number(["/MemTotal", "/host/memTotal"]),
            folder: text(["/DockerRootDir", "/store/graphRoot"]),
            cgroup: text(["/CgroupVersion", "/host/cgroupVersion"])
                .map(|version| version.trim_start_matches('v').to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn docker_and_podman_are_understood_and_nonsense_offers_nothing() {
        let docker = json!({ "NCPU": 2, "MemTotal": 1024, "DockerRootDir": "/var/lib/docker", "CgroupVersion": "1" });
        let podman = json!({ "host": { "cpus": 2, "memTotal": 1024, "cgroupVersion": "v1" },
            "store": { "graphRoot": "/var/lib/docker" } });
        let offer = Offer::read(&docker);
        assert_eq!((offer.processors, offer.memory, offer.cgroup.as_deref()), (Some(2), Some(1024), Some("1")));
        assert_eq!(Offer::read(&podman), offer);
        for nonsense in [json!(null), json!([1]), json!({ "NCPU": "2", "MemTotal": -1, "DockerRootDir": "" })] {
            assert_eq!(Offer::read(&nonsense), Offer::default());
        }
    }
}
