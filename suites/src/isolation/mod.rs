//! Tenants reach what is theirs and nothing else: by the Kubernetes API and by the web applications.

pub mod applications;
pub mod changes;
pub mod people;
pub mod policies;
pub mod roles;
pub mod strangers;

use harness::{Checked, Ctx, Suite};

use crate::gateway::diagnose::Cause;
use crate::images;
use crate::objects::{self, CLUSTER_ROLE, CLUSTER_ROLE_BINDING, items, label, name, text};
use crate::rights::Ask;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "isolation",
    prefix: "ISO",
    title: "Tenants reach what is theirs and nothing else",
    images: &[images::PROFILES],
    topics: &[
        roles::CHECKS,
        strangers::CHECKS,
        policies::CHECKS,
        applications::CHECKS,
        changes::CHECKS,
        people::CHECKS,
    ],
};

/// The label by which a ClusterRole adds to one of the roles of a Profile.
pub(crate) const AGGREGATES: &str = "rbac.authorization.kubeflow.org/aggregate-to-";

/// Which ClusterRole gives a role, by aggregation, a right that it should not have.
pub(crate) async fn widened_by(cx: &Ctx, role: &str, ask: &Ask<'_>) -> Checked<Option<Cause>> {
    let Ask { verb, group, resource, .. } = *ask;
    let roles = objects::all(cx, CLUSTER_ROLE).await?;
    let grants = |part: &&kube::api::DynamicObject| {
        items(&part.data, "/rules").iter().any(|rule| {
            let has = |list: &str, wanted: &str| items(rule, list).iter().any(|one| one == wanted || one == "*");
            has("/apiGroups", group) && has("/resources", resource) && has("/verbs", verb)
        })
    };
    // Every role adds to those above it, so the labels of all three count.
    let adds = |part: &&kube::api::DynamicObject| {
        let labels = part.metadata.labels.iter().flatten();
        let is_whole = part.data.get("aggregationRule").is_some_and(|rule| !rule.is_null());
        !is_whole && labels.into_iter().any(|(key, _)| key.starts_with(AGGREGATES)) && grants(part)
    };
    let own = format!("{AGGREGATES}{role}");
    let mut parts: Vec<_> = roles.iter().filter(adds).collect();
    parts.sort_by_key(|part| label(part, &own).is_empty());
    Ok(parts.first().map(|part| {
        let name = name(part);
        Cause::new(
            format!("ClusterRole {name}, which adds {verb} {resource} by its label"),
            format!("take the label {own} off ClusterRole {name}, or delete it"),
        )
    }))
}

/// Which ClusterRoleBinding gives rights in every namespace to a user, or to all service accounts.
pub(crate) async fn bound_everywhere(cx: &Ctx, subject: &str) -> Checked<Option<Cause>> {
    let is_account = subject.starts_with("system:serviceaccount:");
    let bindings = objects::all(cx, CLUSTER_ROLE_BINDING).await?;
    let found = bindings.iter().find(|binding| {
        // Kubernetes' own bindings of everybody's groups give no more than discovery.
        !name(binding).starts_with("system:")
            && items(&binding.data, "/subjects").iter().any(|one| {
                let named = text(one, "/name");
                let group = matches!(named, "system:serviceaccounts" | "system:authenticated");
                named == subject || is_account && group || one["kind"] == "User" && named == cx.user().email
            })
    });
    Ok(found.map(|binding| {
        let (name, role) = (name(binding), text(&binding.data, "/roleRef/name"));
        Cause::new(
            format!("ClusterRoleBinding {name}, which binds to {role} in every namespace"),
            format!("kubectl delete clusterrolebinding {name}"),
        )
    }))
}
