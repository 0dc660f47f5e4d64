//! What this program remembers of a cluster that it makes: a folder by the cluster's name, which one run uses at a time.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::KindError;

/// The folder of one cluster. Dropping it lets other runs use it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes the folder of a cluster, unless another run has it.
    pub fn take(state: &Path, name: &str) -> Result<Self, KindError> {
        let path = state.join(name);
        let unusable =
            |error: &io::Error| KindError::Folder { path: path.display().to_string(), reason: error.to_string() };
        DirBuilder::new().recursive(true).mode(0o700).create(path.join("mark")).map_err(|error| unusable(&error))?;
        let lock = File::create(path.join("lock")).map_err(|error| unusable(&error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(KindError::Busy { name: name.to_owned() }),
            Err(TryLockError::Error(error)) => Err(unusable(&error)),
        }
    }

    /// The empty folder that every node mounts.
    pub fn mark(&self) -> PathBuf {
        self.path.join("mark")
    }

    /// The cluster's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path.join("kubeconfig")
    }

    /// What kind is told.
    pub fn configuration(&self) -> PathBuf {
        self.path.join("kind.json")
    }

    /// What kind said.
    pub fn log(&self) -> PathBuf {
        self.path.join("create.log")
    }

    /// Writes down what the cluster is to be made from.
    pub fn begin(&self, configuration: &str) -> Result<(), KindError> {
        self.forget();
        fs::write(self.configuration(), configuration).map_err(|error| self.unusable(&error))
    }

    /// Writes down that the cluster is made, and from what.
    pub fn complete(&self, made_from: &str) -> Result<(), KindError> {
        fs::write(self.completed(), made_from).map_err(|error| self.unusable(&error))
    }

    /// What the cluster was made from, if it was made to its end.
    pub fn made_from(&self) -> Option<String> {
        fs::read_to_string(self.completed()).ok()
    }

    /// The cluster is no more.
    pub fn forget(&self) {
        for gone in [self.completed(), self.kubeconfig()] {
            _ = fs::remove_file(gone);
        }
    }

    fn completed(&self) -> PathBuf {
        self.path.join("complete")
    }

    fn unusable(&self, error: &io::Error) -> KindError {
        KindError::Folder { path: self.path.display().to_string(), reason: error.to_string() }
    }
}
