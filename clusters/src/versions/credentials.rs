//! The credentials that a release ships with. They are public (they stand in kubeflow/manifests), so a platform that
//! still has them is open to anyone who can reach its gateway.

use super::Releases;

/// One shipped credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential {
    /// What it opens.
    pub what: &'static str,
    /// `Secret` or `ConfigMap`.
    pub kind: &'static str,
    /// Namespace of the object that holds it.
    pub namespace: &'static str,
    /// Name of that object; if `generated`, kustomize appends `-` and a hash of the content.
    pub name: &'static str,
    /// Whether the name carries a hash.
    pub generated: bool,
    /// Key in the object's data.
    pub key: &'static str,
    /// The shipped value: equal for a Secret, contained in the text for a ConfigMap.
    pub value: &'static str,
    /// The file in kubeflow/manifests.
    pub source: &'static str,
    /// The releases that ship it there.
    pub releases: Releases,
}

impl Credential {
    /// Whether an object of that name may hold it.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        match name.strip_prefix(self.name) {
            Some(rest) if self.generated => rest.len() > 1 && rest.starts_with('-') && !rest[1..].contains('-'),
            Some(rest) => rest.is_empty(),
            None => false,
        }
    }
}

/// The e-mail address of the only user of a fresh installation.
pub const DEFAULT_USER: &str = "user@example.com";
/// Its password, as the READMEs of kubeflow/manifests give it.
pub const DEFAULT_PASSWORD: &str = "12341234";
/// Further users of the embedded platform's blueprint; their password is [`DEFAULT_PASSWORD`].
pub const EMBEDDED_USERS: [&str; 2] = ["alice@example.com", "bob@example.com"];
/// The Profile, and so the namespace, of that user.
pub const DEFAULT_PROFILE: &str = "kubeflow-user-example-com";

/// Dex's bcrypt hash of [`DEFAULT_PASSWORD`].
const PASSWORD_HASH: &str = "$2y$12$4K/VkmDd1q1Orb3xAt82zu8gk7Ad6ReFR4LCP9UeYE90NLiN9Df72";
const CLIENT_SECRET: &str = "pUBnBOY80SnXgjibTYM9ZWNzY2xreNGQok";

const fn secret(
    what: &'static str,
    name: (&'static str, &'static str),
    key: &'static str,
    value: &'static str,
    source: &'static str,
    releases: Releases,
) -> Credential {
    Credential { what, kind: "Secret", namespace: name.0, name: name.1, generated: false, key, value, source, releases }
}

pub(super) static CREDENTIALS: &[Credential] = &[
    Credential {
        kind: "ConfigMap",
        ..secret(
            "the login of user@example.com",
            ("auth", "dex"),
            "config.yaml",
            PASSWORD_HASH,
            "common/dex/base/config-map.yaml",
            Releases::V1_8,
        )
    },
    secret(
        "the login of user@example.com",
        ("auth", "dex-passwords"),
        "DEX_USER_PASSWORD",
        PASSWORD_HASH,
        "common/dex/base/dex-passwords.yaml",
        Releases::SINCE_1_9,
    ),
    secret(
        "Dex's OIDC client",
        ("auth", "dex-oidc-client"),
        "OIDC_CLIENT_SECRET",
        CLIENT_SECRET,
        "common/dex/base/secret_params.env",
        Releases::ALL,
    ),
    secret(
        "Dex's OIDC client",
        ("istio-system", "oidc-authservice-client"),
        "CLIENT_SECRET",
        CLIENT_SECRET,
        "common/oidc-client/oidc-authservice/base/secret_params.env",
        Releases::V1_8,
    ),
    Credential {
        generated: true,
        ..secret(
            "Dex's OIDC client",
            ("oauth2-proxy", "oauth2-proxy"),
            "client-secret",
            CLIENT_SECRET,
            "common/oauth2-proxy/base/kustomization.yaml",
            Releases::SINCE_1_9,
        )
    },
    Credential {
        generated: true,
        ..secret(
            "the content of every session cookie",
            ("oauth2-proxy", "oauth2-proxy"),
            "cookie-secret",
            "7d16fee92f8d11b8940b081b3f8b8acb",
            "common/oauth2-proxy/base/kustomization.yaml",
            Releases::SINCE_1_9,
        )
    },
    secret(
        "the object store of all pipelines",
        ("kubeflow", "mlpipeline-minio-artifact"),
        "secretkey",
        "minio123",
        "apps/pipeline/upstream/third-party/minio/base/mlpipeline-minio-artifact-secret.yaml",
        Releases::ALL,
    ),
    secret(
        "the database of Kubeflow Pipelines",
        ("kubeflow", "mysql-secret"),
        "password",
        "",
        "apps/pipeline/upstream/base/installs/generic/mysql-secret.yaml",
        Releases::ALL,
    ),
    secret(
        "the database of Katib",
        ("kubeflow", "katib-mysql-secrets"),
        "MYSQL_ROOT_PASSWORD",
        "test",
        "apps/katib/upstream/components/mysql/secret.yaml",
        Releases::ALL,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_name_carries_one_hash() {
        let cookie = CREDENTIALS.iter().find(|row| row.key == "cookie-secret").expect("a row");
        assert!(cookie.is_named("oauth2-proxy-h675gf55ht"));
        assert!(!cookie.is_named("oauth2-proxy"));
        assert!(!cookie.is_named("oauth2-proxy-parameters-74659b6648"));
        let plain = CREDENTIALS.iter().find(|row| row.name == "dex-passwords").expect("a row");
        assert!(plain.is_named("dex-passwords"));
        assert!(!plain.is_named("dex-passwords-2"));
    }
}
