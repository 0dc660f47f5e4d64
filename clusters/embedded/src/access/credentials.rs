//! The keys and certificates of one cluster: its CA and serving certificate, the key that signs service-account tokens,
//! and the administrator's token.
//!
//! All keys are ECDSA P-256: an RSA key takes longer to make than the whole platform to start. (kubeadm makes RSA keys;
//! kube-apiserver takes both, `--service-account-signing-key-file`.)

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jsonwebtoken::{DecodingKey, EncodingKey};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rcgen::{KeyUsagePurpose, PKCS_ECDSA_P256_SHA256};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Names and addresses that the serving certificate is for, as kubeadm's are.
const SERVING_NAMES: &[&str] = &[
    "127.0.0.1",
    "::1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "10.96.0.1",
];

/// Why credentials could not be made: a defect of this program or of the machine's random source.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A certificate or key.
    #[error("certificate or key: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The token key.
    #[error("service-account token key: {0}")]
    TokenKey(#[from] jsonwebtoken::errors::Error),
}

/// The keys and certificates of one cluster.
pub struct Credentials {
    authority: CertifiedIssuer<'static, KeyPair>,
    serving: (CertificateDer<'static>, PrivatePkcs8KeyDer<'static>),
    admin_token: String,
    token_signing: EncodingKey,
    token_verifying: DecodingKey,
    token_public: Vec<u8>,
}

impl Credentials {
    /// Makes fresh ones.
    ///
    /// # Errors
    /// When the certificates cannot be made.
    pub fn generate() -> Result<Self, CredentialsError> {
        let authority = certificate_authority("kubernetes")?;
        let serving = serving(&authority)?;
        let token_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        Ok(Self {
            authority,
            serving,
            admin_token: format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple()),
            token_signing: EncodingKey::from_ec_der(token_key.serialized_der()),
            token_verifying: DecodingKey::from_ec_pem(token_key.public_key_pem().as_bytes())?,
            token_public: token_key.public_key_raw().to_vec(),
        })
    }

    /// A kubeconfig (YAML) for the administrator; its context is named `embedded`.
    #[must_use]
    pub fn kubeconfig(&self, api_url: &str) -> String {
        let authority = BASE64.encode(self.authority.pem());
        let token = &self.admin_token;
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: embedded\nclusters:\n- name: embedded\n  cluster:\n    \
             server: {api_url}\n    certificate-authority-data: {authority}\nusers:\n- name: embedded-admin\n  user:\n    \
             token: {token}\ncontexts:\n- name: embedded\n  context:\n    cluster: embedded\n    user: embedded-admin\n"
        )
    }

    /// How the API serves TLS (ALPN `h2`, `http/1.1`).
    ///
    /// # Errors
    /// When rustls refuses the certificates.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let (certificate, key) = &self.serving;
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], PrivateKeyDer::Pkcs8(key.clone_key()))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// The cluster's CA certificate (PEM), as every namespace has it in `kube-root-ca.crt`.
    #[must_use]
    pub fn authority_pem(&self) -> String {
        self.authority.pem()
    }

    /// Whether a bearer token is the administrator's.
    #[must_use]
    pub fn is_admin(&self, token: &str) -> bool {
        token == self.admin_token
    }

    /// The key that signs service-account tokens (ES256).
    pub(super) fn token_signing(&self) -> &EncodingKey {
        &self.token_signing
    }

    /// The key that verifies them.
    pub(super) fn token_verifying(&self) -> &DecodingKey {
        &self.token_verifying
    }

    /// Its public point, uncompressed (SEC 1): 0x04, x, y.
    pub(super) fn token_public(&self) -> &[u8] {
        &self.token_public
    }
}

/// A fresh certificate authority.
///
/// # Errors
/// When the key or certificate cannot be made.
pub fn certificate_authority(common_name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

fn serving(
    authority: &CertifiedIssuer<'static, KeyPair>,
) -> Result<(CertificateDer<'static>, PrivatePkcs8KeyDer<'static>), rcgen::Error> {
    let names: Vec<String> = SERVING_NAMES.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.signed_by(&key, authority)?;
    Ok((certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der())))
}
