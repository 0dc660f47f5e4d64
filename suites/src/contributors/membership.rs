//! Being let in, and out again: the objects, the rights, and what the applications show.

use std::time::Duration;

use harness::check::source;
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Severity, Stop, check};
use http::Method;
use serde_json::json;

use super::{ask, grant, listed, not_served, object_name};
use crate::faults::{
    contributors as faults,
    dashboard::{API_TAKEN, KFAM_POLICY_REMOVED, KFAM_STOPPED},
    profiles::RIGHTS_LOST,
};
use crate::gateway::diagnose::Cause;
use crate::objects::{self, AUTHORIZATION_POLICY, ROLE_BINDING, items, text};
use crate::profiles::{contents, none};
use crate::reach::{self, NOTEBOOKS, sees};
use crate::rights::{Ask, Expected, differences};
use crate::tenants::{self, EVERY};

const TENANCY: &[Profile] = &[Profile::Tenancy];
const SECURITY: &[Profile] = &[Profile::Tenancy, Profile::Security];
const KFAM: &str = "components/access-management/kfam/bindings.go";

/// How long a change of rights may take to show: KFAM's cache and the API servers' lag less than a second behind.
pub(super) const SHOWS_WITHIN: Duration = Duration::from_secs(15);

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "CTB-010",
        "An owner finds a new namespace of theirs in the dashboard",
        Level::Must,
        source("kubeflow/kubeflow", "components/centraldashboard/app/api_workgroup.ts: env-info"),
        |cx| Box::pin(owner_finds(cx)),
    )
    .explain(Explain {
        what: "A Profile of the run's own that the run's user owns is listed by /api/workgroup/env-info with the role \
               owner within 15 s, beside the namespaces that they had before. That everybody may list the contributors \
               of every namespace is reported.",
        why: "What is not in this list cannot be chosen in any application.",
        fix: "Look at KFAM (container of Deployment kubeflow/profiles-deployment) and at its policy.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/api/workgroup/env-info\"",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(90))
    .after(&["PRF-020", "AUT-006"])
    .breaks_on(&[&KFAM_POLICY_REMOVED, &API_TAKEN]),
    check(
        "CTB-011",
        "An owner adds a contributor, who may then edit",
        Level::Must,
        source("kubeflow/kubeflow", KFAM),
        |cx| Box::pin(added(cx)),
    )
    .explain(Explain {
        what: "The run's user adds a contributor to a namespace of theirs through the dashboard. The answer lists them; \
               RoleBinding and AuthorizationPolicy are made exactly as KFAM makes them; the contributor may create \
               notebooks and read secrets there, may not hand out rights, and may nothing in another namespace.",
        why: "This is how people work together on the platform. With a binding alone they meet 403 at every notebook.",
        fix: "Look at KFAM's log; at its account's binding to cluster-admin; at ClusterRole kubeflow-edit.",
        reproduce: "curl -s -b cookies.txt -H 'content-type: application/json' -d '{\"contributor\":\"c@example.com\"}' \
                    \"$GATEWAY/api/workgroup/add-contributor/NAMESPACE\"",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(90))
    .after(&["PRF-020", "AUT-006"])
    .breaks_on(&[&KFAM_STOPPED, &KFAM_POLICY_REMOVED, &RIGHTS_LOST, &faults::EDIT_EMPTIED]),
    check(
        "CTB-012",
        "A removed contributor has neither binding nor policy nor rights left",
        Level::Must,
        source("kubeflow/kubeflow", KFAM),
        |cx| Box::pin(removed(cx)),
    )
    .explain(Explain {
        what: "The run's user adds a contributor and removes them again through the dashboard. Within 15 s the list, the \
               RoleBinding, the AuthorizationPolicy and every right of theirs are gone.",
        why: "Revoked access that is not revoked is the worst kind: nobody looks again.",
        fix: "Delete what is left in the namespace: kubectl -n NAMESPACE delete rolebinding,authorizationpolicy NAME. Look \
              at KFAM's log for why it does not.",
        reproduce: "curl -s -b cookies.txt -X DELETE -H 'content-type: application/json' -d \
                    '{\"contributor\":\"c@example.com\"}' \"$GATEWAY/api/workgroup/remove-contributor/NAMESPACE\"",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(120))
    .after(&["PRF-020", "AUT-006"])
    .breaks_on(&[&KFAM_STOPPED, &faults::MAY_NOT_REVOKE]),
    check(
        "CTB-013",
        "An editor sees the namespace and what is in it",
        Level::Must,
        source("kubeflow/kubeflow", "components/crud-web-apps/common/backend: authz.py"),
        |cx| Box::pin(editor_sees(cx)),
    )
    .explain(Explain {
        what: "The run's user is let into somebody else's namespace as an editor, with the objects that KFAM makes. Before, \
               its notebooks are refused; within 15 s after, they are listed, and the dashboard shows the namespace with \
               the role contributor.",
        why: "A grant that does not arrive looks like a broken platform to the one who was invited.",
        fix: "Look at ClusterRole kubeflow-edit and at what it gathers, and at KFAM.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/jupyter/api/namespaces/NAMESPACE/notebooks\"",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(120))
    .after(&["PRF-020", "AUT-006"])
    .breaks_on(&[&faults::EDIT_EMPTIED, &KFAM_POLICY_REMOVED]),
    check(
        "CTB-014",
        "A viewer sees what is in the namespace and may change none of it",
        Level::Must,
        source("kubeflow/manifests", "common/kubeflow-roles/base/cluster-roles.yaml: kubeflow-view"),
        |cx| Box::pin(viewer_sees(cx)),
    )
    .explain(Explain {
        what: "As CTB-013, as a viewer: the notebooks are listed, the dashboard shows the namespace without the role of a \
               contributor or owner; the right to create, change or delete notebooks, to read secrets and to run commands \
               in pods is denied.",
        why: "Viewers are let in to look: auditors, managers, other teams.",
        fix: "Look for ClusterRoles that are labelled into kubeflow-view, and for other bindings of the user.",
        reproduce: "kubectl auth can-i create notebooks.kubeflow.org -n NAMESPACE --as VIEWER",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(120))
    .after(&["PRF-020", "AUT-006"])
    .breaks_on(&[&faults::VIEW_EMPTIED, &faults::USER_SEES_EVERYTHING]),
    check(
        "CTB-015",
        "Who was let out again sees nothing within 15 seconds",
        Level::Must,
        source("kubeflow/kubeflow", "components/crud-web-apps/common/backend: authz.py"),
        |cx| Box::pin(let_out(cx)),
    )
    .explain(Explain {
        what: "The run's user is let into somebody else's namespace, sees its notebooks, and is let out: within 15 s the \
               notebooks are refused, and the dashboard no longer shows the namespace.",
        why: "Access must end when it is ended, not with the session or a cache.",
        fix: "Look for other bindings of the user, in the namespace and in the cluster.",
        reproduce: "kubectl -n NAMESPACE delete rolebinding NAME; curl -s -b cookies.txt \
                    \"$GATEWAY/jupyter/api/namespaces/NAMESPACE/notebooks\"",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(120))
    .after(&["PRF-020", "AUT-006"])
    .breaks_on(&[&faults::USER_SEES_EVERYTHING]),
];

/// What the dashboard shows the run's user of a namespace: its role, or nothing.
async fn shown(cx: &Ctx, home: &str) -> Checked<Option<String>> {
    let answer = cx.user_session().await?.get("/api/workgroup/env-info").await?;
    let Some(info) = answer.json().filter(|_| answer.status.is_success()) else {
        return Err(not_served(cx, &answer, "the dashboard's list of the user's namespaces").await);
    };
    let entry = items(&info, "/namespaces").iter().find(|entry| entry["namespace"] == home);
    Ok(entry.map(|entry| text(entry, "/role").to_owned()))
}

/// Waits until the dashboard shows the namespace with one of these roles (`None`: not at all).
async fn until_shown(cx: &Ctx, home: &str, wanted: &[Option<&str>]) -> Checked {
    let what = format!("the dashboard shows namespace {home} as {wanted:?}");
    cx.eventually(&what, SHOWS_WITHIN, EVERY, || {
        Box::pin(async move {
            let role = shown(cx, home).await?;
            Ok(if wanted.contains(&role.as_deref()) { Seen::Yes(()) } else { Seen::NotYet(format!("as {role:?}")) })
        })
    })
    .await
}

/// Waits until the run's user is shown the notebooks of a namespace, or no more.
async fn until_seen(cx: &Ctx, home: &str, wanted: bool, role: &str) -> Checked {
    let session = cx.user_session().await?;
    let (session, user) = (&session, cx.user().email.as_str());
    let what = format!("the notebooks of {home} are {} {user}", if wanted { "shown to" } else { "refused to" });
    let goal = what.as_str();
    cx.eventually(goal, SHOWS_WITHIN, EVERY, || {
        Box::pin(async move {
            if sees(cx, session, &NOTEBOOKS, home).await? == wanted {
                return Ok(Seen::Yes(()));
            }
            let cause = if wanted { reach::emptied(cx, role).await? } else { reach::everywhere(cx, user).await? };
            not_yet(cause, goal, if wanted { "they are refused" } else { "they are shown" })
        })
    })
    .await
}

/// A look that has not seen what it waits for; no use in looking again if the cause is there to stay.
fn not_yet<T>(cause: Option<Cause>, wanted: &str, instead: impl Into<String>) -> Checked<Seen<T>> {
    match cause {
        Some(cause) => Err(Stop::failed(wanted, instead).because(cause.what).fix(cause.fix)),
        None => Ok(Seen::NotYet(instead.into())),
    }
}

async fn owner_finds(cx: &Ctx) -> Checked {
    let home = tenants::of_user(cx).await?;
    until_shown(cx, &home, &[Some("owner")]).await?;
    let other = tenants::of_other(cx).await?;
    let path = format!("/api/workgroup/get-contributors/{}", other.name);
    let answer = cx.user_session().await?.get(&path).await?;
    if answer.status.is_success() && answer.json().is_some_and(|json| json.is_array()) {
        cx.finding(
            Severity::Low,
            "Every user can list the contributors of every namespace",
            "/api/workgroup/get-contributors/NAMESPACE and get-all-namespaces do not ask whose the namespace is. The \
             release ships it so.",
        );
    }
    Ok(())
}

const NOTEBOOK: Ask<'static> =
    Ask { verb: "create", group: "kubeflow.org", resource: "notebooks", subresource: "", namespace: "" };
const SECRET: Ask<'static> = Ask { verb: "get", group: "", resource: "secrets", subresource: "", namespace: "" };
const BINDING: Ask<'static> = Ask {
    verb: "create",
    group: "rbac.authorization.k8s.io",
    resource: "rolebindings",
    subresource: "",
    namespace: "",
};

async fn added(cx: &Ctx) -> Checked {
    let home = tenants::of_user(cx).await?;
    let user = format!("{}@example.com", tenants::name(cx, "added"));
    let session = cx.user_session().await?;
    let answer = ask(&session, Method::POST, &home, &json!(user)).await?;
    let list = listed(cx, &answer, &format!("the contributors of {home}, {user} among them")).await?;
    if !list.contains(&user) {
        return Err(Stop::failed(format!("a list that holds {user}"), format!("{list:?}")).at(answer.at()));
    }
    let name = object_name(&user, "edit");
    let binding = objects::get(cx, ROLE_BINDING, &home, &name).await?;
    let policy = objects::get(cx, AUTHORIZATION_POLICY, &home, &name).await?;
    let subject = json!({"kind": "User", "name": user});
    let mut found = contents::binding(&home, &name, "kubeflow-edit", &subject, binding.as_ref());
    found.extend(contents::policy(&home, &name, &[contents::through_gateway(&user)], policy.as_ref()));
    none("the binding and the policy of a contributor", found, "look at KFAM's log")?;
    let other = tenants::of_other(cx).await?;
    let expected = |ask: Ask<'static>, allowed| (ask, home.clone(), allowed);
    let here = [expected(NOTEBOOK, true), expected(SECRET, true), expected(BINDING, false)];
    let elsewhere = [(NOTEBOOK, other.name.clone(), false), (SECRET, other.name.clone(), false)];
    rights_are(cx, &user, here.into_iter().chain(elsewhere), "kubeflow-edit").await
}

/// Demands rights, each within the bound: an API server learns of a binding a moment later.
async fn rights_are(
    cx: &Ctx,
    user: &str,
    wanted: impl Iterator<Item = (Ask<'static>, String, bool)>,
    role: &str,
) -> Checked {
    let wanted: Vec<_> = wanted.collect();
    let wanted = &wanted;
    let what = format!("{user} has the rights of ClusterRole {role} in the namespaces that they are members of");
    let goal = what.as_str();
    cx.eventually(goal, SHOWS_WITHIN, EVERY, || {
        Box::pin(async move {
            let questions: Vec<Expected<'_>> = wanted
                .iter()
                .map(|(ask, namespace, allowed)| Expected { user, ask: Ask { namespace, ..*ask }, allowed: *allowed })
                .collect();
            let differences = differences(cx, &questions).await?;
            if differences.is_empty() {
                return Ok(Seen::Yes(()));
            }
            let cause = match reach::everywhere(cx, user).await? {
                None => reach::emptied(cx, role).await?,
                cause => cause,
            };
            not_yet(cause, goal, differences.join("; "))
        })
    })
    .await
}

async fn removed(cx: &Ctx) -> Checked {
    let home = tenants::of_user(cx).await?;
    let user = format!("{}@example.com", tenants::name(cx, "removed"));
    let session = cx.user_session().await?;
    let answer = ask(&session, Method::POST, &home, &json!(user)).await?;
    listed(cx, &answer, &format!("the contributors of {home}, {user} among them")).await?;
    rights_are(cx, &user, [(NOTEBOOK, home.clone(), true)].into_iter(), "kubeflow-edit").await?;
    // KFAM's cache may not know yet what KFAM has just made.
    let (session, name) = (&session, object_name(&user, "edit"));
    let what = format!("{user} is removed from the contributors of {home}");
    let (home, user) = (home.as_str(), user.as_str());
    let list = cx
        .eventually(&what, SHOWS_WITHIN, EVERY, || {
            Box::pin(async move {
                let answer = ask(session, Method::DELETE, home, &json!(user)).await?;
                if answer.status.as_u16() == 403 && answer.body.contains("not found") {
                    return Ok(Seen::NotYet(answer.summary()));
                }
                listed(cx, &answer, &format!("the contributors of {home} without {user}")).await.map(Seen::Yes)
            })
        })
        .await?;
    if list.iter().any(|one| one == user) {
        return Err(Stop::failed(format!("a list without {user}"), format!("{list:?}")));
    }
    let mut left = Vec::new();
    for kind in [ROLE_BINDING, AUTHORIZATION_POLICY] {
        if objects::get(cx, kind, home, &name).await?.is_some() {
            left.push(format!("there still is a {} {home}/{name}", kind.kind));
        }
    }
    none("nothing of a removed contributor", left, "delete both objects by hand and look at KFAM's log")?;
    let asks = [NOTEBOOK, SECRET].map(|ask| (ask, home.to_owned(), false));
    rights_are(cx, user, asks.into_iter(), "kubeflow-edit").await
}

async fn editor_sees(cx: &Ctx) -> Checked {
    let home = tenants::tenant(cx, "edited", &tenants::somebody(cx, "edited")).await?;
    until_seen(cx, &home, false, "kubeflow-edit").await?;
    grant(cx, &home, &cx.user().email, "edit").await?;
    until_seen(cx, &home, true, "kubeflow-edit").await?;
    until_shown(cx, &home, &[Some("contributor")]).await
}

async fn viewer_sees(cx: &Ctx) -> Checked {
    let home = tenants::tenant(cx, "viewed", &tenants::somebody(cx, "viewed")).await?;
    let user = cx.user().email.clone();
    grant(cx, &home, &user, "view").await?;
    until_seen(cx, &home, true, "kubeflow-view").await?;
    // Dashboards up to v1.8 have no word for a viewer.
    until_shown(cx, &home, &[Some("viewer"), Some("")]).await?;
    let exec = Ask { verb: "create", group: "", resource: "pods", subresource: "exec", namespace: "" };
    let asks = [NOTEBOOK, Ask { verb: "delete", ..NOTEBOOK }, Ask { verb: "patch", ..NOTEBOOK }, SECRET, exec, BINDING];
    rights_are(cx, &user, asks.map(|ask| (ask, home.clone(), false)).into_iter(), "kubeflow-view").await
}

async fn let_out(cx: &Ctx) -> Checked {
    let home = tenants::tenant(cx, "left", &tenants::somebody(cx, "left")).await?;
    let name = grant(cx, &home, &cx.user().email, "edit").await?;
    until_seen(cx, &home, true, "kubeflow-edit").await?;
    for kind in [ROLE_BINDING, AUTHORIZATION_POLICY] {
        objects::delete(cx, kind, &home, &name).await?;
    }
    until_seen(cx, &home, false, "kubeflow-edit").await?;
    until_shown(cx, &home, &[None]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kfams() {
        assert_eq!(object_name("C.d@example.com", "edit"), "user-c-d-example-com-clusterrole-edit");
        assert_eq!(object_name("a--b", "view"), "user-a-b-clusterrole-view");
    }
}
