//! Starting and stopping one platform, and the [`World`] that its parts share.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::access::credentials::Credentials;
use crate::store::Store;
use crate::{api, blueprint, controllers, gateway, recorded};

/// What the platform holds when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// A bare Kubernetes cluster with a node and a default StorageClass: for the installer.
    #[default]
    Blank,
    /// The built-in blueprint of a release.
    Release(Release),
    /// What stands before a migration: standalone Kubeflow Pipelines and Katib, Bitnami's charts as their stores, and what
    /// users left in them.
    Standalone,
}

/// The releases of kubeflow/manifests that have a built-in blueprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// v1.8.1: contract A, oidc-authservice.
    V1_8_1,
    /// v1.9.1: contract B, oauth2-proxy.
    V1_9_1,
    /// v1.10.2: contract B.
    V1_10_2,
}

/// How to start a platform.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it holds at first.
    pub start: Start,
    /// Where the Kubernetes API listens (HTTPS). Port 0 takes a free one. Loopback only.
    pub api: SocketAddr,
    /// Where the ingress gateway listens (plain HTTP). Port 0 takes a free one. Loopback only.
    pub gateway: SocketAddr,
    /// Added to every answer of the gateway: a slow network, for measurements.
    pub gateway_delay: Duration,
    /// Every application but the login chain is answered by an echo of what arrived: see [`crate::actors::echo`].
    pub echo: bool,
}

impl Default for Options {
    fn default() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { start: Start::default(), api: any, gateway: any, gateway_delay: Duration::ZERO, echo: false }
    }
}

/// Why a platform did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listening address that is not on this machine's loopback.
    #[error("refusing to listen on {0}: the embedded platform listens on loopback only; use 127.0.0.1")]
    NotLoopback(SocketAddr),
    /// The address is in use or not permitted.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for a free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The certificates of the API could not be made.
    #[error("cannot make the API's certificates: {0}")]
    Certificates(String),
    /// The blueprint does not load: a defect of this program.
    #[error("the built-in blueprint does not load: {0}")]
    Blueprint(String),
}

/// What the parts of one platform share.
pub struct World {
    /// The objects of the cluster.
    pub store: Store,
    /// Keys and certificates of the cluster.
    pub credentials: Credentials,
    /// What running programs keep in memory.
    pub memory: Memory,
    /// See [`Options::gateway_delay`].
    pub gateway_delay: Duration,
}

/// What running programs keep in memory: one value per type and owner (for example a pod's uid).
#[derive(Default)]
pub struct Memory(Mutex<HashMap<(TypeId, String), Arc<dyn Any + Send + Sync>>>);

impl Memory {
    /// The value of type `T` of an owner; made by `Default` when first asked for.
    pub fn of<T: Default + Send + Sync + 'static>(&self, owner: &str) -> Arc<T> {
        let mut kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let any = kept.entry((TypeId::of::<T>(), owner.to_owned())).or_insert_with(|| Arc::new(T::default())).clone();
        drop(kept);
        any.downcast().unwrap_or_default()
    }

    /// Forgets everything an owner kept: its pod is gone.
    pub fn forget(&self, owner: &str) {
        let mut kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.retain(|(_, of), _| of != owner);
    }
}

/// A running platform. Dropping it stops it.
pub struct Platform {
    world: Arc<World>,
    api: SocketAddr,
    gateway: SocketAddr,
    stop: CancellationToken,
}

impl Platform {
    /// Starts a platform; it serves as soon as this returns.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let api_listener = listen(options.api).await?;
        let gateway_listener = listen(options.gateway).await?;
        let (api, gateway) = (address(&api_listener, options.api)?, address(&gateway_listener, options.gateway)?);
        let credentials = Credentials::generate().map_err(|error| StartError::Certificates(error.to_string()))?;
        let world = Arc::new(World {
            store: Store::default(),
            credentials,
            memory: Memory::default(),
            gateway_delay: options.gateway_delay,
        });
        controllers::bootstrap::load(&world);
        blueprint::load(&world, options.start).map_err(StartError::Blueprint)?;
        if options.echo {
            blueprint::put(&world, recorded::echo_mode()).map_err(StartError::Blueprint)?;
        }
        let stop = CancellationToken::new();
        controllers::start(&world, &stop);
        tokio::spawn(stop.clone().run_until_cancelled_owned(api::serve(world.clone(), api_listener)));
        tokio::spawn(stop.clone().run_until_cancelled_owned(gateway::serve(world.clone(), gateway_listener)));
        if options.start == Start::Standalone {
            blueprint::standalone::use_it(&world).await.map_err(StartError::Blueprint)?;
        }
        Ok(Self { world, api, gateway, stop })
    }

    /// The Kubernetes API, for example `https://127.0.0.1:6443`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("https://{}", self.api)
    }

    /// The ingress gateway, for example `http://127.0.0.1:8080`.
    #[must_use]
    pub fn gateway_url(&self) -> String {
        format!("http://{}", self.gateway)
    }

    /// A kubeconfig (YAML) with the cluster administrator's credentials; its context is named `embedded`.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        self.world.credentials.kubeconfig(&self.api_url())
    }

    /// The shared parts, for this crate's tests and for programs that look inside. Suites never do.
    #[must_use]
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    if !address.ip().is_loopback() {
        return Err(StartError::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

fn address(listener: &TcpListener, wanted: SocketAddr) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|source| StartError::Listen { address: wanted, source })
}
