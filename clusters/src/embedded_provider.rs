//! The embedded reference platform as a target: simulated, in this process, gone when its guard is dropped.

use std::net::SocketAddr;
use std::time::Duration;

use embedded::{Options, Platform, Release, Start};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::target::{Mode, ProvideError, Provided, Provider, Target};
use crate::versions::{Releases, Version};
use crate::{kubeconfig, reach};

/// The context in the kubeconfig of an embedded platform.
const CONTEXT: &str = "embedded";

/// An embedded platform to be started, with a release's built-in blueprint.
#[derive(Debug, Clone)]
pub struct Embedded {
    /// The release whose blueprint is loaded.
    pub version: &'static Version,
    /// Where the Kubernetes API listens; port 0 takes a free one.
    pub api: SocketAddr,
    /// Where the gateway listens; port 0 takes a free one.
    pub gateway: SocketAddr,
    /// Added to every answer of the gateway.
    pub gateway_delay: Duration,
}

impl Embedded {
    /// A platform of a release's blueprint on free ports.
    #[must_use]
    pub fn new(version: &'static Version) -> Self {
        let Options { api, gateway, gateway_delay, .. } = Options::default();
        Self { version, api, gateway, gateway_delay }
    }

    fn start(&self) -> Start {
        match self.version.release {
            Releases::V1_8 => Start::Release(Release::V1_8_1),
            Releases::V1_9 => Start::Release(Release::V1_9_1),
            _ => Start::Release(Release::V1_10_2),
        }
    }

    async fn launch(&self) -> Result<Provided, ProvideError> {
        let options =
            Options { start: self.start(), api: self.api, gateway: self.gateway, gateway_delay: self.gateway_delay };
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
        Ok(Provided {
            target,
            kubernetes_version: Some(kubernetes_version),
            kubeconfig: Some(kubeconfig),
            installed: None,
            guard: Box::new(platform),
        })
    }
}

impl Provider for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn provide(&self, cancel: &CancellationToken) -> BoxFuture<'_, Result<Provided, ProvideError>> {
        let cancel = cancel.clone();
        async move { cancel.run_until_cancelled(self.launch()).await.unwrap_or(Err(ProvideError::Interrupted)) }.boxed()
    }
}
