//! What signing out ends: v1.8 forgets the session, v1.9 and later only clear the browser's copy of it.

use clusters::versions::Contract;
use clusters::versions::auth::LogoutCredential;
use harness::check::source;
use harness::http::{Answer, Session};
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, Stop, check};
use http::Method;

use super::steps::session_cookies;
use crate::faults::login as faults;
use crate::gateway::diagnose::{blame, denying_policy, gate};
use crate::recognise::{expect_refusal, who};

const SECURITY: &[Profile] = &[Profile::Core, Profile::Security];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "AUT-050",
        "Whoever signs out is asked for a login again",
        Level::Must,
        source("kubeflow/manifests", "LOGOUT_URL of centraldashboard; oauth2-proxy: SignOut; authservice: logout"),
        |cx| Box::pin(signs_out(cx)),
    )
    .explain(Explain {
        what: "A session of its own is made, and signed out as the dashboard's button does: v1.8 by POST with the \
               session's id, v1.9 and later by a visit of /oauth2/sign_out. The same browser then is refused. Whether \
               a copy of the cookie still works is reported.",
        why: "On a shared computer the next person must not find the platform open.",
        fix: "v1.9 and later: restore VirtualService oauth2-proxy/oauth2-proxy and remove policies that deny \
              /oauth2/sign_out. v1.8: AUTH_HEADER of oidc-authservice must be unset or Authorization.",
        reproduce: "curl -s -i -b cookies.txt -c cookies.txt \"$GATEWAY/oauth2/sign_out\"; curl -s -i -b cookies.txt \
                    \"$GATEWAY/\" | head -1",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::SIGN_OUT_UNHEARD_A, &faults::SIGN_OUT_DENIED_B]),
    check(
        "AUT-051",
        "A copy of a session that was signed out opens nothing",
        Level::Must,
        source("arrikto/oidc-authservice", "server.go: logout deletes the session"),
        |cx| Box::pin(copy_is_dead(cx)),
    )
    .explain(Explain {
        what: "A session of its own is copied, then signed out: the copy is refused. Only v1.8 promises this; AUT-050 \
               reports what v1.9 and later leave open.",
        why: "A sign-out is what a person can do once they suspect that their session was stolen.",
        fix: "AUTH_HEADER of oidc-authservice must be unset or Authorization: the session's id is sent there.",
        reproduce: "curl -s -i -X POST -H \"authorization: Bearer $SESSION\" \"$GATEWAY/authservice/logout\"; curl -s \
                    -i -b \"authservice_session=$SESSION\" \"$GATEWAY/\" | head -1",
    })
    .profiles(SECURITY)
    .only(&[Contract::A])
    .after(&["AUT-006"])
    .breaks_on(&[&faults::SIGN_OUT_UNHEARD_A]),
];

/// Signs a session out as the dashboard does.
async fn sign_out(cx: &Ctx, session: &Session) -> Checked<Answer> {
    let logout = cx.version().auth().logout;
    let method = if logout.method == "POST" { Method::POST } else { Method::GET };
    let mut request = session.request(method, logout.path);
    if logout.credential == LogoutCredential::BearerSessionId {
        let id = session_cookies(cx, session).into_iter().next().map(|(_, value)| value).unwrap_or_default();
        request = request.bearer(&id);
    }
    request.send().await
}

/// The failure of a sign-out that was answered in another way than promised.
async fn unheard(cx: &Ctx, answer: &Answer) -> Stop {
    let logout = cx.version().auth().logout;
    let stop = Stop::failed(
        format!("{} by the guard", logout.status),
        format!("answered: {} ({})", who(answer), answer.summary()),
    );
    let cause = match denying_policy(cx).await {
        Ok(None) => gate(cx).await,
        other => other,
    };
    let stop = stop
        .because(match cx.contract() {
            Contract::A => {
                "authservice does not look for the session's id in Authorization (AUTH_HEADER of oidc-authservice)"
            }
            Contract::B => "the sign-out does not come to oauth2-proxy",
        })
        .fix("restore the guard's objects of kubeflow/manifests");
    blame(stop.at(answer.at()), cause)
}

async fn signs_out(cx: &Ctx) -> Checked {
    let session = cx.login(cx.user()).await?;
    let copy = session.copy();
    let answer = sign_out(cx, &session).await?;
    if answer.status.as_u16() != cx.version().auth().logout.status {
        return Err(unheard(cx, &answer).await);
    }
    let after = session.get("/").await?;
    expect_refusal(&after, "a browser that has signed out")?;
    if cx.version().auth().logout.by_get {
        cx.finding(
            Severity::Low,
            "Any foreign page can sign a user out",
            "The sign-out is a GET without a token, so an image on another site is enough. The release ships it so.",
        );
    }
    if who(&copy.get("/").await?).is_application() {
        cx.finding(
            Severity::Medium,
            "A copy of the session cookie works after the sign-out",
            "The session lives in the cookie alone and cannot be revoked: a stolen copy is good until its day ends, \
             and so is the ID token inside it. The release ships it so; a session store (Redis) for oauth2-proxy \
             changes that.",
        );
    }
    Ok(())
}

async fn copy_is_dead(cx: &Ctx) -> Checked {
    let session = cx.login(cx.user()).await?;
    let copy = session.copy();
    let answer = sign_out(cx, &session).await?;
    let after = copy.get("/").await?;
    match expect_refusal(&after, "a copy of a session that was signed out") {
        Ok(()) => Ok(()),
        Err(stop) if answer.status.as_u16() == cx.version().auth().logout.status => Err(stop),
        Err(_) => Err(unheard(cx, &answer).await),
    }
}
