//! Objects of a run's own: everything that a check creates carries the run's id, the check's id and an expiry, and is
//! removed again in reverse order however the check ended. Nothing else is ever created or removed, but for Profiles that an
//! application made for a check of a run which was killed before it could label them: their names tell.

mod create;
mod janitor;
mod kinds;
mod names;
mod namespaces;
mod sweep;
mod undo;

use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};

pub use create::expiry;
pub(crate) use create::{adopt, create};
pub(crate) use janitor::{Over, Removed, clear};
pub use kinds::{KINDS, Kind};
pub use names::{ending, name, run_in};
pub(crate) use namespaces::gone;
pub(crate) use sweep::sweep;
pub(crate) use undo::{Undo, undo};

/// The label that carries the run's id.
pub const RUN_LABEL: &str = "kubeflow-conformance/run";
/// The label that carries the check's id.
pub const CHECK_LABEL: &str = "kubeflow-conformance/check";
/// The annotation that says when the janitor of any later run may remove the object: RFC 3339, or [`NEVER`].
pub const EXPIRES_ANNOTATION: &str = "kubeflow-conformance/expires";
/// The expiry of what a person wants to keep.
pub const NEVER: &str = "never";

impl Kind {
    /// The API of the kind, in a namespace if it lives in one.
    fn api(&self, client: kube::Client, namespace: Option<&str>) -> Api<DynamicObject> {
        let resource = self.resource();
        match namespace {
            Some(namespace) if self.namespaced => Api::namespaced_with(client, namespace, &resource),
            _ => Api::all_with(client, &resource),
        }
    }

    fn resource(&self) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(self.group, self.version, self.kind), self.plural)
    }

    /// The kind in a command line: `notebooks.kubeflow.org`.
    fn in_command(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }
}

/// An object of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    pub kind: &'static Kind,
    pub namespace: Option<String>,
    pub name: String,
    /// Absent until the API server has confirmed that it was created.
    pub uid: Option<String>,
}

impl Owned {
    fn of(kind: &'static Kind, object: &DynamicObject) -> Self {
        Self {
            kind,
            namespace: object.metadata.namespace.clone(),
            name: object.metadata.name.clone().unwrap_or_default(),
            uid: object.metadata.uid.clone(),
        }
    }

    fn api(&self, client: kube::Client) -> Api<DynamicObject> {
        self.kind.api(client, self.namespace.as_deref())
    }
}

impl std::fmt::Display for Owned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind.kind, self.name),
            None => write!(f, "{} {}", self.kind.kind, self.name),
        }
    }
}
