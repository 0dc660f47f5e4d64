//! Who the dashboard thinks its user is, and which namespaces it shows them.

use std::time::Duration;

use harness::check::source;
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Severity, Stop, check};
use serde_json::Value;

use super::api;
use crate::faults::{dashboard as faults, gateway};
use crate::gateway::diagnose::{Cause, blame, pods_behind};
use crate::objects::{self, AUTHORIZATION_POLICY, VIRTUAL_SERVICE};
use crate::tenants;

/// How long a new namespace may take to show.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "DSH-010",
        "The dashboard knows whether its user has a namespace",
        Level::Must,
        source("kubeflow/kubeflow", "components/centraldashboard/app/api_workgroup.ts: exists"),
        |cx| Box::pin(exists(cx)),
    )
    .explain(Explain {
        what: "/api/workgroup/exists says that the user is logged in, names them by the part before the @, and says \
               that they have a namespace exactly if they own a Profile.",
        why: "By this answer the page decides between its menu and the offer to create a namespace.",
        fix: "Restore KFAM (container of Deployment kubeflow/profiles-deployment), its Service profiles-kfam, and \
              AuthorizationPolicy kubeflow/profiles-kfam, which lets the dashboard in.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/api/workgroup/exists\"",
    })
    .after(&["AUT-006"])
    .breaks_on(&[
        &faults::KFAM_STOPPED,
        &faults::KFAM_ANSWERS_500,
        &faults::KFAM_POLICY_REMOVED,
        &faults::API_TAKEN,
    ]),
    check(
        "DSH-011",
        "The dashboard shows the user each namespace that they own",
        Level::Must,
        source("kubeflow/kubeflow", "components/centraldashboard/app/api_workgroup.ts: env-info"),
        |cx| Box::pin(namespaces(cx)),
    )
    .explain(Explain {
        what: "/api/workgroup/env-info names the user by their e-mail address, and lists every namespace whose Profile \
               they own, with the role of an owner.",
        why: "What is not in this list cannot be chosen, in any of the applications.",
        fix: "Restore KFAM, its policy, and RoleBinding namespaceAdmin in the user's namespace with its annotations \
              user and role (the profile controller makes it).",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/api/workgroup/env-info\"",
    })
    .after(&["AUT-006"])
    .breaks_on(&[
        &faults::KFAM_STOPPED,
        &faults::KFAM_ANSWERS_500,
        &faults::KFAM_POLICY_REMOVED,
        &faults::API_TAKEN,
    ]),
    check(
        "DSH-012",
        "The sign-out button leads to the sign-out",
        Level::Must,
        source("kubeflow/manifests", "LOGOUT_URL of Deployment kubeflow/centraldashboard"),
        |cx| Box::pin(sign_out(cx)),
    )
    .explain(Explain {
        what: "The address that the dashboard gives its sign-out button is the one that the release's guard answers at.",
        why: "The address changed with v1.9. A dashboard that kept the old one shows its own page again, and the user \
              believes that they have signed out.",
        fix: "Set LOGOUT_URL of Deployment kubeflow/centraldashboard to /oauth2/sign_out (v1.8: \
              /authservice/logout).",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/api/workgroup/env-info\" | grep -o '\"logoutUrl\":\"[^\"]*'",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::SIGN_OUT_ADDRESS_CHANGED, &gateway::DASHBOARD_ROUTE_REMOVED_B]),
];

/// What keeps the dashboard from KFAM.
pub(crate) async fn kfam(cx: &Ctx) -> Checked<Option<Cause>> {
    if let Some(cause) = pods_behind(cx, ("kubeflow", "profiles-kfam"), ("kubeflow", "profiles-deployment")).await? {
        return Ok(Some(cause));
    }
    if let Some(cause) = aborted(cx).await? {
        return Ok(Some(cause));
    }
    let policy = objects::get(cx, AUTHORIZATION_POLICY, "kubeflow", "profiles-kfam").await?;
    let lets_in = policy.is_some_and(|policy| policy.data.to_string().contains("/sa/centraldashboard"));
    Ok((!lets_in).then(|| {
        Cause::new(
            "AuthorizationPolicy kubeflow/profiles-kfam does not let the dashboard in",
            "apply AuthorizationPolicy kubeflow/profiles-kfam of kubeflow/manifests again",
        )
    }))
}

/// What lets the mesh answer in KFAM's place: the fault injection of a VirtualService.
async fn aborted(cx: &Ctx) -> Checked<Option<Cause>> {
    let routes = objects::all(cx, VIRTUAL_SERVICE).await?;
    let found = routes.iter().find_map(|route| {
        let to_kfam = |host: &Value| host.as_str().is_some_and(|host| host.split('.').next() == Some("profiles-kfam"));
        let hosts = objects::items(&route.data, "/spec/hosts").iter().any(to_kfam);
        let http = objects::items(&route.data, "/spec/http").iter();
        let status = http.filter_map(|route| objects::number(route, "/fault/abort/httpStatus")).next();
        status.filter(|_| hosts).map(|status| (objects::place(route), status))
    });
    Ok(found.map(|(place, status)| {
        Cause::new(
            format!("VirtualService {place} lets the mesh answer {status} in KFAM's place"),
            format!("take spec.http[].fault out of VirtualService {place}"),
        )
    }))
}

/// A failure with what keeps KFAM from answering, or the dashboard from asking it.
async fn unanswered(cx: &Ctx, stop: Stop) -> Stop {
    let stop = blame(stop, kfam(cx).await);
    tenants::blamed(cx, stop).await
}

/// The names of the Profiles that the run's user owns and that do not come and go.
async fn owned(cx: &Ctx) -> Checked<Vec<String>> {
    let mine = tenants::owned_by_user(cx).await?;
    Ok(mine.iter().filter(|profile| tenants::stays(profile)).map(|profile| objects::name(profile).to_owned()).collect())
}

/// Whether the user owns a Profile, where that can be told: one that comes or goes may count already, or no more.
async fn owns(cx: &Ctx) -> Checked<Option<bool>> {
    let mine = tenants::owned_by_user(cx).await?;
    let surely = mine.iter().any(tenants::stays);
    Ok((surely || mine.is_empty()).then_some(surely))
}

async fn exists(cx: &Ctx) -> Checked {
    let (at, found) = match api::json(cx, "/api/workgroup/exists").await? {
        Ok(found) => found,
        Err(stop) => return Err(unanswered(cx, stop).await),
    };
    let local = cx.user().email.split('@').next().unwrap_or_default();
    let owns = owns(cx).await?;
    let promised = [("hasAuth", Value::Bool(true)), ("user", Value::String(local.to_owned()))].into_iter();
    for (name, expected) in promised.chain(owns.map(|owns| ("hasWorkgroup", Value::Bool(owns)))) {
        let actual = found.get(name).cloned().unwrap_or_default();
        if actual != expected {
            let stop = Stop::failed(format!("{name} is {expected}"), format!("{name} is {actual}"));
            return Err(blame(stop.at(at), kfam(cx).await));
        }
    }
    Ok(())
}

async fn namespaces(cx: &Ctx) -> Checked {
    let (at, found) = match api::json(cx, "/api/workgroup/env-info").await? {
        Ok(found) => found,
        Err(stop) => return Err(unanswered(cx, stop).await),
    };
    let user = objects::text(&found, "/user");
    if user != cx.user().email {
        return Err(Stop::failed(format!("user {}", cx.user().email), format!("user {user}"))
            .at(at)
            .because("the dashboard does not see who is logged in: see IDN-001"));
    }
    let wait = format!("the dashboard shows every namespace that {user} owns");
    let wanted = wait.as_str();
    // A Profile may just be being made, or be a check's that is about to be marked as such.
    let shown = cx.eventually(wanted, SHOWN_WITHIN, tenants::EVERY, || Box::pin(missing(cx))).await;
    if let Err(stop) = shown {
        let Some(namespace) = unseen(cx).await?.into_iter().next() else { return Err(stop) };
        return Err(stop
            .at(at)
            .because(format!("RoleBinding {namespace}/namespaceAdmin, by which KFAM knows the owner"))
            .fix(format!(
                "kubectl -n {namespace} get rolebinding namespaceAdmin -o yaml; restart profiles-deployment"
            )));
    }
    if found.get("isClusterAdmin") == Some(&Value::Bool(true)) {
        cx.finding(
            Severity::Medium,
            "The run's user is the administrator of all namespaces",
            "KFAM's cluster-admin (ADMIN of ConfigMap profiles-config) names this user. They may add and remove \
             members of every namespace.",
        );
    }
    Ok(())
}

/// The namespaces that the user owns and that the dashboard does not show them as its owner.
async fn unseen(cx: &Ctx) -> Checked<Vec<String>> {
    let found = match api::json(cx, "/api/workgroup/env-info").await? {
        Ok((_, found)) => found,
        Err(stop) => return Err(unanswered(cx, stop).await),
    };
    let listed = objects::items(&found, "/namespaces");
    let is_shown = |namespace: &String| {
        listed.iter().any(|entry| entry["namespace"] == namespace.as_str() && entry["role"] == "owner")
    };
    Ok(owned(cx).await?.into_iter().filter(|namespace| !is_shown(namespace)).collect())
}

async fn missing(cx: &Ctx) -> Checked<Seen<()>> {
    let unseen = unseen(cx).await?;
    Ok(if unseen.is_empty() { Seen::Yes(()) } else { Seen::NotYet(format!("not shown: {}", unseen.join(", "))) })
}

async fn sign_out(cx: &Ctx) -> Checked {
    let (at, found) = match api::json(cx, "/api/workgroup/env-info").await? {
        Ok(found) => found,
        Err(stop) => return Err(unanswered(cx, stop).await),
    };
    let given = objects::text(&found, "/platform/logoutUrl");
    let promised = cx.version().auth().logout.path;
    if given == promised {
        return Ok(());
    }
    Err(Stop::failed(format!("the sign-out button leads to {promised}"), format!("it leads to {given:?}"))
        .at(at)
        .because("LOGOUT_URL of Deployment kubeflow/centraldashboard")
        .fix(format!("kubectl -n kubeflow set env deployment/centraldashboard LOGOUT_URL={promised}")))
}
