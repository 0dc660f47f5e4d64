//! The contributors that there are: each has a binding and a policy that belong together. Nothing is created.

use std::collections::BTreeMap;

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, check};
use kube::api::DynamicObject;
use serde_json::json;

use crate::faults::contributors as faults;
use crate::objects::{self, AUTHORIZATION_POLICY, PROFILE, ROLE_BINDING, annotation, name, namespace};
use crate::profiles::{contents, none};
use crate::tenants;

/// The checks.
pub static CHECKS: &[Check] = &[check(
    "CTB-001",
    "Every contributor has a binding and a policy that name the same user",
    Level::Must,
    source("kubeflow/kubeflow", "components/access-management/kfam/bindings.go"),
    |cx| Box::pin(pairs(cx)),
)
.explain(Explain {
    what: "In every Profile's namespace, each RoleBinding that KFAM counts (annotations user and role) binds exactly that \
           user to the role's ClusterRole, and the AuthorizationPolicy of its name lets in exactly that user; and each \
           such policy has its binding.",
    why: "KFAM makes the two one after the other and removes them only together. With one alone a contributor has rights \
          but meets 403 at every notebook, or has been removed and still gets in. A binding with two subjects makes \
          KFAM's list fail for everybody.",
    fix: "Delete what is left alone, then add the contributor again through the dashboard.",
    reproduce: "kubectl -n NAMESPACE get rolebindings,authorizationpolicies -o \
                custom-columns=KIND:.kind,NAME:.metadata.name,USER:.metadata.annotations.user,ROLE:.metadata.annotations.role",
})
.profiles(&[Profile::Tenancy, Profile::Security])
.breaks_on(&[&faults::POLICY_MISSING, &faults::BINDING_MISSING])];

async fn pairs(cx: &Ctx) -> Checked {
    let mut profiles = objects::all(cx, PROFILE).await?;
    // What is leaving goes piece by piece.
    profiles.retain(tenants::stays);
    let homes: Vec<&str> = profiles.iter().map(name).collect();
    let counted = |objects: Vec<DynamicObject>| -> BTreeMap<(String, String), DynamicObject> {
        objects
            .into_iter()
            .filter(|object| homes.contains(&namespace(object)))
            .filter(|object| !annotation(object, "user").is_empty() && !annotation(object, "role").is_empty())
            .filter(|object| !matches!(name(object), contents::ADMIN | contents::POLICY))
            .map(|object| ((namespace(&object).to_owned(), name(&object).to_owned()), object))
            .collect()
    };
    let bindings = counted(objects::all(cx, ROLE_BINDING).await?);
    let policies = counted(objects::all(cx, AUTHORIZATION_POLICY).await?);
    let mut differences = Vec::new();
    for ((home, name), binding) in &bindings {
        let (user, role) = (annotation(binding, "user"), annotation(binding, "role"));
        let kind = objects::items(&binding.data, "/subjects").first().map_or("User", |one| objects::text(one, "/kind"));
        let subject = json!({"kind": kind, "name": user});
        differences.extend(contents::binding(home, name, &format!("kubeflow-{role}"), &subject, Some(binding)));
        let policy = policies.get(&(home.clone(), name.clone()));
        differences.extend(contents::policy(home, name, &[contents::through_gateway(user)], policy));
    }
    for (home, name) in policies.keys().filter(|place| !bindings.contains_key(*place)) {
        differences
            .push(format!("AuthorizationPolicy {home}/{name} lets a user in who has no RoleBinding of that name"));
    }
    none(
        "a binding and a policy for each contributor",
        differences,
        "delete what is left alone, then add the contributor again through the dashboard",
    )
}
