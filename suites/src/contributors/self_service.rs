//! What nobody may do for themselves: come in, bring others, throw others out, or get more than they were given.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Stop, check};
use http::Method;
use kube::api::DynamicObject;
use serde_json::json;

use super::{administrator, ask, grant, not_served, object_name, refused};
use crate::faults::{contributors as faults, dashboard::KFAM_POLICY_REMOVED};
use crate::objects::{self, AUTHORIZATION_POLICY, ROLE_BINDING};
use crate::tenants;

const SECURITY: &[Profile] = &[Profile::Tenancy, Profile::Security];
const KFAM: &str = "components/access-management/kfam/api_default.go: isOwnerOrAdmin";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "CTB-030",
        "A stranger cannot make themselves a contributor",
        Level::Must,
        source("kubeflow/kubeflow", KFAM),
        |cx| Box::pin(stranger(cx)),
    )
    .explain(Explain {
        what: "The run's user asks the dashboard to add them, and another user, to somebody else's namespace. Both are \
               refused by KFAM with 403, and no binding and no policy is made.",
        why: "Otherwise everyone who can log in can read everyone's notebooks, data and secrets.",
        fix: "Look at ADMIN of ConfigMap profiles-config: an empty value is right. Run the release's KFAM.",
        reproduce: "curl -s -i -b cookies.txt -H 'content-type: application/json' -d \
                    '{\"contributor\":\"user@example.com\"}' \
                    \"$GATEWAY/api/workgroup/add-contributor/SOMEBODY-ELSES\"",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(90))
    .after(&["PRF-020", "AUT-006"])
    .breaks_on(&[&faults::USER_IS_ADMINISTRATOR, &KFAM_POLICY_REMOVED]),
    check(
        "CTB-031",
        "A contributor cannot bring others in",
        Level::Must,
        source("kubeflow/kubeflow", KFAM),
        |cx| Box::pin(contributor(cx, "edit")),
    )
    .explain(Explain {
        what: "The run's user, an editor of somebody else's namespace, asks the dashboard to add another user, and to \
               remove an existing contributor. Both are refused with 403, and nothing changes.",
        why: "Who is in a namespace is its owner's decision alone.",
        fix: "As CTB-030.",
        reproduce: "As CTB-030, as a contributor.",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(120))
    .after(&["PRF-020", "AUT-006"])
    .breaks_on(&[&faults::USER_IS_ADMINISTRATOR]),
    check(
        "CTB-032",
        "A viewer cannot make themselves an editor",
        Level::Must,
        source("kubeflow/kubeflow", KFAM),
        |cx| Box::pin(contributor(cx, "view")),
    )
    .explain(Explain {
        what: "The run's user, a viewer of somebody else's namespace, asks the dashboard to add them (the dashboard always \
               adds editors) and to remove an editor. Both are refused with 403, and nothing changes.",
        why: "A right to look must not become a right to change by one request.",
        fix: "As CTB-030.",
        reproduce: "As CTB-030, as a viewer.",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(120))
    .after(&["PRF-020", "AUT-006"])
    .breaks_on(&[&faults::USER_IS_ADMINISTRATOR]),
    check(
        "CTB-033",
        "A stranger cannot remove a contributor or the owner",
        Level::Must,
        source("kubeflow/kubeflow", KFAM),
        |cx| Box::pin(stranger_removes(cx)),
    )
    .explain(Explain {
        what: "The run's user asks the dashboard to remove a contributor of somebody else's namespace, and its owner. Both \
               are refused with 403, and both keep their bindings and policies.",
        why: "Otherwise anyone can lock anyone out.",
        fix: "As CTB-030.",
        reproduce: "curl -s -i -b cookies.txt -X DELETE -H 'content-type: application/json' -d \
                    '{\"contributor\":\"c@example.com\"}' \
                    \"$GATEWAY/api/workgroup/remove-contributor/SOMEBODY-ELSES\"",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(120))
    .after(&["PRF-020", "AUT-006"])
    .breaks_on(&[&faults::USER_IS_ADMINISTRATOR]),
];

/// What KFAM goes by: bindings and policies of a namespace whose annotation names a user.
async fn members(cx: &Ctx, home: &str) -> Checked<Vec<String>> {
    let mut found = Vec::new();
    for kind in [ROLE_BINDING, AUTHORIZATION_POLICY] {
        let named = |object: &DynamicObject| format!("{} {}", kind.kind, objects::place(object));
        let mut all = objects::within(cx, kind, home).await?;
        // What others put into a namespace meanwhile (metacontroller, a site's own operators) makes nobody a member.
        all.retain(|object| !objects::annotation(object, "user").is_empty());
        found.extend(all.iter().map(named));
    }
    Ok(found)
}

/// Sends a request that must be refused with 403 by KFAM, and looks whether it changed anything all the same.
async fn must_be_refused(cx: &Ctx, method: Method, home: &str, who: &str) -> Checked {
    let before = members(cx, home).await?;
    let session = cx.user_session().await?;
    let answer = ask(&session, method.clone(), home, &json!(who)).await?;
    let after = members(cx, home).await?;
    let verb = if method == Method::POST { "adding" } else { "removing" };
    let wanted = format!("{verb} {who} is refused with 403, and nothing changes in {home}");
    let changed: Vec<&String> = after
        .iter()
        .filter(|one| !before.contains(one))
        .chain(before.iter().filter(|one| !after.contains(one)))
        .collect();
    if !changed.is_empty() || answer.status.is_success() {
        let stop = Stop::failed(wanted, format!("{}; changed: {changed:?}", answer.summary())).at(answer.at());
        return Err(administrator(cx, stop).await?);
    }
    let error = refused(cx, &answer, &wanted, 403).await?;
    // Envoy's own refusal says that the dashboard was not let in, not that the user was refused.
    if error.contains("RBAC: access denied") {
        return Err(not_served(cx, &answer, &wanted).await);
    }
    Ok(())
}

async fn stranger(cx: &Ctx) -> Checked {
    let other = tenants::of_other(cx).await?;
    let friend = format!("{}@example.com", tenants::name(cx, "friend"));
    must_be_refused(cx, Method::POST, &other.name, &cx.user().email).await?;
    must_be_refused(cx, Method::POST, &other.name, &friend).await
}

async fn contributor(cx: &Ctx, role: &str) -> Checked {
    let what = format!("self-{role}");
    let home = tenants::tenant(cx, &what, &tenants::somebody(cx, &what)).await?;
    let (user, colleague) = (cx.user().email.clone(), format!("{}@example.com", tenants::name(cx, "colleague")));
    grant(cx, &home, &user, role).await?;
    grant(cx, &home, &colleague, "edit").await?;
    let wanted = if role == "view" { user } else { format!("{}@example.com", tenants::name(cx, "friend")) };
    must_be_refused(cx, Method::POST, &home, &wanted).await?;
    must_be_refused(cx, Method::DELETE, &home, &colleague).await
}

async fn stranger_removes(cx: &Ctx) -> Checked {
    let owner = tenants::somebody(cx, "kept");
    let home = tenants::tenant(cx, "kept", &owner).await?;
    let colleague = format!("{}@example.com", tenants::name(cx, "colleague"));
    grant(cx, &home, &colleague, "edit").await?;
    must_be_refused(cx, Method::DELETE, &home, &colleague).await?;
    must_be_refused(cx, Method::DELETE, &home, &owner).await?;
    let name = object_name(&colleague, "edit");
    match objects::get(cx, ROLE_BINDING, &home, &name).await? {
        Some(_) => Ok(()),
        None => Err(Stop::failed(format!("RoleBinding {home}/{name} stays"), "it is gone")),
    }
}
