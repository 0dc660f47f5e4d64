//! Nobody without a session reaches an application, by whatever path, method or protocol.

use harness::check::source;
use harness::http::{Answer, Session};
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, Stop, check};
use http::{Method, StatusCode};

use super::diagnose::{self, blame};
use crate::applications::{App, ENTRIES, owner};
use crate::faults::gate;
use crate::metadata;
use crate::recognise::{Answered, expect_refusal, who};
use crate::stand_in::{expect_app, witness};

const SECURITY: &[Profile] = &[Profile::Core, Profile::Security];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "GWY-020",
        "Nobody reaches an application without a session",
        Level::Must,
        source("kubeflow/manifests", "common/oauth2-proxy, common/oidc-client: the gateway's guard"),
        |cx| Box::pin(nobody_without_session(cx)),
    )
    .explain(Explain {
        what: "Every application's page is asked for without a cookie: each request is refused or sent to the login. \
               With a session, the same paths lead to the applications (GWY-001 and the following).",
        why: "A guard that is not attached fails silently: all pages work, for everybody.",
        fix: "v1.8: restore EnvoyFilter istio-system/authn-filter. v1.9 and later: restore the AuthorizationPolicies \
              istio-ingressgateway-oauth2-proxy and istio-ingressgateway-require-jwt in istio-system.",
        reproduce: "for p in / /pipeline/ /katib/ /jupyter/ /volumes/ /tensorboards/; do curl -s -o /dev/null -w \
                    \"%{http_code} $p\\n\" \"$GATEWAY$p\"; done",
    })
    .profiles(SECURITY)
    .after(&["GWY-001"])
    .breaks_on(&[&gate::REMOVED_A, &gate::REMOVED_B, &gate::PIPELINES_LEFT_OPEN_B]),
    check(
        "GWY-021",
        "A path that only looks like an open one is closed",
        Level::Must,
        source("istio/istio", "AuthorizationPolicy Operation.notPaths; Envoy path normalisation"),
        |cx| Box::pin(lookalikes_are_closed(cx)),
    )
    .explain(Explain {
        what: "Paths of applications that contain, end in or are encoded like the open paths /dex/ and /oauth2/ are \
               asked for without a session: no application answers.",
        why: "Exclusions are compared as texts. One star too many, or a guard and a router that understand a path \
              differently, opens an application to everybody.",
        fix: "Keep notPaths to /dex/* and /oauth2/* (SKIP_AUTH_URLS to /dex), and leave Istio's path normalisation \
              as it is.",
        reproduce: "curl -s -i \"$GATEWAY/pipeline/dex/healthz\"; curl -s -i \"$GATEWAY/katib/?next=/dex/\"",
    })
    .profiles(SECURITY)
    .after(&["GWY-001", "GWY-009"])
    .breaks_on(&[&gate::REMOVED_A, &gate::HEALTH_PATHS_LEFT_OPEN_B]),
    check(
        "GWY-022",
        "A websocket needs a session as any other request",
        Level::Must,
        source("RFC 6455", "section 10.1 and 4.1"),
        |cx| Box::pin(websocket_is_guarded(cx)),
    )
    .explain(Explain {
        what: "A websocket upgrade on a notebook's path is refused without a session and handed to the application \
               with one.",
        why: "Notebook kernels and terminals are websockets: an upgrade that passes without a session is a shell for \
              everybody, and one that never passes is a kernel that stays at Connecting.",
        fix: "Restore the gateway's guard for all paths; a load balancer before the gateway must hand on Upgrade and \
              Connection.",
        reproduce: "curl -s -i --http1.1 -H 'connection: upgrade' -H 'upgrade: websocket' -H 'sec-websocket-version: \
                    13' -H 'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==' \
                    \"$GATEWAY/notebook/x/y/api/kernels/z/channels\"",
    })
    .profiles(SECURITY)
    .after(&["GWY-001"])
    .breaks_on(&[&gate::NOTEBOOKS_LEFT_OPEN_A, &gate::NOTEBOOKS_LEFT_OPEN_B]),
];

async fn nobody_without_session(cx: &Ctx) -> Checked {
    let browser = cx.browser();
    for entry in ENTRIES.iter().filter(|entry| entry.app != App::Dex) {
        let answer = match entry.app {
            App::Metadata => metadata::artifact_types(&browser).await?,
            _ => browser.get(entry.page).await?,
        };
        if let Err(stop) = expect_refusal(&answer, &format!("a request for {} without a session", entry.app.name())) {
            return Err(blame(stop, diagnose::gate(cx).await));
        }
    }
    // v1.8 compares its open prefix as text: what begins with /dex is the dashboard's shell, for everybody.
    let shell = browser.get("/dexterity").await?;
    if who(&shell) == Answered::Page(App::Dashboard) {
        cx.finding(
            Severity::Low,
            "Paths that begin with an open prefix show the dashboard's page without a session",
            "SKIP_AUTH_URLS is compared as text, so /dexterity passes. Only the static page is shown; its API stays \
             closed. Moving to v1.9 or later closes it.",
        );
    }
    Ok(())
}

/// What an application owns, and what looks like an open path to somebody who compares carelessly. None of them is
/// changed by a client's own URL clean-up.
const LOOKALIKES: &[&str] = &[
    "/pipeline/dex/healthz",
    "/pipeline/oauth2/start",
    "/katib/?next=/dex/",
    "/jupyter/dex/",
    "/jupyter/..%2fdex/healthz",
    "/volumes/oauth2/callback",
    "/tensorboards/;/dex/",
    "/api/workgroup/env-info?x=/oauth2/",
];

async fn lookalikes_are_closed(cx: &Ctx) -> Checked {
    let browser = cx.browser();
    for path in LOOKALIKES {
        let answer = browser.get(path).await?;
        let who = who(&answer);
        if who.is_application() {
            let stop = Stop::failed(
                format!("{path} is refused without a session"),
                format!("answered: {who} ({})", answer.summary()),
            );
            return Err(blame(stop.at(answer.at()), diagnose::gate(cx).await));
        }
    }
    // The control: the same kind of path belongs to its application once there is a session.
    let answer = cx.user_session().await?.get(LOOKALIKES[0]).await?;
    let known = owner(cx.version(), LOOKALIKES[0]).map(|entry| entry.app);
    match who(&answer) {
        Answered::ExpressNoRoute => Ok(()),
        Answered::Page(app) if Some(app) == known => Ok(()),
        _ if witness(cx, &answer).is_some_and(|stand_in| stand_in.place() == known) => Ok(()),
        other => Err(Stop::errored(
            "precondition",
            format!("the control of this check failed: with a session, {} was answered by {other}", LOOKALIKES[0]),
        )),
    }
}

async fn websocket_is_guarded(cx: &Ctx) -> Checked {
    const PATH: &str = "/notebook/no-such-namespace/no-such-notebook/api/kernels/none/channels";
    let answer = upgrade(&cx.browser(), PATH).await?;
    if let Err(stop) = expect_refusal(&answer, "a websocket without a session") {
        return Err(blame(stop, diagnose::gate(cx).await));
    }
    // No notebook owns the path, so the dashboard gets the request; it knows no websockets and answers its page. Since
    // Envoy checks handshakes (Istio 1.26 does), only the status is left of that: nobody else answers so.
    let answer = upgrade(&cx.user_session().await?, PATH).await?;
    if answer.status == StatusCode::OK && answer.body.is_empty() {
        return Ok(());
    }
    expect_app(cx, &answer, App::Dashboard)
}

async fn upgrade(session: &Session, path: &str) -> Checked<Answer> {
    session
        .request(Method::GET, path)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .send()
        .await
}
