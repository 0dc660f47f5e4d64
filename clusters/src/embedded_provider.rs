//! The embedded reference platform as a target: simulated, in this process, gone when its guard is dropped.

use std::net::SocketAddr;
use std::time::Duration;

use embedded::{Options, Platform, Release, Start};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::install::{Installer, Progress, readiness};
use crate::manifests::{self, Manifests, Source};
use crate::target::{Mode, ProvideError, Provided, Provider, Target};
use crate::versions::{Releases, Version};
use crate::{kubeconfig, reach};

/// The context in the kubeconfig of an embedded platform.
const CONTEXT: &str = "embedded";

/// How long a blueprint's pods may take to start; what is not ready then is for the checks to say.
const SETTLE: Duration = Duration::from_secs(10);

/// How often their state is looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// An embedded platform to be started: of a release's built-in blueprint, or blank and then installed from manifests.
#[derive(Debug, Clone)]
pub struct Embedded {
    /// The release whose blueprint is loaded, unless there are manifests.
    pub version: &'static Version,
    /// What to install instead of the blueprint.
    pub manifests: Option<Source>,
    /// What it holds at first, unless there are manifests.
    pub holds: Holds,
    /// Where the Kubernetes API listens; port 0 takes a free one.
    pub api: SocketAddr,
    /// Where the gateway listens; port 0 takes a free one.
    pub gateway: SocketAddr,
    /// Added to every answer of the gateway.
    pub gateway_delay: Duration,
    /// Whether an echo of what arrived stands in place of every application.
    pub echo: bool,
    /// Where the installation's progress is shown.
    pub progress: Progress,
}

/// What an embedded cluster holds at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// The platform of a release.
    Platform,
    /// What stands before a migration: standalone Kubeflow Pipelines and Katib, with data.
    Standalone,
    /// Nothing.
    Nothing,
}

/// The built-in platform of a release as manifests, so that it can be installed like upstream's.
///
/// # Errors
/// A sentence about a blueprint that does not load: a defect of this program.
pub fn blueprint(version: &Version) -> Result<Manifests, String> {
    let objects = embedded::blueprint::objects(release(version))?;
    let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
    let name = format!("the built-in blueprint of {}", version.kubeflow);
    manifests::parse(&name, text.join("\n---\n").as_bytes()).map_err(|error| error.to_string())
}

fn release(version: &Version) -> Release {
    match version.release {
        Releases::V1_8 => Release::V1_8_1,
        Releases::V1_9 => Release::V1_9_1,
        _ => Release::V1_10_2,
    }
}

impl Embedded {
    /// A platform of a release's blueprint on free ports.
    #[must_use]
    pub fn new(version: &'static Version) -> Self {
        let Options { api, gateway, gateway_delay, .. } = Options::default();
        Self {
            version,
            manifests: None,
            holds: Holds::Platform,
            api,
            gateway,
            gateway_delay,
            echo: false,
            progress: Progress::Silent,
        }
    }

    fn start(&self) -> Start {
        match self.holds {
            Holds::Standalone => Start::Standalone,
            Holds::Platform if self.manifests.is_none() => Start::Release(release(self.version)),
            Holds::Platform | Holds::Nothing => Start::Blank,
        }
    }

    async fn launch(&self, cancel: &CancellationToken) -> Result<Provided, ProvideError> {
        // Read first: what cannot be read is said before anything starts.
        let manifests = match &self.manifests {
            Some(source) => {
                let read = cancel.run_until_cancelled(manifests::load(source)).await;
                Some(read.ok_or(ProvideError::Interrupted)??)
            }
            None => None,
        };
        let options = Options {
            start: self.start(),
            api: self.api,
            gateway: self.gateway,
            gateway_delay: self.gateway_delay,
            echo: self.echo,
        };
        let broken = |reason: String| ProvideError::Embedded(reason);
        let platform = Platform::start(options).await.map_err(|error| broken(error.to_string()))?;
        let kubeconfig = platform.kubeconfig();
        let context = kubeconfig::parse(&kubeconfig, "of the embedded platform", Some(CONTEXT)).await?;
        let gateway = platform.gateway_url().parse().map_err(|error| broken(format!("the gateway's URL: {error}")))?;
        let kubernetes_version = reach::api_server(&context.config, CONTEXT).await?;
        let target = Target {
            mode: Mode::Simulated,
            provider: self.name(),
            name: context.name,
            kube: context.config,
            gateway: Some(gateway),
        };
        let installed = match &manifests {
            Some(manifests) => {
                Some(Installer::new(&target.kube)?.progress(self.progress).install(manifests, cancel).await?)
            }
            None => {
                let client = reach::client(&target.kube).map_err(|error| broken(error.to_string()))?;
                let settled = tokio::time::timeout(SETTLE, settle(&client));
                _ = cancel.run_until_cancelled(settled).await.ok_or(ProvideError::Interrupted)?;
                None
            }
        };
        Ok(Provided {
            target,
            kubernetes_version: Some(kubernetes_version),
            kubeconfig: Some(kubeconfig),
            installed,
            guard: Box::new(platform),
        })
    }
}

/// Waits until every workload is ready.
async fn settle(client: &kube::Client) {
    while !matches!(readiness::unready(client).await, Ok(unready) if unready.is_empty()) {
        tokio::time::sleep(GLANCE).await;
    }
}

impl Provider for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn provide(&self, cancel: &CancellationToken) -> BoxFuture<'_, Result<Provided, ProvideError>> {
        let cancel = cancel.clone();
        async move { self.launch(&cancel).await }.boxed()
    }
}
