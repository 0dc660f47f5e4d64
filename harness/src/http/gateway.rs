//! The way to the gateway of a run: its address, one pool of connections, and the bounds of every exchange.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt;
use url::Url;

/// The bounds of an exchange: a platform that hangs or floods must not take the run with it.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// To open a connection. A kernel on loopback or in a data centre answers in milliseconds.
    pub connect: Duration,
    /// For the whole exchange. Envoy gives up on its authorization provider after 10 s (`authservice` and
    /// `oauth2-proxy` are called with that timeout), so a slow refusal still arrives.
    pub overall: Duration,
    /// Bytes of an answer's body that are kept.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), overall: Duration::from_secs(20), body: 4 << 20 }
    }
}

/// Why a gateway address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// It is no absolute http or https URL.
    #[error("the gateway URL {0} is not an http or https address; write it as http://localhost:8080")]
    BadUrl(String),
    /// The TLS or HTTP library cannot start.
    #[error("cannot prepare connections to the gateway: {0}")]
    Client(String),
}

/// The gateway of a run.
#[derive(Debug)]
pub struct Gateway {
    pub(super) base: Url,
    pub(super) limits: Limits,
    pub(super) pool: reqwest::Client,
    pub(super) tls: Arc<ClientConfig>,
}

impl Gateway {
    /// A gateway at a base URL. Certificates of an https address are judged as the operating system does.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub fn new(base: Url, limits: Limits) -> Result<Arc<Self>, GatewayError> {
        let loopback = match base.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => return Err(GatewayError::BadUrl(base.to_string())),
        };
        if !matches!(base.scheme(), "http" | "https") {
            return Err(GatewayError::BadUrl(base.to_string()));
        }
        crate::init();
        let tls = ClientConfig::with_platform_verifier().map_err(|error| GatewayError::Client(error.to_string()))?;
        let mut pool = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(limits.connect)
            .tls_backend_preconfigured(tls.clone());
        if loopback {
            // A proxy of the environment is for the world outside.
            pool = pool.no_proxy();
        }
        let pool = pool.build().map_err(|error| GatewayError::Client(error.to_string()))?;
        Ok(Arc::new(Self { base, limits, pool, tls: Arc::new(tls) }))
    }

    /// Its base URL.
    #[must_use]
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Scheme, host and port, without a final slash.
    pub(super) fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }
}
