//! The keys and certificates of one cluster: its CA and serving certificate, the key that signs service-account tokens,
//! and the administrator's token.

/// The keys and certificates of one cluster.
pub struct Credentials {}

impl Credentials {
    /// Makes fresh ones.
    ///
    /// # Errors
    /// When the certificates cannot be made.
    pub fn generate() -> Result<Self, rcgen::Error> {
        Ok(Self {})
    }

    /// A kubeconfig (YAML) for the administrator.
    #[must_use]
    pub fn kubeconfig(&self, api_url: &str) -> String {
        api_url.to_owned()
    }

    /// How the API serves TLS (ALPN `h2`, `http/1.1`).
    ///
    /// # Errors
    /// When rustls refuses the certificates.
    pub fn server_config(&self) -> Result<std::sync::Arc<rustls::ServerConfig>, rustls::Error> {
        Err(rustls::Error::General("no certificates yet".into()))
    }
}
