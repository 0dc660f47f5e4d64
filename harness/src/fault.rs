//! A named way to break a platform, which one or more checks must notice.
//!
//! A fault is data: changes to Kubernetes objects, so that the same fault can be applied to the embedded platform and to
//! a disposable cluster. Behaviour that no object of a real platform controls is a switch of the embedded platform: a
//! key of its ConfigMap `embedded-reference-platform/switches`.

mod apply;

pub use apply::{Applied, FaultError};

use clusters::versions::{Contract, Releases};

/// A named way to break a platform.
#[derive(Debug)]
pub struct Fault {
    /// Its name, in kebab case, for example `katib-route-removed`.
    pub name: &'static str,
    /// What it breaks, in one sentence.
    pub what: &'static str,
    /// The contracts that have what it breaks; empty means all.
    pub contracts: &'static [Contract],
    /// The releases that have what it breaks.
    pub releases: Releases,
    /// What to change, in order.
    pub changes: &'static [Change],
    /// What the failure of a check that notices it must mention; if empty, the name of one of the changed objects.
    pub shows: &'static str,
}

/// One change to the platform's objects.
#[derive(Debug)]
pub enum Change {
    /// Deletes an object.
    Delete(Ref),
    /// Merges JSON into an object (RFC 7396).
    Merge(Ref, &'static str),
    /// Applies a JSON patch to an object (RFC 6902).
    Patch(Ref, &'static str),
    /// Replaces a text by another in a string of an object: in `data` of a ConfigMap or (decoded) of a Secret.
    Replace {
        /// The object.
        object: Ref,
        /// The key in `data`.
        key: &'static str,
        /// What to find. A fault that finds nothing is an error, not a pass.
        find: &'static str,
        /// What to put in its place.
        put: &'static str,
    },
    /// Creates an object from YAML.
    Create(&'static str),
    /// Turns on a switch of the embedded platform, or gives it a value: `name`, `name=value`.
    Switch(&'static str),
}

/// Names an object, or by prefix an object whose name ends in a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ref {
    /// For example `networking.istio.io/v1beta1`, or `v1`.
    pub api_version: &'static str,
    /// For example `VirtualService`.
    pub kind: &'static str,
    /// Namespace, empty if cluster-scoped.
    pub namespace: &'static str,
    /// Name; a final `*` stands for any rest, and the first match is taken.
    pub name: &'static str,
}

impl std::fmt::Display for Ref {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.namespace {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

/// A fault that applies to all contracts.
pub const fn fault(name: &'static str, what: &'static str, changes: &'static [Change]) -> Fault {
    Fault { name, what, contracts: &[], releases: Releases::ALL, changes, shows: "" }
}

/// Names an object.
pub const fn object(api_version: &'static str, kind: &'static str, namespace: &'static str, name: &'static str) -> Ref {
    Ref { api_version, kind, namespace, name }
}

impl Fault {
    /// Sets what the failure of a check that notices it must mention: the cause may be another object than the changed
    /// one, for example the Service whose Deployment is stopped.
    pub const fn shows(mut self, text: &'static str) -> Self {
        self.shows = text;
        self
    }

    /// Whether it can be applied to a real cluster: it has no switch of the embedded platform.
    #[must_use]
    pub fn is_portable(&self) -> bool {
        !self.changes.iter().any(|change| matches!(change, Change::Switch(_)))
    }

    /// Whether [`Applied::undo`] brings everything back: what hangs on a namespace, a definition or a volume claim goes
    /// with it and does not come back.
    #[must_use]
    pub fn is_reversible(&self) -> bool {
        const TAKE_OTHERS_ALONG: [&str; 3] = ["Namespace", "CustomResourceDefinition", "PersistentVolumeClaim"];
        !self.changes.iter().any(|change| match change {
            Change::Delete(object) => TAKE_OTHERS_ALONG.contains(&object.kind),
            _ => false,
        })
    }

    /// Limits the fault to releases.
    pub const fn of(mut self, releases: Releases) -> Self {
        self.releases = releases;
        self
    }

    /// Limits the fault to contracts.
    pub const fn only(mut self, contracts: &'static [Contract]) -> Self {
        self.contracts = contracts;
        self
    }
}
