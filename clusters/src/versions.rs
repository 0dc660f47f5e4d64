//! All that differs by version of Kubeflow: no check compares version strings, it asks its [`Version`].
//!
//! Sources: kubeflow/manifests at v1.8.1 (`a925b296`), v1.9.1 (`b68bb751`), v1.10.2 (`d8d643f1`), their rendered
//! `example`, the sources of the programs that they ship at the shipped tags, and what those programs answered when
//! they were run. `clusters/tests/catalogue.rs` compares the tables with the rendered files, entry by entry.
//!
//! ```
//! use clusters::versions;
//!
//! let version = versions::named("v1.9").expect("a supported release");
//! assert_eq!(version.contract.letter(), "B");
//! assert_eq!(version.auth().login.entry.at("/pipeline/"), "/oauth2/start?rd=%2Fpipeline%2F");
//! assert_eq!(version.route_of("/katib/").service.to_string(), "katib-ui.kubeflow:80");
//! ```

use std::fmt;

pub mod auth;
mod crds;
pub mod credentials;
pub mod detect;
pub mod inventory;
pub mod parts;
pub mod routes;
pub mod tenancy;
mod workloads;

use auth::Auth;
use credentials::Credential;
use inventory::{Crd, Namespace, Service, Volume, Webhook, Workload};
use routes::Route;

pub use detect::{Detected, detect};

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

    /// What it promises.
    #[must_use]
    pub fn auth(self) -> &'static Auth {
        match self {
            Self::A => &auth::AUTHSERVICE,
            Self::B => &auth::OAUTH2_PROXY,
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
    /// Itself, as a set.
    pub release: Releases,
}

/// The supported releases, oldest first.
pub static VERSIONS: &[Version] = &[
    Version { kubeflow: "1.8.1", contract: Contract::A, release: Releases::V1_8 },
    Version { kubeflow: "1.9.1", contract: Contract::B, release: Releases::V1_9 },
    Version { kubeflow: "1.10.2", contract: Contract::B, release: Releases::V1_10 },
];

/// The release of a name such as `1.9.1`, `v1.9.1` or `1.9`.
#[must_use]
pub fn named(name: &str) -> Option<&'static Version> {
    let wanted = name.trim_start_matches('v');
    VERSIONS.iter().rev().find(|version| {
        version.kubeflow == wanted || version.kubeflow.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
    })
}

impl Version {
    /// What it promises about login and identity.
    #[must_use]
    pub fn auth(&self) -> &'static Auth {
        self.contract.auth()
    }

    /// The namespaces that its `example` creates. The default tenant's namespace is not among them: the profile
    /// controller makes it ([`credentials::DEFAULT_PROFILE`]).
    pub fn namespaces(&self) -> impl Iterator<Item = &'static Namespace> {
        self.shipped(inventory::NAMESPACES, |row| row.releases)
    }

    /// The CustomResourceDefinitions that its `example` creates. Dex makes nine more when it starts.
    pub fn crds(&self) -> impl Iterator<Item = &'static Crd> {
        self.shipped(crds::CRDS, |row| row.releases)
    }

    /// The Deployments, StatefulSets and DaemonSets that its `example` creates.
    pub fn workloads(&self) -> impl Iterator<Item = &'static Workload> {
        self.shipped(workloads::WORKLOADS, |row| row.releases)
    }

    /// The Services that its `example` creates.
    pub fn services(&self) -> impl Iterator<Item = &'static Service> {
        self.shipped(workloads::SERVICES, |row| row.releases)
    }

    /// The webhook configurations that its `example` creates.
    pub fn webhooks(&self) -> impl Iterator<Item = &'static Webhook> {
        self.shipped(inventory::WEBHOOKS, |row| row.releases)
    }

    /// The PersistentVolumeClaims that its `example` creates; they need a default StorageClass.
    pub fn volumes(&self) -> impl Iterator<Item = &'static Volume> {
        self.shipped(inventory::VOLUMES, |row| row.releases)
    }

    /// The routes of the gateway `kubeflow/kubeflow-gateway`, longest prefix first, the catch-all last.
    pub fn routes(&self) -> impl Iterator<Item = &'static Route> {
        self.shipped(routes::ROUTES, |row| row.releases)
    }

    /// The route that a path takes: prefixes match as strings, not by path segment.
    #[must_use]
    pub fn route_of(&self, path: &str) -> &'static Route {
        self.routes().find(|route| path.starts_with(route.prefix)).unwrap_or(&routes::DASHBOARD)
    }

    /// The labels that every profile's namespace gets.
    pub fn namespace_labels(&self) -> impl Iterator<Item = &'static tenancy::Label> {
        self.shipped(tenancy::NAMESPACE_LABELS, |row| row.releases)
    }

    /// What the three roles of a profile may do there.
    pub fn rights(&self) -> impl Iterator<Item = &'static tenancy::Rights> {
        self.shipped(tenancy::RIGHTS, |row| row.releases)
    }

    /// The credentials that it ships with: public, hence to be changed before anyone else may reach the platform.
    pub fn credentials(&self) -> impl Iterator<Item = &'static Credential> {
        self.shipped(credentials::CREDENTIALS, |row| row.releases)
    }

    /// CustomResourceDefinitions that an earlier supported release created and this one does not: what an upgrade
    /// leaves behind.
    pub fn retired_crds(&self) -> impl Iterator<Item = &'static Crd> {
        self.retired(crds::CRDS, |row| row.releases)
    }

    /// Workloads that an earlier supported release created and this one does not.
    pub fn retired_workloads(&self) -> impl Iterator<Item = &'static Workload> {
        self.retired(workloads::WORKLOADS, |row| row.releases)
    }

    /// Webhook configurations that an earlier supported release created and this one does not. One whose Service is
    /// gone blocks every request that it matches.
    pub fn retired_webhooks(&self) -> impl Iterator<Item = &'static Webhook> {
        self.retired(inventory::WEBHOOKS, |row| row.releases)
    }

    /// PersistentVolumeClaims that an earlier supported release created and this one does not.
    pub fn retired_volumes(&self) -> impl Iterator<Item = &'static Volume> {
        self.retired(inventory::VOLUMES, |row| row.releases)
    }

    /// Namespaces that an earlier supported release created and this one does not.
    pub fn retired_namespaces(&self) -> impl Iterator<Item = &'static Namespace> {
        self.retired(inventory::NAMESPACES, |row| row.releases)
    }

    /// The objects of the other contract's login, which would stand in front of this one's or beside it.
    pub fn foreign_auth(&self) -> impl Iterator<Item = &'static Object> {
        let other = match self.contract {
            Contract::A => Contract::B,
            Contract::B => Contract::A,
        };
        other.auth().objects.iter()
    }

    fn shipped<T>(
        &self,
        rows: &'static [T],
        releases: fn(&T) -> Releases,
    ) -> impl Iterator<Item = &'static T> + use<T> {
        let release = self.release;
        rows.iter().filter(move |row| releases(row).has(release))
    }

    fn retired<T>(
        &self,
        rows: &'static [T],
        releases: fn(&T) -> Releases,
    ) -> impl Iterator<Item = &'static T> + use<T> {
        let release = self.release;
        rows.iter().filter(move |row| !releases(row).has(release) && releases(row).earlier_than(release))
    }
}

/// A set of supported releases: those that a row of a table is true of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Releases(u8);

impl Releases {
    /// 1.8.1 alone.
    pub const V1_8: Self = Self(0b001);
    /// 1.9.1 alone.
    pub const V1_9: Self = Self(0b010);
    /// 1.10.2 alone.
    pub const V1_10: Self = Self(0b100);
    /// Up to 1.9.1.
    pub const UNTIL_1_9: Self = Self(0b011);
    /// From 1.9.1 on.
    pub const SINCE_1_9: Self = Self(0b110);
    /// All supported releases.
    pub const ALL: Self = Self(0b111);

    /// Whether it holds the other set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn earlier_than(self, release: Self) -> bool {
        self.0.trailing_zeros() < release.0.trailing_zeros()
    }
}

/// The name of one object of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// Group and version, for example `security.istio.io/v1beta1` or `v1`.
    pub api_version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// The kind's name in URLs.
    pub plural: &'static str,
    /// Its namespace; empty for a cluster-wide object.
    pub namespace: &'static str,
    /// Its name.
    pub name: &'static str,
}

impl Object {
    /// How `kube` names the kind.
    #[must_use]
    pub fn resource(&self) -> kube::core::ApiResource {
        let (group, version) = self.api_version.split_once('/').unwrap_or(("", self.api_version));
        let gvk = kube::core::GroupVersionKind::gvk(group, version, self.kind);
        kube::core::ApiResource::from_gvk_with_plural(&gvk, self.plural)
    }

    /// Where it lives in a cluster.
    #[must_use]
    pub fn api(&self, client: &kube::Client) -> kube::Api<kube::core::DynamicObject> {
        if self.namespace.is_empty() {
            kube::Api::all_with(client.clone(), &self.resource())
        } else {
            kube::Api::namespaced_with(client.clone(), self.namespace, &self.resource())
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_have_names_people_type() {
        for (name, release) in [("1.8", "1.8.1"), ("v1.9.1", "1.9.1"), ("1.10", "1.10.2"), ("1", "1.10.2")] {
            assert_eq!(named(name).map(|version| version.kubeflow), Some(release), "{name}");
        }
        for unknown in ["1.1", "1.7", "2", "", "latest"] {
            assert_eq!(named(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn every_release_is_a_bit_of_its_own() {
        for (index, version) in VERSIONS.iter().enumerate() {
            assert_eq!(version.release, Releases(1 << index));
            assert!(Releases::ALL.has(version.release));
        }
    }

    #[test]
    fn what_an_upgrade_leaves_behind_is_never_what_a_release_ships() {
        let names = |version: &Version| version.retired_crds().map(|crd| crd.name).collect::<Vec<_>>();
        assert_eq!(names(&VERSIONS[0]), Vec::<&str>::new());
        assert!(names(&VERSIONS[1]).contains(&"istiooperators.install.istio.io"));
        assert!(!names(&VERSIONS[1]).contains(&"mxjobs.kubeflow.org"));
        assert!(names(&VERSIONS[2]).contains(&"mxjobs.kubeflow.org"));
        let workloads: Vec<_> = VERSIONS[2].retired_workloads().map(|workload| workload.name).collect();
        assert!(workloads.contains(&"oidc-authservice"), "{workloads:?}");
        assert!(!workloads.contains(&"istio-cni-node"), "{workloads:?}");
    }

    #[test]
    fn objects_say_where_they_live() {
        let gate = Contract::A.auth().gate;
        assert_eq!(gate.to_string(), "EnvoyFilter istio-system/authn-filter");
        assert_eq!(gate.resource().plural, "envoyfilters");
        assert_eq!(gate.resource().group, "networking.istio.io");
    }
}
