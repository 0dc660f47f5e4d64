//! A cluster made for a run with the program `kind`, and deleted after it.
//!
//! Every node carries a mark from its first moment; only a cluster whose nodes all carry it is used or deleted. A run
//! that was cut off leaves its cluster behind: the next one of the same name goes on with it if it was made to its end,
//! and makes it anew if not.

use std::io::Write as _;
use std::path::PathBuf;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::install::{Installer, Progress};
use crate::manifests::{self, Source};
use crate::program::Ended;
use crate::target::{Mode, ProvideError, Provided, Provider, Target};
use crate::{kubeconfig, reach};

mod cleanup;
mod configuration;
mod error;
mod folder;
mod preflight;
mod ready;
mod runtime;
mod surroundings;
mod tool;

use cleanup::Cleanup;
pub use error::KindError;
use folder::Folder;
use runtime::Runtime;
pub use surroundings::Surroundings;
use tool::{Files, Tool};

/// The cluster's name unless another is given.
pub const DEFAULT_NAME: &str = "kubeflow-conformance";

/// A kind cluster to be made.
#[derive(Debug, Clone)]
pub struct Kind {
    /// The cluster's name.
    pub name: String,
    /// The image of its nodes; that of the installed kind unless given.
    pub node_image: Option<String>,
    /// A configuration of kind (ports, mounts, nodes, registry mirrors); one node unless given.
    pub configuration: Option<PathBuf>,
    /// Archives of images, as `docker save` writes them, that are put into the nodes.
    pub archives: Vec<PathBuf>,
    /// Base URL of the gateway, if the configuration maps a port to it; otherwise the harness forwards one.
    pub gateway: Option<Url>,
    /// Whether the cluster stays after the run.
    pub keep: bool,
    /// Whether a machine that looks too small is tried nevertheless.
    pub ignore_resources: bool,
    /// What is installed into it.
    pub manifests: Option<Source>,
    /// Whether it has to have room for a platform, although nothing is installed into it yet.
    pub for_a_platform: bool,
    /// Where progress is shown.
    pub progress: Progress,
    /// Where programs, limits and own files are.
    pub surroundings: Surroundings,
}

impl Kind {
    /// An empty cluster of that name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            node_image: None,
            configuration: None,
            archives: Vec::new(),
            gateway: None,
            keep: false,
            ignore_resources: false,
            manifests: None,
            for_a_platform: false,
            progress: Progress::Silent,
            surroundings: Surroundings::of_this_process(),
        }
    }

    async fn launch(&self, cancel: &CancellationToken) -> Result<Provided, ProvideError> {
        let prepared = async {
            // Read first: what cannot be read is said before anything starts.
            let manifests = match &self.manifests {
                Some(source) => Some(manifests::load(source).await?),
                None => None,
            };
            Ok::<_, ProvideError>((manifests, self.prepare().await?))
        };
        let prepared = cancel.run_until_cancelled(prepared).await;
        let (manifests, cluster) = prepared.unwrap_or(Err(ProvideError::Interrupted))?;
        let result = async {
            let made = cancel.run_until_cancelled(self.make(&cluster)).await;
            let (target, kubernetes_version) = made.unwrap_or(Err(ProvideError::Interrupted))?;
            let installed = match &manifests {
                Some(manifests) => {
                    Some(Installer::new(&target.kube)?.progress(self.progress).install(manifests, cancel).await?)
                }
                None => None,
            };
            Ok((target, kubernetes_version, installed))
        };
        match result.await {
            Ok((target, kubernetes_version, installed)) => Ok(Provided {
                target,
                kubernetes_version: Some(kubernetes_version),
                kubeconfig: std::fs::read_to_string(cluster.folder.kubeconfig()).ok(),
                installed,
                guard: Box::new(cluster),
            }),
            Err(error) => {
                // It takes seconds.
                _ = tokio::task::spawn_blocking(move || drop(cluster)).await;
                Err(error)
            }
        }
    }

    /// Everything that can be said before anything is changed.
    async fn prepare(&self) -> Result<Cleanup, KindError> {
        let tool = Tool::find(&self.surroundings).await?;
        let (runtime, offer) = Runtime::find(&self.surroundings).await?;
        let folder = Folder::take(&self.surroundings.state, &self.name)?;
        let nodes = tool.nodes(&self.name).await?;
        if !nodes.is_empty() && !runtime.all_mount(&nodes, configuration::MARK).await? {
            return Err(KindError::NameInUse { name: self.name.clone() });
        }
        if nodes.is_empty() && !self.ignore_resources {
            let needs =
                if self.for_a_platform || self.manifests.is_some() { preflight::PLATFORM } else { preflight::CLUSTER };
            preflight::check_image(self.node_image.as_deref(), &offer)?;
            preflight::check(needs, &offer, &self.surroundings).await?;
        }
        let made_from = self.made_from(&folder)?;
        if !nodes.is_empty() && folder.made_from().is_some_and(|before| before != made_from) {
            return Err(KindError::Differs { name: self.name.clone() });
        }
        Ok(Cleanup { name: self.name.clone(), keep: self.keep, progress: self.progress, tool, runtime, folder })
    }

    /// What the cluster is made from: the image and the configuration.
    fn made_from(&self, folder: &Folder) -> Result<String, KindError> {
        let configuration = configuration::marked(self.configuration.as_deref(), &folder.mark())?;
        Ok(format!("{}\n{configuration:#}\n", self.node_image.as_deref().unwrap_or("kind's own image")))
    }

    /// Makes the cluster, or goes on with the one of a run that was cut off.
    async fn make(&self, cluster: &Cleanup) -> Result<(Target, String), ProvideError> {
        let Cleanup { name, tool, runtime, folder, .. } = cluster;
        let nodes = tool.nodes(name).await?;
        if !nodes.is_empty() && folder.made_from().is_some() && folder.kubeconfig().exists() {
            tell(self.progress, &format!("cluster {name} is there from before and is used"));
            runtime.start(&nodes).await?;
        } else {
            if !nodes.is_empty() {
                tell(self.progress, &format!("cluster {name} is there from before, half made: it is made anew"));
                cluster.delete().await?;
            }
            let image = self.node_image.as_deref();
            tell(self.progress, &format!("making cluster {name} of {}", image.unwrap_or("kind's own image")));
            let configuration = configuration::marked(self.configuration.as_deref(), &folder.mark())?;
            folder.begin(&configuration.to_string())?;
            let (written, kubeconfig, log) = (folder.configuration(), folder.kubeconfig(), folder.log());
            tool.create(name, image, Files { configuration: &written, kubeconfig: &kubeconfig, log: &log }).await?;
            folder.complete(&self.made_from(folder)?)?;
        }
        for archive in &self.archives {
            tell(self.progress, &format!("loading {}", archive.display()));
            tool.load(name, archive).await?;
        }
        let context = format!("kind-{name}");
        let context = kubeconfig::load(Some(&folder.kubeconfig()), Some(&context)).await?;
        let client = reach::client(&context.config).map_err(|error| unusable(name, &error))?;
        ready::wait(&client, name).await?;
        let kubernetes_version = reach::api_server(&context.config, &context.name).await?;
        tell(self.progress, &format!("cluster {name} is ready, Kubernetes {kubernetes_version}"));
        let target = Target {
            mode: Mode::Disposable,
            provider: self.name(),
            name: context.name,
            kube: context.config,
            gateway: self.gateway.clone(),
        };
        Ok((target, kubernetes_version))
    }
}

impl Provider for Kind {
    fn name(&self) -> &'static str {
        "kind"
    }

    fn provide(&self, cancel: &CancellationToken) -> BoxFuture<'_, Result<Provided, ProvideError>> {
        let cancel = cancel.clone();
        async move { self.launch(&cancel).await }.boxed()
    }
}

fn unusable(name: &str, error: &kube::Error) -> KindError {
    KindError::Failed {
        what: format!("reading the kubeconfig of the kind cluster {name}"),
        reason: error.to_string(),
        remedy: format!("make the cluster anew after: kind delete cluster --name {name}"),
    }
}

/// Whoever closed stderr does not want to know.
fn tell(progress: Progress, text: &str) {
    if progress != Progress::Silent {
        _ = writeln!(std::io::stderr(), "kind     {text}");
    }
}

/// What a program said that tells why it failed: kind's `ERROR` with the output of the command that it ran, else the last
/// error, else the last line.
fn last_words(ended: &Ended) -> String {
    const OUTPUT: &str = "Command Output:";
    let text = String::from_utf8_lossy(if ended.stderr.is_empty() { &ended.stdout } else { &ended.stderr });
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    if let Some(error) = lines().find(|line| line.starts_with("ERROR: ")) {
        let output = lines().find_map(|line| line.strip_prefix(OUTPUT)).map(|output| format!("; {}", output.trim()));
        return sentence(&format!("{error}{}", output.unwrap_or_default()));
    }
    let error = lines().rfind(|line| line.to_lowercase().contains("error")).or_else(|| lines().next_back());
    error.map_or_else(|| ended.status.to_string(), sentence)
}

/// One line of bearable length.
fn sentence(text: &str) -> String {
    const LONGEST: usize = 300;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.char_indices().nth(LONGEST).map_or(line.clone(), |(cut, _)| format!("{}…", &line[..cut]))
}
