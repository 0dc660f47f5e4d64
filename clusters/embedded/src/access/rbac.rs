//! Role-based access control: what the Roles and bindings in the store allow.
//!
//! Semantics as `plugin/pkg/auth/authorizer/rbac` of Kubernetes 1.34: rules only ever allow; cluster-wide bindings are
//! looked at first, then those of the request's namespace. Aggregated ClusterRoles carry their rules in the object
//! (a controller keeps them), so nothing here knows of aggregation.

use std::sync::Arc;

use serde_json::Value;

use super::{Attributes, UserInfo};
use crate::object::{list, name, namespace, text};
use crate::platform::World;
use crate::store::{Key, Store};

/// API group of Roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";

/// Whether RBAC's objects allow it.
#[must_use]
pub fn authorize(world: &World, user: &UserInfo, attributes: &Attributes) -> bool {
    decide(&world.store, user, attributes).is_some()
}

/// What allows it, in kube-apiserver's wording; `None` if nothing does. Members of `system:masters` need no reason.
#[must_use]
pub fn decide(store: &Store, user: &UserInfo, attributes: &Attributes) -> Option<String> {
    if user.groups.iter().any(|group| group == "system:masters") {
        return Some(String::new());
    }
    grants(store, user, &attributes.namespace)
        .into_iter()
        .find(|grant| grant.rules().iter().any(|rule| allows(rule, attributes)))
        .map(|grant| grant.reason())
}

/// One binding that names a user, with the role that it grants.
pub(super) struct Grant {
    binding: Arc<Value>,
    role: Arc<Value>,
    subject: usize,
}

impl Grant {
    /// The rules of the role.
    pub(super) fn rules(&self) -> &[Value] {
        list(&self.role, "/rules")
    }

    fn reason(&self) -> String {
        let binding = if namespace(&self.binding).is_empty() {
            format!("ClusterRoleBinding \"{}\"", name(&self.binding))
        } else {
            format!("RoleBinding \"{}/{}\"", name(&self.binding), namespace(&self.binding))
        };
        let subject = list(&self.binding, "/subjects").get(self.subject).cloned().unwrap_or_default();
        let who = match text(&subject, "/kind") {
            "ServiceAccount" => {
                format!("ServiceAccount \"{}/{}\"", text(&subject, "/name"), text(&subject, "/namespace"))
            }
            kind => format!("{kind} \"{}\"", text(&subject, "/name")),
        };
        let role = format!("{} \"{}\"", text(&self.binding, "/roleRef/kind"), text(&self.binding, "/roleRef/name"));
        format!("RBAC: allowed by {binding} of {role} to {who}")
    }
}

/// What a user is granted in a namespace (and cluster-wide), in the order in which it is looked at. Empty `namespace`:
/// cluster-wide only.
pub(super) fn grants(store: &Store, user: &UserInfo, in_namespace: &str) -> Vec<Grant> {
    let mut bindings = store.list(GROUP, "clusterrolebindings", None);
    if !in_namespace.is_empty() {
        bindings.extend(store.list(GROUP, "rolebindings", Some(in_namespace)));
    }
    bindings.into_iter().filter_map(|binding| granted(store, user, binding)).collect()
}

fn granted(store: &Store, user: &UserInfo, binding: Arc<Value>) -> Option<Grant> {
    let subject = list(&binding, "/subjects").iter().position(|subject| is(user, subject, namespace(&binding)))?;
    let referred = text(&binding, "/roleRef/name");
    let key = match text(&binding, "/roleRef/kind") {
        "ClusterRole" => Key::new(GROUP, "clusterroles", "", referred),
        _ => Key::new(GROUP, "roles", namespace(&binding), referred),
    };
    let role = store.get(&key)?;
    Some(Grant { binding, role, subject })
}

fn is(user: &UserInfo, subject: &Value, binding_namespace: &str) -> bool {
    let wanted = text(subject, "/name");
    match text(subject, "/kind") {
        "User" => user.name == wanted,
        "Group" => user.groups.iter().any(|group| group == wanted),
        "ServiceAccount" => {
            let home = match text(subject, "/namespace") {
                "" => binding_namespace,
                named => named,
            };
            !home.is_empty()
                && user.name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'))
                    == Some((home, wanted))
        }
        _ => false,
    }
}

/// Whether one rule allows a request.
pub(super) fn allows(rule: &Value, wanted: &Attributes) -> bool {
    if !has(rule, "/verbs", &wanted.verb) {
        return false;
    }
    if !wanted.path.is_empty() {
        return texts(rule, "/nonResourceURLs").any(|pattern| covers_path(pattern, &wanted.path));
    }
    has(rule, "/apiGroups", &wanted.group)
        && texts(rule, "/resources").any(|pattern| covers_resource(pattern, &wanted.resource, &wanted.subresource))
        && (list(rule, "/resourceNames").is_empty()
            || texts(rule, "/resourceNames").any(|allowed| !wanted.name.is_empty() && allowed == wanted.name))
}

fn covers_resource(pattern: &str, resource: &str, subresource: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    match pattern.split_once('/') {
        None => subresource.is_empty() && pattern == resource,
        Some((parent, sub)) => sub == subresource && (parent == "*" || parent == resource),
    }
}

fn covers_path(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => pattern == path,
    }
}

fn has(rule: &Value, pointer: &str, wanted: &str) -> bool {
    texts(rule, pointer).any(|allowed| allowed == "*" || allowed == wanted)
}

fn texts<'a>(rule: &'a Value, pointer: &str) -> impl Iterator<Item = &'a str> {
    list(rule, pointer).iter().filter_map(Value::as_str)
}
