//! What is judged, and what a provider is.

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::install::{InstallError, Installed};
use crate::kind::KindError;
use crate::manifests::ManifestError;

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

/// A target, what is known of it, and what keeps it alive: dropping `guard` takes a target that this program made away
/// again.
pub struct Provided {
    /// The target.
    pub target: Target,
    /// The version that its API server gives, for example `v1.33.1`.
    pub kubernetes_version: Option<String>,
    /// A kubeconfig (YAML, with credentials) of a target that this program made, for a person's own `kubectl`.
    pub kubeconfig: Option<String>,
    /// What was installed, if this program installed the platform.
    pub installed: Option<Installed>,
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
    #[error("no kubeconfig at {path}: {reason}; set KUBECONFIG or pass its path, or use --cluster embedded")]
    NoKubeconfig {
        /// The path looked at.
        path: String,
        /// Why it cannot be read.
        reason: String,
    },
    /// The kubeconfig is there but cannot be used.
    #[error("cannot use the kubeconfig {path}: {reason}; check it with: kubectl config view")]
    BadKubeconfig {
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The kubeconfig does not have the context that was asked for.
    #[error("the kubeconfig {path} has no context {context:?}; it has: {known}; pass one of them: --context NAME")]
    UnknownContext {
        /// The path.
        path: String,
        /// The context asked for.
        context: String,
        /// Those that there are.
        known: String,
    },
    /// The API server does not answer.
    #[error(
        "the Kubernetes API at {server} (context {context}) does not answer: {reason}; check it with: kubectl cluster-info --context {context}"
    )]
    Unreachable {
        /// The server's URL.
        server: String,
        /// The context.
        context: String,
        /// The transport's words.
        reason: String,
    },
    /// The API server's certificate is not the one that the kubeconfig expects.
    #[error(
        "the server at {server} cannot prove that it is the cluster of context {context}: {reason}; fetch the kubeconfig again from whoever runs the cluster"
    )]
    Untrusted {
        /// The server's URL.
        server: String,
        /// The context.
        context: String,
        /// The TLS library's words.
        reason: String,
    },
    /// Something answers, but it is no Kubernetes API.
    #[error(
        "what answers at {server} (context {context}) is not a Kubernetes API: {reason}; check the server's address in the kubeconfig"
    )]
    NotKubernetes {
        /// The server's URL.
        server: String,
        /// The context.
        context: String,
        /// What came instead.
        reason: String,
    },
    /// The API server refuses the credentials, or there are none.
    #[error(
        "the Kubernetes API at {server} refuses the credentials of context {context}: {reason}; log in again, then check with: kubectl auth whoami --context {context}"
    )]
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
    /// There is no kind cluster.
    #[error(transparent)]
    Kind(#[from] KindError),
    /// The manifests cannot be read.
    #[error(transparent)]
    Manifests(#[from] ManifestError),
    /// The platform cannot be installed.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
}
