//! Somebody's cluster: a kubeconfig context, and the gateway's address if there is one.

use std::path::PathBuf;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::kubeconfig::{self, Context};
use crate::reach;
use crate::target::{Mode, ProvideError, Provided, Provider, Target};

/// A cluster that exists already. Nothing in it but own objects is ever changed.
#[derive(Debug, Clone, Default)]
pub struct Existing {
    /// The kubeconfig; `KUBECONFIG` or `~/.kube/config` unless given, and inside a pod its service account.
    pub kubeconfig: Option<PathBuf>,
    /// The context; the kubeconfig's current one unless given.
    pub context: Option<String>,
    /// Base URL of the gateway; without one the harness forwards a port to `istio-ingressgateway`.
    pub gateway: Option<Url>,
}

impl Provider for Existing {
    fn name(&self) -> &'static str {
        "existing"
    }

    fn provide(&self, cancel: &CancellationToken) -> BoxFuture<'_, Result<Provided, ProvideError>> {
        let cancel = cancel.clone();
        async move {
            let found = cancel.run_until_cancelled(self.find()).await;
            found.unwrap_or(Err(ProvideError::Interrupted))
        }
        .boxed()
    }
}

impl Existing {
    async fn find(&self) -> Result<Provided, ProvideError> {
        let Context { name, config } = kubeconfig::load(self.kubeconfig.as_deref(), self.context.as_deref()).await?;
        let kubernetes_version = reach::api_server(&config, &name).await?;
        let target =
            Target { mode: Mode::Existing, provider: self.name(), name, kube: config, gateway: self.gateway.clone() };
        let kubernetes_version = Some(kubernetes_version);
        Ok(Provided { target, kubernetes_version, kubeconfig: None, installed: None, guard: Box::new(()) })
    }
}
