//! Tokens in the Authorization header: Dex's own are good, and no others.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, Stop, check};
use http::Method;
use serde_json::json;

use super::forge::{self, DexKey, StrangersKey};
use super::seen::{DASHBOARD, Seen, differs, expect_seen, seen};
use crate::faults::{gate, identity as faults, login};
use crate::login::dex::key_set;
use crate::login::id_token::IdToken;
use crate::objects;

const SECURITY: &[Profile] = &[Profile::Core, Profile::Security];

const FIX: &str = "v1.9 and later: restore RequestAuthentication istio-system/dex-jwt and AuthorizationPolicy \
                   istio-ingressgateway-require-jwt of kubeflow/manifests. v1.8: nothing in a configuration allows \
                   this; look for a program in place of authservice.";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "IDN-020",
        "An ID token of Dex lets its user in",
        Level::Must,
        source("kubeflow/manifests", "RequestAuthentication istio-system/dex-jwt; authservice: idTokenAuthenticator"),
        |cx| Box::pin(good(cx)),
    )
    .explain(Explain {
        what: "A program sends the user's ID token as Authorization: Bearer, without a cookie: the dashboard sees the \
               user whom the token names.",
        why: "The SDKs of Pipelines and Katib come in this way. It also is the control of the checks that follow.",
        fix: "v1.9 and later: issuer of RequestAuthentication istio-system/dex-jwt must be Dex's, and no audiences may \
              exclude its client. v1.8: ID_TOKEN_HEADER of oidc-authservice must be unset or Authorization.",
        reproduce: "curl -s -H \"authorization: Bearer $TOKEN\" \"$GATEWAY/api/workgroup/env-info\" (a token: see \
                    AUT-062)",
    })
    .after(&["AUT-005"])
    .breaks_on(&[&login::SIGN_OUT_UNHEARD_A, &faults::AUDIENCE_UNKNOWN_B]),
    check(
        "IDN-021",
        "A token without a signature is refused",
        Level::Must,
        source("RFC 8725", "section 2.1 and 3.1: algorithm none"),
        |cx| Box::pin(unsigned(cx)),
    )
    .explain(Explain {
        what: "Tokens with the claims of a good one and the algorithm none, in four spellings, with and without \
               something in the signature's place: all are refused.",
        why: "It is the oldest hole of JWT libraries: whoever writes the token is believed.",
        fix: FIX,
        reproduce: "curl -s -i -H \"authorization: Bearer $(printf '{\"alg\":\"none\"}' | basenc --base64url -w0 | tr \
                    -d =).$CLAIMS.\" \"$GATEWAY/api/workgroup/env-info\"",
    })
    .profiles(SECURITY)
    .after(&["AUT-005"])
    .breaks_on(&[&gate::REMOVED_A, &gate::TOKENS_UNCHECKED_B]),
    check(
        "IDN-022",
        "A token that has ended is refused",
        Level::Must,
        source("RFC 7519", "section 4.1.4; Envoy jwt_authn allows 60 seconds of skew"),
        |cx| Box::pin(expired(cx)),
    )
    .explain(Explain {
        what: "Dex's own signing key, read from its object, signs a token that ended an hour ago: it is refused. The \
               same token with a future end is accepted.",
        why: "Tokens end up in scripts and logs. Their end is the only thing that makes a lost one worthless.",
        fix: FIX,
        reproduce: "Keep a token for a day and send it again, as IDN-020 shows.",
    })
    .profiles(SECURITY)
    .after(&["IDN-020"])
    .breaks_on(&[&faults::EXPIRY_UNCHECKED]),
    check(
        "IDN-023",
        "A token of another issuer is refused",
        Level::Must,
        source("OpenID Connect Core 1.0", "section 3.1.3.7: iss"),
        |cx| Box::pin(other_issuer(cx)),
    )
    .explain(Explain {
        what: "Tokens that name another issuer, signed by a key that this run made and (where it can be read) by Dex's \
               own: all are refused.",
        why: "Anybody can run an issuer.",
        fix: FIX,
        reproduce: "Send an ID token of another OpenID provider, as IDN-020 shows.",
    })
    .profiles(SECURITY)
    .after(&["AUT-005"])
    .breaks_on(&[&gate::REMOVED_A, &gate::TOKENS_UNCHECKED_B]),
    check(
        "IDN-024",
        "A token for another audience is worth what the release promises",
        Level::Must,
        source("OpenID Connect Core 1.0", "section 3.1.3.7: aud"),
        |cx| Box::pin(other_audience(cx)),
    )
    .explain(Explain {
        what: "Dex's own signing key, read from its object, signs a token for another client. v1.8 refuses it. v1.9 and \
               later have no audiences configured and take it: that is reported, and the user seen must still be the \
               token's.",
        why: "Every application that users log in to by the same Dex gets such tokens, and can use them here.",
        fix: "v1.9 and later: add the gateway's client id to audiences of RequestAuthentication istio-system/dex-jwt.",
        reproduce: "Send an ID token that Dex issued for another client, as IDN-020 shows.",
    })
    .profiles(SECURITY)
    .after(&["IDN-020"])
    .breaks_on(&[&faults::AUDIENCE_UNCHECKED_A]),
    check(
        "IDN-025",
        "A token that another key signed is refused",
        Level::Must,
        source("RFC 7515", "section 5.2"),
        |cx| Box::pin(other_key(cx)),
    )
    .explain(Explain {
        what: "Tokens with the claims of a good one are signed by a key that this run made: under the id of Dex's key, \
               under an id of its own, and without an id. All are refused.",
        why: "The signature is all that stands between a user and every user.",
        fix: FIX,
        reproduce: "Sign the claims of a token anew (openssl dgst -sha256 -sign), and send it as IDN-020 shows.",
    })
    .profiles(SECURITY)
    .after(&["AUT-005"])
    .breaks_on(&[&gate::REMOVED_A, &gate::TOKENS_UNCHECKED_B]),
    check(
        "IDN-026",
        "A token that is signed with Dex's public key as a password is refused",
        Level::Must,
        source("RFC 8725", "section 2.1: algorithm confusion"),
        |cx| Box::pin(public_key_as_secret(cx)),
    )
    .explain(Explain {
        what: "A token with the claims of a good one is signed by HS256, with Dex's published key as the secret: it is \
               refused.",
        why: "A verifier that lets the token choose the algorithm takes a public key for a shared secret.",
        fix: FIX,
        reproduce: "openssl dgst -sha256 -hmac \"$(cat dex-public.pem)\" over header and claims, and send the token as \
                    IDN-020 shows.",
    })
    .profiles(SECURITY)
    .after(&["AUT-005"])
    .breaks_on(&[&gate::REMOVED_A, &gate::TOKENS_UNCHECKED_B]),
    check(
        "IDN-027",
        "What is no token is refused, with the reason where the release gives one",
        Level::Must,
        source("RFC 6750", "section 3: WWW-Authenticate"),
        |cx| Box::pin(garbage(cx)),
    )
    .explain(Explain {
        what: "Text, half a token, a token with a changed letter, one of five parts and one in which no part is JSON are \
               sent as Bearer: all are refused. v1.9 and later say so in WWW-Authenticate.",
        why: "A program whose token is broken must be told so, and not be sent to a login page.",
        fix: FIX,
        reproduce: "curl -s -i -H 'authorization: Bearer abc' \"$GATEWAY/api/workgroup/env-info\"",
    })
    .profiles(SECURITY)
    .after(&["AUT-005"])
    .breaks_on(&[&gate::REMOVED_A, &gate::TOKENS_UNCHECKED_B]),
];

async fn good(cx: &Ctx) -> Checked {
    let token = cx.fixture::<IdToken>().await?;
    let browser = cx.browser();
    let request = browser.request(Method::GET, DASHBOARD).bearer(&token.token);
    expect_seen(cx, request, "the user's ID token", &Seen::User(cx.user().email.clone())).await.map(drop)
}

/// Sends a token, and fails unless it is refused.
async fn refused(cx: &Ctx, what: &str, token: &str) -> Checked {
    let browser = cx.browser();
    expect_seen(cx, browser.request(Method::GET, DASHBOARD).bearer(token), what, &Seen::Refused).await.map(drop)
}

async fn unsigned(cx: &Ctx) -> Checked {
    let like = cx.fixture::<IdToken>().await?;
    let kid = objects::text(&like.header, "/kid");
    let signature = like.token.rsplit('.').next().unwrap_or_default();
    for alg in ["none", "None", "NONE", ""] {
        refused(cx, &format!("a token of the algorithm {alg:?}"), &forge::unsigned(alg, kid, &like.claims, "")).await?;
        let token = forge::unsigned(alg, kid, &like.claims, signature);
        refused(cx, &format!("a token of the algorithm {alg:?} with another one's signature"), &token).await?;
    }
    Ok(())
}

async fn expired(cx: &Ctx) -> Checked {
    let (like, key) = (cx.fixture::<IdToken>().await?, cx.fixture::<DexKey>().await?);
    let browser = cx.browser();
    let user = Seen::User(cx.user().email.clone());
    let control = forge::signed(&key.0, &forge::dated(&like.claims, 60, 3600, &json!({})))?;
    let answer = browser.request(Method::GET, DASHBOARD).bearer(&control).send().await?;
    if seen(cx, &answer) != user {
        let message = format!("the control failed: a token of Dex's key got {}", answer.summary());
        return Err(Stop::errored("precondition", message));
    }
    refused(
        cx,
        "a token that ended an hour ago",
        &forge::signed(&key.0, &forge::dated(&like.claims, 7200, 3600, &json!({})))?,
    )
    .await
}

async fn other_issuer(cx: &Ctx) -> Checked {
    let (like, stranger) = (cx.fixture::<IdToken>().await?, cx.fixture::<StrangersKey>().await?);
    for issuer in ["https://conformance.example.org/dex", "https://accounts.google.com", ""] {
        let claims = forge::dated(&like.claims, 60, 3600, &json!({"iss": issuer}));
        refused(cx, &format!("a token of the issuer {issuer:?}"), &forge::signed(&stranger.0, &claims)?).await?;
    }
    let Ok(key) = cx.fixture::<DexKey>().await else { return Ok(()) };
    let claims = forge::dated(&like.claims, 60, 3600, &json!({"iss": "https://conformance.example.org/dex"}));
    refused(cx, "a token of another issuer that Dex's key signed", &forge::signed(&key.0, &claims)?).await
}

async fn other_audience(cx: &Ctx) -> Checked {
    let (like, key) = (cx.fixture::<IdToken>().await?, cx.fixture::<DexKey>().await?);
    let claims = forge::dated(&like.claims, 60, 3600, &json!({"aud": "another-client"}));
    let token = forge::signed(&key.0, &claims)?;
    if cx.version().auth().tokens.audience.is_some() {
        return refused(cx, "a token for another client", &token).await;
    }
    let answer = cx.browser().request(Method::GET, DASHBOARD).bearer(&token).send().await?;
    match seen(cx, &answer) {
        // Somebody has configured audiences: better than the release.
        Seen::Refused => Ok(()),
        Seen::User(user) if user == cx.user().email => {
            cx.finding(
                Severity::Medium,
                "The gateway takes tokens that are meant for other clients",
                "RequestAuthentication istio-system/dex-jwt has no audiences. The release ships it so.",
            );
            Ok(())
        }
        actual => {
            let wanted = Seen::User(cx.user().email.clone());
            Err(differs(cx, &answer, "a token for another client", &wanted, &actual).await)
        }
    }
}

async fn other_key(cx: &Ctx) -> Checked {
    let (like, stranger) = (cx.fixture::<IdToken>().await?, cx.fixture::<StrangersKey>().await?);
    let claims = forge::dated(&like.claims, 60, 3600, &json!({}));
    let kid = objects::text(&like.header, "/kid").to_owned();
    for (what, id) in
        [("under the id of Dex's key", kid.as_str()), ("under its own id", stranger.0.id.as_str()), ("", "")]
    {
        let token = forge::signed_as(&stranger.0, id, &claims)?;
        refused(cx, &format!("a token that another key signed {what}"), &token).await?;
    }
    Ok(())
}

async fn public_key_as_secret(cx: &Ctx) -> Checked {
    let like = cx.fixture::<IdToken>().await?;
    let keys = key_set(cx).await?;
    let claims = forge::dated(&like.claims, 60, 3600, &json!({}));
    for key in objects::items(&keys, "/keys") {
        let token = forge::signed_with_public_key(key, &claims)?;
        refused(cx, "a token signed with the public key as a password", &token).await?;
    }
    Ok(())
}

async fn garbage(cx: &Ctx) -> Checked {
    let like = cx.fixture::<IdToken>().await?;
    let half: String = like.token.chars().take(like.token.len() / 2).collect();
    let changed = like.token.replacen('.', ".A", 1);
    let reason = cx.version().auth().tokens.bad_bearer.www_authenticate;
    for (what, token) in [
        ("a word", "abc"),
        ("half a token", half.as_str()),
        ("a token with one letter more", changed.as_str()),
        ("five parts", "a.b.c.d.e"),
        ("three parts that are no JSON", "YQ.YQ.YQ"),
    ] {
        let browser = cx.browser();
        let request = browser.request(Method::GET, DASHBOARD).bearer(token);
        let answer = expect_seen(cx, request, what, &Seen::Refused).await?;
        if reason && !answer.header("www-authenticate").starts_with("Bearer") {
            return Err(Stop::failed("WWW-Authenticate: Bearer …", format!("none ({})", answer.summary()))
                .at(answer.at())
                .because("something before the gateway removes the header, or another program refuses")
                .fix("look at the proxies before the gateway"));
        }
    }
    Ok(())
}
