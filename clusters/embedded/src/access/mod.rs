//! Who asks (authentication) and what they may do (RBAC, reviews).
//!
//! The API calls [`authenticate`] once a request and [`authorize`] before it touches an object; everything else here
//! serves these two: [`credentials`] makes the cluster's keys, [`tokens`] the tokens of service accounts, [`reviews`]
//! answers questions about both.

pub mod authentication;
pub mod credentials;
pub(crate) mod katib;
pub mod pod_admission;
mod pod_defaults;
mod pod_security;
pub mod rbac;
mod resource_quota;
pub mod reviews;
pub mod sidecar_injection;
pub mod tokens;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::Status;

pub use authentication::authenticate;
pub use rbac::authorize;

/// Who sent a request, as `authentication.k8s.io/v1` UserInfo.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserInfo {
    /// User name, for example `system:serviceaccount:kubeflow:ml-pipeline`.
    #[serde(rename = "username")]
    pub name: String,
    /// Unique id; empty if the authenticator knows none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// For example `system:authenticated`.
    pub groups: Vec<String>,
    /// What else the authenticator knows, for example the pod that a token is bound to.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// A service account, with the groups that Kubernetes puts it in.
    #[must_use]
    pub fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            uid: uid.to_owned(),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ],
            extra: BTreeMap::new(),
        }
    }

    /// Whoever sends no credentials.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            name: "system:anonymous".to_owned(),
            groups: vec!["system:unauthenticated".to_owned()],
            ..Self::default()
        }
    }
}

/// What a request wants to do. For a resource `path` is empty; for a bare URL (`/healthz`) everything but `verb` and
/// `path` is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, a special verb such as
    /// `impersonate`; for a bare URL the lower-case HTTP method.
    pub verb: String,
    /// API group, empty for core.
    pub group: String,
    /// API version; RBAC does not look at it.
    pub version: String,
    /// Plural resource.
    pub resource: String,
    /// Subresource such as `log`, or empty.
    pub subresource: String,
    /// Namespace, empty for cluster-scoped objects and for lists over all namespaces.
    pub namespace: String,
    /// Object name, empty for lists and creations.
    pub name: String,
    /// URL path of a request that is for no resource.
    pub path: String,
}

impl Attributes {
    /// A verb on a resource.
    #[must_use]
    pub fn resource(verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> Self {
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// A method on a URL that is no resource.
    #[must_use]
    pub fn path(verb: &str, path: &str) -> Self {
        Self { verb: verb.to_owned(), path: path.to_owned(), ..Self::default() }
    }
}

/// The 403 for something that nothing allows, as kube-apiserver words it
/// (`apiserver/pkg/endpoints/handlers/responsewriters/errors.go`).
#[must_use]
pub fn forbidden(user: &UserInfo, attributes: &Attributes) -> Status {
    let Attributes { verb, group, resource, subresource, namespace, name, path, .. } = attributes;
    let user = &user.name;
    if !path.is_empty() {
        return Status::forbidden("", "", "", &format!("User \"{user}\" cannot {verb} path \"{path}\""));
    }
    let whole = if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
    let scope = match namespace.as_str() {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace \"{namespace}\""),
    };
    let why = format!("User \"{user}\" cannot {verb} resource \"{whole}\" in API group \"{group}\" {scope}");
    Status::forbidden(group, resource, name, &why)
}
