//! Two claims to an identity in one request: the forged one never wins.

use harness::check::source;
use harness::http::Answer;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, check};
use http::Method;
use serde_json::json;

use super::forge::{self, StrangersKey};
use super::seen::{DASHBOARD, Seen, differs, expect_seen, seen};
use crate::faults::{gate, identity as faults};
use crate::login::id_token::IdToken;

const SECURITY: &[Profile] = &[Profile::Core, Profile::Security];

/// Whom the forged token names.
const MALLORY: &str = "mallory@example.com";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "IDN-030",
        "Of two tokens in one request the forged one never wins",
        Level::Must,
        source("RFC 9110", "section 5.3: repeated fields; Envoy jwt_authn extractors"),
        |cx| Box::pin(two_tokens(cx)),
    )
    .explain(Explain {
        what: "A good token and a forged one that names mallory are sent as two Authorization headers, in both orders, \
               and in one header: no application sees mallory, and none is asked without a user.",
        why: "A gateway that verifies the first token and reads the second one verifies nothing.",
        fix: "v1.9 and later: restore RequestAuthentication istio-system/dex-jwt and AuthorizationPolicy \
              istio-ingressgateway-require-jwt.",
        reproduce: "curl -s -i -H \"authorization: Bearer $TOKEN\" -H \"authorization: Bearer $FORGED\" \
                    \"$GATEWAY/api/workgroup/env-info\"",
    })
    .profiles(SECURITY)
    .after(&["AUT-005"])
    .breaks_on(&[&gate::REMOVED_A, &gate::TOKENS_UNCHECKED_B]),
    check(
        "IDN-031",
        "A forged token beside a session never wins",
        Level::Must,
        source("kubeflow/manifests", "AuthorizationPolicy istio-ingressgateway-oauth2-proxy: when authorization is absent"),
        |cx| Box::pin(beside_session(cx)),
    )
    .explain(Explain {
        what: "A logged-in user sends a forged token along. v1.8 goes by the session and shows the logged-in user; v1.9 \
               and later go by the token and refuse. Nobody shows mallory.",
        why: "Scripts in a notebook can add headers to the requests of whoever opens it.",
        fix: "Restore the gateway's guard: see GWY-020.",
        reproduce: "curl -s -i -b cookies.txt -H \"authorization: Bearer $FORGED\" \
                    \"$GATEWAY/api/workgroup/env-info\"",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::NOT_COPIED_A, &gate::TOKENS_UNCHECKED_B]),
    check(
        "IDN-032",
        "An Authorization header that is no Bearer token lets nobody in",
        Level::Must,
        source("kubeflow/manifests", "AuthorizationPolicy istio-ingressgateway-require-jwt"),
        |cx| Box::pin(not_bearer(cx)),
    )
    .explain(Explain {
        what: "Basic credentials, an empty token and other schemes are sent without a session: all are refused.",
        why: "Since v1.9 any Authorization header at all keeps the gateway from asking oauth2-proxy. Only the policy \
              that demands a token stands between such a request and the applications.",
        fix: "Restore AuthorizationPolicy istio-system/istio-ingressgateway-require-jwt (v1.8: EnvoyFilter \
              authn-filter).",
        reproduce: "curl -s -i -u user@example.com:x \"$GATEWAY/api/workgroup/env-info\"",
    })
    .profiles(SECURITY)
    .breaks_on(&[&gate::REMOVED_A, &gate::TOKEN_NOT_REQUIRED_B]),
];

async fn forged_token(cx: &Ctx) -> Checked<String> {
    let (like, stranger) = (cx.fixture::<IdToken>().await?, cx.fixture::<StrangersKey>().await?);
    let token = forge::signed(&stranger.0, &forge::dated(&like.claims, 60, 3600, &json!({"email": MALLORY})))?;
    cx.secret(&token);
    Ok(token)
}

async fn two_tokens(cx: &Ctx) -> Checked {
    let good = cx.fixture::<IdToken>().await?.token.clone();
    let forged = forged_token(cx).await?;
    let bearer = |token: &str| format!("Bearer {token}");
    let user = Seen::User(cx.user().email.clone());
    for (what, headers) in [
        ("a good token, then a forged one", vec![bearer(&good), bearer(&forged)]),
        ("a forged token, then a good one", vec![bearer(&forged), bearer(&good)]),
        ("both in one header", vec![format!("Bearer {good}, Bearer {forged}")]),
        ("the forged one first in one header", vec![format!("Bearer {forged}, Bearer {good}")]),
    ] {
        let browser = cx.browser();
        let mut request = browser.request(Method::GET, DASHBOARD);
        for header in &headers {
            request = request.header("authorization", header);
        }
        let answer = request.send().await?;
        user_or_refused(cx, &answer, what, &user).await?;
    }
    Ok(())
}

/// The rightful user is seen, or nobody is let in.
async fn user_or_refused(cx: &Ctx, answer: &Answer, what: &str, user: &Seen) -> Checked {
    match seen(cx, answer) {
        Seen::Refused => Ok(()),
        actual if actual == *user => Ok(()),
        actual => Err(differs(cx, answer, what, &Seen::Refused, &actual).await),
    }
}

async fn beside_session(cx: &Ctx) -> Checked {
    let forged = forged_token(cx).await?;
    let wins = cx.version().auth().tokens.cookie_wins;
    let wanted = if wins { Seen::User(cx.user().email.clone()) } else { Seen::Refused };
    let session = cx.user_session().await?;
    let request = session.request(Method::GET, DASHBOARD).bearer(&forged).header("kubeflow-userid", MALLORY);
    expect_seen(cx, request, "a forged token and a forged header beside a session", &wanted).await.map(drop)
}

async fn not_bearer(cx: &Ctx) -> Checked {
    // "user@example.com:x", and nobody's password.
    for value in ["Basic dXNlckBleGFtcGxlLmNvbTp4", "Bearer", "Token abc", "Negotiate abc", "bearer abc", "abc"] {
        let browser = cx.browser();
        let request = browser.request(Method::GET, DASHBOARD).header("authorization", value);
        let what = format!("Authorization of the scheme {}", value.split(' ').next().unwrap_or_default());
        expect_seen(cx, request, &what, &Seen::Refused).await?;
    }
    Ok(())
}
