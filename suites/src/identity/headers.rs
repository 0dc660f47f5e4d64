//! What a client writes into the identity headers changes nothing.

use futures::future::try_join_all;
use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, check};
use http::Method;

use super::seen::{DASHBOARD, Seen, WEB_APPS, differs, expect_seen, seen};
use crate::applications::{App, ENTRIES};
use crate::faults::{gate, identity as faults};
use crate::gateway::diagnose::{blame, gate as gate_cause};
use crate::recognise::expect_refusal;

const SECURITY: &[Profile] = &[Profile::Core, Profile::Security];

/// Whom the client claims to be.
const MALLORY: &str = "mallory@example.com";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "IDN-010",
        "An identity header that the client sent is overwritten",
        Level::Must,
        source("istio/istio", "RequestAuthentication outputClaimToHeaders; Envoy ext_authz allowed_upstream_headers"),
        |cx| Box::pin(forged(cx, "kubeflow-userid beside a session", &[("kubeflow-userid", MALLORY)])),
    )
    .explain(Explain {
        what: "A logged-in user sends kubeflow-userid: mallory@example.com along: the dashboard and the web apps see \
               the logged-in user.",
        why: "Every application believes this header. If a client can set it, any user is every user.",
        fix: "v1.9 and later: outputClaimToHeaders of RequestAuthentication istio-system/dex-jwt must name \
              kubeflow-userid: that is what makes Envoy remove the client's. v1.8: allowed_upstream_headers of \
              EnvoyFilter istio-system/authn-filter.",
        reproduce: "curl -s -b cookies.txt -H 'kubeflow-userid: mallory@example.com' \
                    \"$GATEWAY/api/workgroup/env-info\" | grep -o '\"user\":\"[^\"]*'",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::NOT_COPIED_A, &faults::NOT_COPIED_B]),
    check(
        "IDN-011",
        "An identity header in another spelling is overwritten",
        Level::Must,
        source("RFC 9110", "section 5.1: field names are case-insensitive"),
        |cx| Box::pin(other_spellings(cx)),
    )
    .explain(Explain {
        what: "As IDN-010, with the header's name in capitals and in mixed case, written to the wire as it stands.",
        why: "A filter that compares names letter by letter lets these pass, and every application reads them as the \
              same header.",
        fix: "As IDN-010. A proxy before the gateway that removes the header must do so in any spelling.",
        reproduce: "curl -s --http1.1 -b cookies.txt -H 'Kubeflow-UserId: mallory@example.com' \
                    \"$GATEWAY/api/workgroup/env-info\"",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::NOT_COPIED_A, &faults::NOT_COPIED_B]),
    check(
        "IDN-012",
        "Every copy of an identity header that the client sent is overwritten",
        Level::Must,
        source("envoyproxy/envoy", "jwt_authn: claim_to_headers are removed before verification"),
        |cx| {
            Box::pin(forged(
                cx,
                "two kubeflow-userid headers beside a session",
                &[("kubeflow-userid", MALLORY), ("kubeflow-userid", "eve@example.com")],
            ))
        },
    )
    .explain(Explain {
        what: "As IDN-010, with the header sent twice: the applications see the logged-in user alone, not a list.",
        why: "A gateway that replaces the first copy and forwards the second leaves the choice to the application.",
        fix: "As IDN-010.",
        reproduce: "curl -s -b cookies.txt -H 'kubeflow-userid: mallory@example.com' -H 'kubeflow-userid: \
                    eve@example.com' \"$GATEWAY/api/workgroup/env-info\"",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::NOT_COPIED_A, &faults::NOT_COPIED_B]),
    check(
        "IDN-013",
        "An identity header with underscores does not become the user",
        Level::Must,
        source("envoyproxy/envoy", "headers_with_underscores_action; PEP 3333: environ variables"),
        |cx| Box::pin(underscores(cx)),
    )
    .explain(Explain {
        what: "A logged-in user sends kubeflow_userid: mallory@example.com along: no application sees mallory. An \
               application that sees a mixture of both is reported.",
        why: "The gateway forwards it, as it is another header; Python servers fold both names into one.",
        fix: "As IDN-010. To refuse such headers altogether, set headers_with_underscores_action: REJECT_REQUEST by an \
              EnvoyFilter.",
        reproduce: "curl -s -b cookies.txt -H 'kubeflow_userid: mallory@example.com' \
                    \"$GATEWAY/jupyter/info\"",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::NOT_COPIED_A, &faults::NOT_COPIED_B]),
    check(
        "IDN-014",
        "Identity headers of other systems do not become the user",
        Level::Must,
        source("kubeflow/manifests", "USERID_HEADER of the applications"),
        |cx| Box::pin(other_systems(cx)),
    )
    .explain(Explain {
        what: "A logged-in user sends the identity headers of other systems along (x-auth-request-email, \
               x-forwarded-email, x-goog-authenticated-user-email, remote-user, kubeflow-groups …): the applications \
               see the logged-in user.",
        why: "The gateway forwards most of these as the client wrote them. An application that is configured for one \
              of them believes the client.",
        fix: "Set USERID_HEADER of each application's Deployment to kubeflow-userid.",
        reproduce: "curl -s -b cookies.txt -H 'x-forwarded-email: mallory@example.com' \
                    \"$GATEWAY/jupyter/info\"",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::JUPYTER_HEADER_RENAMED, &faults::DASHBOARD_HEADER_RENAMED]),
    check(
        "IDN-015",
        "Nobody comes in by an identity header alone",
        Level::Must,
        source("kubeflow/manifests", "common/oauth2-proxy, common/oidc-client: the gateway's guard"),
        |cx| Box::pin(without_session(cx)),
    )
    .explain(Explain {
        what: "Somebody without a session sends kubeflow-userid, in three spellings, to every application, and the \
               identity headers of other systems to the dashboard: all are refused.",
        why: "It is the first thing that an attacker tries, and inside a cluster without a guard it works.",
        fix: "Restore the gateway's guard: see GWY-020.",
        reproduce: "curl -s -i -H 'kubeflow-userid: user@example.com' \"$GATEWAY/api/workgroup/env-info\"",
    })
    .profiles(SECURITY)
    .breaks_on(&[&gate::REMOVED_A, &gate::REMOVED_B]),
    check(
        "IDN-016",
        "A header that names another user's identity for the guard is not believed",
        Level::Must,
        source("oauth2-proxy/oauth2-proxy", "includeRequestHeadersInCheck: authorization, cookie"),
        |cx| Box::pin(guard_headers(cx)),
    )
    .explain(Explain {
        what: "Somebody without a session sends what the guard itself answers with (x-auth-request-user, \
               x-auth-request-email, gap-auth, x-auth-token, x-forwarded-access-token) and what would talk it out of \
               asking (x-forwarded-uri and x-original-url of an open path): all are refused.",
        why: "A gateway that trusts these headers from a client has a guard that anybody can play.",
        fix: "Keep includeRequestHeadersInCheck in MeshConfig to authorization and cookie (v1.8: allowed_headers of \
              EnvoyFilter authn-filter), and reverse_proxy of oauth2-proxy off.",
        reproduce: "curl -s -i -H 'x-auth-request-email: user@example.com' -H 'x-forwarded-uri: /dex/' \
                    \"$GATEWAY/api/workgroup/env-info\"",
    })
    .profiles(SECURITY)
    .breaks_on(&[&gate::REMOVED_A, &gate::REMOVED_B]),
];

async fn forged(cx: &Ctx, what: &str, headers: &[(&str, &str)]) -> Checked {
    let session = cx.user_session().await?;
    let wanted = Seen::User(cx.user().email.clone());
    let asked = std::iter::once(&DASHBOARD).chain(WEB_APPS).map(|path| {
        let request = session.request(Method::GET, path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        expect_seen(cx, request, what, &wanted)
    });
    try_join_all(asked).await.map(drop)
}

async fn other_spellings(cx: &Ctx) -> Checked {
    for name in ["KUBEFLOW-USERID", "Kubeflow-UserId"] {
        forged(cx, &format!("{name} beside a session"), &[(name, MALLORY)]).await?;
    }
    Ok(())
}

async fn underscores(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    let user = Seen::User(cx.user().email.clone());
    for path in std::iter::once(&DASHBOARD).chain(WEB_APPS) {
        let answer = session.request(Method::GET, path).header("kubeflow_userid", MALLORY).send().await?;
        match seen(cx, &answer) {
            actual if actual == user => {}
            // Both names in one: no user of that name has rights.
            Seen::User(mixture) if mixture.contains(&cx.user().email) && mixture != MALLORY => cx.finding(
                Severity::Low,
                "A header with underscores reaches an application's identity",
                format!("{path} sees {mixture}: the user is refused, and nobody gains anything."),
            ),
            actual => return Err(differs(cx, &answer, "kubeflow_userid beside a session", &user, &actual).await),
        }
    }
    Ok(())
}

/// Identity headers of other systems. Some pass the gateway as the client wrote them, and none may be believed.
const OTHERS: &[&str] = &[
    "x-auth-request-email",
    "x-auth-request-user",
    "x-forwarded-email",
    "x-forwarded-user",
    "x-goog-authenticated-user-email",
    "remote-user",
    "x-remote-user",
    "impersonate-user",
];

async fn other_systems(cx: &Ctx) -> Checked {
    for name in OTHERS {
        forged(cx, &format!("{name} beside a session"), &[(name, MALLORY)]).await?;
    }
    let groups = [("kubeflow-groups", "system:masters"), ("impersonate-group", "system:masters")];
    forged(cx, "groups beside a session", &groups).await?;
    if cx.version().auth().identity.groups_pass {
        cx.finding(
            Severity::Low,
            "A client's own kubeflow-groups header reaches the applications",
            "No application of this release reads it. The release ships it so; v1.9 and later remove it.",
        );
    }
    Ok(())
}

async fn refused(cx: &Ctx, path: &str, headers: &[(&str, &str)]) -> Checked {
    let browser = cx.browser();
    let mut request = browser.request(Method::GET, path);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = request.send().await?;
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    match expect_refusal(&answer, &format!("{path} with {} and no session", names.join(", "))) {
        Ok(()) => Ok(()),
        Err(stop) => Err(blame(stop, gate_cause(cx).await)),
    }
}

async fn without_session(cx: &Ctx) -> Checked {
    let user = cx.user().email.clone();
    let header = [("kubeflow-userid", user.as_str())];
    let pages = ENTRIES.iter().filter(|entry| entry.app != App::Dex).map(|entry| entry.page);
    try_join_all(pages.chain([DASHBOARD]).map(|path| refused(cx, path, &header))).await?;
    let others = ["KUBEFLOW-USERID", "kubeflow_userid"].iter().chain(OTHERS).map(|name| [(*name, user.as_str())]);
    let others: Vec<_> = others.collect();
    try_join_all(others.iter().map(|header| refused(cx, DASHBOARD, header))).await.map(drop)
}

async fn guard_headers(cx: &Ctx) -> Checked {
    let user = cx.user().email.clone();
    for name in ["x-auth-request-email", "x-auth-request-user", "gap-auth", "x-auth-token", "x-forwarded-access-token"]
    {
        refused(cx, DASHBOARD, &[(name, &user)]).await?;
    }
    for name in ["x-forwarded-uri", "x-original-url", "x-rewrite-url", "x-envoy-original-path", "x-forwarded-prefix"] {
        refused(cx, DASHBOARD, &[(name, "/dex/healthz")]).await?;
    }
    Ok(())
}
