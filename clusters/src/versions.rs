//! All that differs by version of Kubeflow: no check compares version strings, it asks its contract.
//!
//! Sources: kubeflow/manifests at v1.8.1 (`a925b296`), v1.9.1 (`b68bb751`), v1.10.2 (`d8d643f1`), their rendered
//! `example` and the sources of the programs that they ship, at the shipped tags.

/// What a version promises about login and identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contract {
    /// v1.8: oidc-authservice behind an EnvoyFilter.
    A,
    /// v1.9 and later: oauth2-proxy behind a CUSTOM AuthorizationPolicy, and a RequestAuthentication.
    B,
}

impl Contract {
    /// `A` or `B`.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

/// One supported release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The release, for example `1.9.1`.
    pub kubeflow: &'static str,
    /// What it promises about login and identity.
    pub contract: Contract,
}

/// The supported releases, oldest first.
pub static VERSIONS: &[Version] = &[
    Version { kubeflow: "1.8.1", contract: Contract::A },
    Version { kubeflow: "1.9.1", contract: Contract::B },
    Version { kubeflow: "1.10.2", contract: Contract::B },
];

/// The release of a name such as `1.9.1`, `v1.9.1` or `1.9`.
#[must_use]
pub fn named(name: &str) -> Option<&'static Version> {
    let wanted = name.trim_start_matches('v');
    VERSIONS.iter().rev().find(|version| {
        version.kubeflow == wanted || version.kubeflow.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
    })
}
