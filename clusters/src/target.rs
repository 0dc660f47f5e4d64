//! What is judged, and what a provider is.

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Who owns a target, hence what may be done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The embedded reference platform: no cluster is judged, anything may be broken.
    Simulated,
    /// A cluster that this program made and may destroy.
    Disposable,
    /// Somebody's cluster: nothing but own objects is changed.
    Existing,
}

/// A kubeconfig context plus a gateway address.
#[derive(Clone)]
pub struct Target {
    /// Who owns it.
    pub mode: Mode,
    /// The provider's name: `embedded`, `kind`, `existing`.
    pub provider: &'static str,
    /// The kubeconfig context.
    pub name: String,
    /// How to reach the Kubernetes API. Retries are off: a conformance tool must not hide flakiness.
    pub kube: kube::Config,
    /// Base URL of the gateway, if one is known; otherwise the harness forwards a port to `istio-ingressgateway`.
    pub gateway: Option<Url>,
}

/// A target, and what keeps it alive: dropping `guard` takes a target that this program made away again.
pub struct Provided {
    /// The target.
    pub target: Target,
    /// Keeps an in-process platform running.
    pub guard: Box<dyn Send + Sync>,
}

/// Where a target comes from.
pub trait Provider: Send + Sync {
    /// Its name on the command line.
    fn name(&self) -> &'static str;
    /// Makes or finds the target. Long work stops when `cancel` is cancelled.
    fn provide(&self, cancel: &CancellationToken) -> BoxFuture<'_, Result<Provided, ProvideError>>;
}

/// Why there is no target.
#[derive(Debug, thiserror::Error)]
pub enum ProvideError {
    /// No kubeconfig where one is expected.
    #[error("no kubeconfig at {path}: {reason}; pass --context with KUBECONFIG set, or --cluster embedded")]
    NoKubeconfig {
        /// The path looked at.
        path: String,
        /// Why it cannot be read.
        reason: String,
    },
    /// The kubeconfig is there but cannot be used.
    #[error("cannot use the kubeconfig {path}: {reason}; check it with: kubectl config view --minify")]
    BadKubeconfig {
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The API server does not answer.
    #[error("the Kubernetes API at {server} does not answer: {reason}; check it with: kubectl cluster-info")]
    Unreachable {
        /// The server's URL.
        server: String,
        /// The transport's words.
        reason: String,
    },
    /// The API server refuses the credentials.
    #[error("the Kubernetes API at {server} refuses the credentials of context {context}: {reason}; log in again")]
    Refused {
        /// The server's URL.
        server: String,
        /// The context.
        context: String,
        /// The server's words.
        reason: String,
    },
    /// The embedded platform did not start.
    #[error("the embedded platform did not start: {0}")]
    Embedded(String),
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
}
