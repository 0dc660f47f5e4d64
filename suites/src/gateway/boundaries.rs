//! What a route must not do: take what others own, or hand on what it should rewrite.

use std::time::Duration;

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Stop, check};
use http::{Method, StatusCode};

use super::diagnose::{self, blame};
use crate::applications::{App, ENTRIES};
use crate::faults::gateway as faults;
use crate::recognise::{Answered, who};
use crate::stand_in::{expect_app, left_out, witness_of};

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "GWY-010",
        "A path that nobody owns is answered by the dashboard",
        Level::Must,
        source("kubeflow/kubeflow", "components/centraldashboard/app/server.ts"),
        |cx| Box::pin(unknown_path(cx)),
    )
    .explain(Explain {
        what: "Paths that no application owns are opened with a session: the dashboard's page answers each, and no \
               other application.",
        why: "A route whose prefix is too short swallows paths of others, first of all those of notebooks that are \
              yet to be made.",
        fix: "List the VirtualServices of the gateway and lengthen the prefix of the one that is named here.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/no-such-application/\" | grep -o '<title>[^<]*'",
    })
    .after(&["GWY-001"])
    .breaks_on(&[&faults::GREEDY_ROUTE]),
    check(
        "GWY-011",
        "A web app's route takes whole path segments only",
        Level::Should,
        source("istio/istio", "VirtualService HTTPMatchRequest.uri.prefix"),
        |cx| Box::pin(whole_segments(cx)),
    )
    .explain(Explain {
        what: "Paths that begin like /jupyter, /katib, /volumes or /tensorboards, but are other words, are answered \
               by the dashboard.",
        why: "Istio compares prefixes as texts, so a prefix without its final slash also takes /jupyterlab.",
        fix: "End the prefix of the VirtualService with a slash.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/jupyterlab\" | grep -o '<title>[^<]*'",
    })
    .after(&["GWY-001"])
    .breaks_on(&[&faults::JUPYTER_PREFIX_WITHOUT_SLASH]),
    check(
        "GWY-012",
        "A web app's prefix is rewritten before the app sees it",
        Level::Must,
        source("kubeflow/manifests", "VirtualServices of the jupyter, volumes and tensorboards web apps"),
        |cx| Box::pin(rewritten(cx)),
    )
    .explain(Explain {
        what: "/jupyter/info, /volumes/info and /tensorboards/info answer JSON: the app saw /info.",
        why: "An app that sees its prefix answers its page for every path, with 200: lists stay empty and nothing \
              says why.",
        fix: "Restore rewrite.uri: / in the VirtualService.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/jupyter/info\"",
    })
    .after(&["GWY-004", "GWY-005", "GWY-006"])
    .breaks_on(&[&faults::JUPYTER_REWRITE_REMOVED]),
    check(
        "GWY-013",
        "Katib's API answers through its route",
        Level::Must,
        source("kubeflow/katib", "cmd/ui/v1beta1/main.go"),
        |cx| Box::pin(katib_api(cx)),
    )
    .explain(Explain {
        what: "/katib/fetch_namespaces answers a JSON list that names the namespace kubeflow.",
        why: "Katib's page is static: it opens even when the server behind cannot reach the Kubernetes API.",
        fix: "Look at the log of Deployment kubeflow/katib-ui, and at VirtualService kubeflow/katib-ui.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/katib/fetch_namespaces\"",
    })
    .after(&["GWY-003"])
    .breaks_on(&[&faults::KATIB_REWRITE_CHANGED]),
    check(
        "GWY-014",
        "Nobody reaches KFAM through the gateway",
        Level::Must,
        source("kubeflow/manifests", "AuthorizationPolicy kubeflow/profiles-kfam"),
        |cx| Box::pin(kfam_is_closed(cx)),
    )
    .explain(Explain {
        what: "A signed-in user asks /kfam/ for all bindings and is refused; the dashboard, which asks KFAM with its \
               own account, is not.",
        why: "KFAM trusts whoever reaches it: with the route open, every user can make profiles for others. Where \
              the network plug-in enforces NetworkPolicies the request times out instead, after about 30 s.",
        fix: "Restore AuthorizationPolicy kubeflow/profiles-kfam: its only principal is the dashboard's account.",
        reproduce: "curl -s -i -b cookies.txt \"$GATEWAY/kfam/v1/bindings\"",
    })
    .profiles(&[Profile::Core, Profile::Security])
    .after(&["DSH-011"])
    .within(Seconds(60))
    .breaks_on(&[&faults::KFAM_OPENED]),
];

async fn unknown_path(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    for path in ["/no-such-application/", "/no-such-application", "/notebook/no-such-namespace/no-such-notebook/"] {
        let answer = session.get(path).await?;
        if let Err(stop) = expect_app(cx, &answer, App::Dashboard) {
            return Err(blame(stop, diagnose::taken_by(cx, path).await));
        }
    }
    Ok(())
}

async fn whole_segments(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    for app in [App::Jupyter, App::Katib, App::Volumes, App::Tensorboards] {
        let path = format!("{}-of-another", app.entry().page.trim_end_matches('/'));
        let answer = session.get(&path).await?;
        if let Err(stop) = expect_app(cx, &answer, App::Dashboard) {
            return Err(blame(stop, diagnose::taken_by(cx, &path).await));
        }
    }
    Ok(())
}

async fn rewritten(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    for entry in ENTRIES.iter().filter(|entry| matches!(entry.app, App::Jupyter | App::Volumes | App::Tensorboards)) {
        let answer = session.get(&format!("{}info", entry.page)).await?;
        let witness = witness_of(cx, &answer, entry.app);
        if witness.as_ref().is_none_or(|stand_in| stand_in.path != "/info")
            && !matches!(who(&answer), Answered::WebApp { success: true, .. })
        {
            let stop = Stop::failed(
                format!("the {} sees /info and answers JSON", entry.app.name()),
                format!("answered: {} ({})", who(&answer), answer.summary()),
            );
            return Err(blame(stop.at(answer.at()), diagnose::route(cx, entry).await));
        }
    }
    Ok(())
}

async fn katib_api(cx: &Ctx) -> Checked {
    let answer = cx.user_session().await?.get("/katib/fetch_namespaces").await?;
    let names = answer.json().and_then(|json| json.as_array().cloned()).unwrap_or_default();
    if answer.status == StatusCode::OK && names.iter().any(|name| name == "kubeflow") {
        return Ok(());
    }
    if witness_of(cx, &answer, App::Katib).is_some_and(|stand_in| stand_in.path == "/katib/fetch_namespaces") {
        return Err(left_out(App::Katib));
    }
    let stop = Stop::failed(
        "Katib answers a JSON list of namespaces with kubeflow in it",
        format!("answered: {} ({})", who(&answer), answer.summary()),
    );
    Err(blame(stop.at(answer.at()), diagnose::route(cx, App::Katib.entry()).await))
}

/// Envoy tries three times for ten seconds each where a network drops what a NetworkPolicy forbids.
const CONNECTED_WITHIN: Duration = Duration::from_secs(45);

async fn kfam_is_closed(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    let answer = session.request(Method::GET, "/kfam/v1/bindings").within(CONNECTED_WITHIN).send().await?;
    match who(&answer) {
        Answered::RbacRefusal | Answered::Unavailable(_) => Ok(()),
        other => Err(blame(
            Stop::failed(
                "the gateway is refused at KFAM's sidecar",
                format!("answered: {other} ({})", answer.summary()),
            )
            .at(answer.at()),
            diagnose::kfam(cx).await,
        )),
    }
}
