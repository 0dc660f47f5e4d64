//! Where kind and the container runtime are found, what they are told, and where this program remembers its clusters.

use std::ffi::OsString;
use std::path::PathBuf;

use tokio::process::Command;

/// What the process and the machine give. Tests give something else.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Where programs are looked for; as everywhere on this machine unless given.
    pub path: Option<OsString>,
    /// The container runtime that kind shall use, as `KIND_EXPERIMENTAL_PROVIDER` says.
    pub provider: Option<String>,
    /// The folder below which each cluster has one of its own.
    pub state: PathBuf,
    /// The folder of the limits on inotify, see inotify(7).
    pub limits: PathBuf,
}

impl Surroundings {
    /// Those of this process. Its own files are below `$XDG_STATE_HOME`, see the XDG Base Directory Specification.
    #[must_use]
    pub fn of_this_process() -> Self {
        let folder = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        let state = folder("XDG_STATE_HOME").or_else(|| std::env::home_dir().map(|home| home.join(".local/state")));
        Self {
            path: None,
            provider: std::env::var("KIND_EXPERIMENTAL_PROVIDER").ok().filter(|value| !value.is_empty()),
            state: state.unwrap_or_else(std::env::temp_dir).join("kubeflow-conformance/kind"),
            limits: PathBuf::from("/proc/sys/fs/inotify"),
        }
    }

    /// A program of this machine, to be given its arguments.
    pub(super) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        match &self.provider {
            Some(provider) => command.env("KIND_EXPERIMENTAL_PROVIDER", provider),
            None => command.env_remove("KIND_EXPERIMENTAL_PROVIDER"),
        };
        command
    }
}
