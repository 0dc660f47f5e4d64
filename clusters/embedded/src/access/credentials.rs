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
}
