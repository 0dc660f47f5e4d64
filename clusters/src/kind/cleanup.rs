//! The end of a cluster: it is deleted, unless it is to be kept.

use std::thread;

use super::configuration::MARK;
use super::folder::Folder;
use super::runtime::Runtime;
use super::tool::Tool;
use super::{KindError, tell};
use crate::install::Progress;

/// Deletes a cluster when it is dropped, if this program made it.
#[derive(Debug)]
pub(super) struct Cleanup {
    pub name: String,
    pub keep: bool,
    pub progress: Progress,
    pub tool: Tool,
    pub runtime: Runtime,
    pub folder: Folder,
}

impl Cleanup {
    /// Deletes the cluster if it carries the mark; nobody else's is touched, even if it took the name meanwhile.
    pub async fn delete(&self) -> Result<(), KindError> {
        let Self { name, tool, runtime, folder, .. } = self;
        let nodes = tool.nodes(name).await?;
        if nodes.is_empty() {
            folder.forget();
            return Ok(());
        }
        if !runtime.all_mount(&nodes, MARK).await? {
            return Err(KindError::NameInUse { name: name.clone() });
        }
        tool.delete(name, &folder.kubeconfig()).await?;
        folder.forget();
        Ok(())
    }

    fn end(&self) {
        let Self { name, folder, .. } = self;
        if self.keep {
            let kubeconfig = folder.kubeconfig();
            let kept = format!("cluster {name} is kept: export KUBECONFIG={}", kubeconfig.display());
            tell(self.progress, &format!("{kept}; delete it with: kind delete cluster --name {name}"));
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let deleted = match runtime {
            Ok(runtime) => runtime.block_on(self.delete()).map_err(|error| error.to_string()),
            Err(error) => Err(format!("the kind cluster {name} cannot be deleted: {error}")),
        };
        match deleted {
            Ok(()) => tell(self.progress, &format!("cluster {name} is deleted")),
            // Said whatever is shown otherwise: something stays behind on the machine.
            Err(reason) => tell(Progress::Lines, &reason),
        }
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        // A thread of its own: whoever drops this may be a task of a runtime, which must not start another.
        thread::scope(|scope| _ = scope.spawn(|| self.end()).join());
    }
}
