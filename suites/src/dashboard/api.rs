//! The dashboard's API: what it answers, and what it does not.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, Stop, check};
use serde_json::Value;

use crate::applications::App;
use crate::faults::{dashboard as faults, gate, gateway};
use crate::gateway::diagnose::{blame, gate as gate_cause, taken_by};
use crate::objects;
use crate::recognise::{Answered, expect, expect_refusal, who};
use crate::stand_in::{left_out, witness_of};

const SECURITY: &[Profile] = &[Profile::Core, Profile::Security];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "DSH-030",
        "An unknown path of the dashboard's API is not answered by a page",
        Level::Must,
        source("kubeflow/kubeflow", "components/centraldashboard/app/api.ts"),
        |cx| Box::pin(unknown_path(cx)),
    )
    .explain(Explain {
        what: "Paths under /api/ that the dashboard does not have answer 404 in JSON.",
        why: "Programs that ask for an API of another version must be told so. A page with status 200 is taken for \
              data.",
        fix: "Look for VirtualServices that take paths under /api/.",
        reproduce: "curl -s -i -b cookies.txt \"$GATEWAY/api/no-such-route\"",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::API_TAKEN, &gateway::DASHBOARD_ROUTE_REMOVED_B]),
    check(
        "DSH-031",
        "Charts without a source say so",
        Level::Should,
        source("kubeflow/kubeflow", "components/centraldashboard/app/api.ts: metrics"),
        |cx| Box::pin(metrics(cx)),
    )
    .explain(Explain {
        what: "/api/metrics and its three charts answer with data where a source (PROMETHEUS_URL) is configured, and \
               with 405 in JSON where none is.",
        why: "By this answer the page leaves the charts out. A page in its place breaks the home page's script.",
        fix: "Look for VirtualServices that take paths under /api/; if a source is configured, look at it.",
        reproduce: "curl -s -i -b cookies.txt \"$GATEWAY/api/metrics\"",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::API_TAKEN]),
    check(
        "DSH-032",
        "The dashboard may list the cluster's namespaces",
        Level::Must,
        source("kubeflow/manifests", "ClusterRole and ClusterRoleBinding centraldashboard"),
        |cx| Box::pin(namespaces(cx)),
    )
    .explain(Explain {
        what: "/api/namespaces lists namespaces, the dashboard's own among them. That every user sees all of them is \
               reported.",
        why: "The dashboard reads with an account of its own, and an API that refuses it shows as an empty list, not as \
              an error.",
        fix: "Restore ClusterRole and ClusterRoleBinding centraldashboard.",
        reproduce: "kubectl auth can-i list namespaces --as=system:serviceaccount:kubeflow:centraldashboard",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::CLUSTER_RIGHTS_LOST, &faults::API_TAKEN]),
    check(
        "DSH-033",
        "The dashboard's debug page is closed to strangers",
        Level::Must,
        source("kubeflow/kubeflow", "components/centraldashboard/app/server.ts: /debug"),
        |cx| Box::pin(debug_is_closed(cx)),
    )
    .explain(Explain {
        what: "/debug is refused without a session. With one it names the logged-in user.",
        why: "It shows the names of the identity headers and the addresses of internal services: what a forger needs.",
        fix: "Keep notPaths of the gateway's policies (v1.8: SKIP_AUTH_URLS) to Dex and the guard.",
        reproduce: "curl -s -i \"$GATEWAY/debug\"",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::DEBUG_OPENED_A, &faults::DEBUG_OPENED_B, &gate::REMOVED_A, &gate::REMOVED_B]),
];

/// What the dashboard's API answers to the run's user: the request line and the JSON; or the failure, if it is none or
/// no success.
pub async fn json(cx: &Ctx, path: &str) -> Checked<Checked<(String, Value)>> {
    let answer = cx.user_session().await?.get(path).await?;
    if witness_of(cx, &answer, App::Dashboard).is_some() {
        return Err(left_out(App::Dashboard));
    }
    match answer.json() {
        Some(found) if answer.status.is_success() => Ok(Ok((answer.at(), found))),
        _ => {
            let stop = Stop::failed("JSON of the dashboard", format!("{} ({})", who(&answer), answer.summary()));
            Ok(Err(blame(stop.at(answer.at()), taken_by(cx, path).await)))
        }
    }
}

async fn unknown_path(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    for path in ["/api/no-such-route", "/api/workgroup/no-such-route", "/api"] {
        let answer = session.get(path).await?;
        if witness_of(cx, &answer, App::Dashboard).is_some() {
            return Err(left_out(App::Dashboard));
        }
        if let Err(stop) = expect(&answer, &Answered::DashboardNoRoute) {
            return Err(blame(stop, taken_by(cx, path).await));
        }
    }
    Ok(())
}

async fn metrics(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    for path in ["/api/metrics", "/api/metrics/node", "/api/metrics/podcpu", "/api/metrics/podmem"] {
        let answer = session.get(path).await?;
        if witness_of(cx, &answer, App::Dashboard).is_some() {
            return Err(left_out(App::Dashboard));
        }
        let json = answer.json();
        let says_so = answer.status.as_u16() == 405 && json.as_ref().is_some_and(|json| json.get("error").is_some());
        if says_so || (answer.status.is_success() && json.is_some()) {
            continue;
        }
        let stop =
            Stop::failed("data, or 405 with an error in JSON", format!("{} ({})", who(&answer), answer.summary()));
        return Err(blame(stop.at(answer.at()), taken_by(cx, path).await));
    }
    Ok(())
}

async fn namespaces(cx: &Ctx) -> Checked {
    let (at, found) = json(cx, "/api/namespaces").await??;
    let names: Vec<&str> =
        objects::items(&found, "").iter().map(|item| objects::text(item, "/metadata/name")).collect();
    if !names.contains(&"kubeflow") {
        return Err(Stop::failed("a list that holds the namespace kubeflow", format!("{} namespaces", names.len()))
            .at(at)
            .because("ClusterRoleBinding centraldashboard, or its ClusterRole, is absent or changed")
            .fix("apply both of kubeflow/manifests again"));
    }
    if names.contains(&"kube-system") {
        cx.finding(
            Severity::Low,
            "Every user can list all namespaces",
            "/api/namespaces answers with the dashboard's own rights and does not ask who the user is. So does \
             /api/activities/NAMESPACE. The release ships it so.",
        );
    }
    Ok(())
}

async fn debug_is_closed(cx: &Ctx) -> Checked {
    let answer = cx.browser().get("/debug").await?;
    if let Err(stop) = expect_refusal(&answer, "/debug without a session") {
        return Err(blame(stop, gate_cause(cx).await));
    }
    let answer = cx.user_session().await?.get("/debug").await?;
    if witness_of(cx, &answer, App::Dashboard).is_some() {
        return Err(left_out(App::Dashboard));
    }
    let user = answer.json().map(|json| objects::text(&json, "/user/email").to_owned()).unwrap_or_default();
    if user == cx.user().email {
        return Ok(());
    }
    Err(Stop::errored("precondition", format!("the control failed: with a session, /debug got {}", answer.summary())))
}
