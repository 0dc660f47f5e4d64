//! Dex, as those who trust it see it: its discovery document, its keys, its tokens, its clients.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, Stop, check};
use http::Method;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use super::id_token::{IdToken, code, form_for, known_client, redeem};
use super::{diagnose, settings};
use crate::applications::App;
use crate::faults::{gateway, login as faults};
use crate::gateway::diagnose::{Cause, blame, open_path};
use crate::recognise::{Answered, expect, who};

const SECURITY: &[Profile] = &[Profile::Core, Profile::Security];

/// Where Dex publishes its keys.
pub const KEYS: &str = "/dex/keys";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "AUT-060",
        "Dex's discovery document names the issuer that the gateway expects",
        Level::Must,
        source("OpenID Connect Discovery 1.0", "section 3 and 4.3"),
        |cx| Box::pin(discovery(cx)),
    )
    .explain(Explain {
        what: "The issuer in Dex's discovery document is the one that the gateway is configured for, every endpoint \
               lies below it, and codes, RS256 and (since v1.9) PKCE S256 are offered.",
        why: "istiod finds the keys by this document, and every token is compared with this issuer, letter by letter.",
        fix: "Give issuer in ConfigMap auth/dex and in the guard's configuration the same value; since v1.9 in \
              RequestAuthentication istio-system/dex-jwt, too.",
        reproduce: "curl -s \"$GATEWAY/dex/.well-known/openid-configuration\"",
    })
    .breaks_on(&[&faults::ISSUER_CHANGED, &gateway::DEX_ROUTE_REMOVED]),
    check(
        "AUT-061",
        "Dex publishes the public halves of its signing keys, and only these",
        Level::Must,
        source("RFC 7517", "section 4 and 9.2"),
        |cx| Box::pin(keys(cx)),
    )
    .explain(Explain {
        what: "Somebody without a session gets Dex's key set: RSA keys of 2048 bits or more for RS256, each with an \
               id, none with a private member.",
        why: "Whoever checks a token needs them, and whoever gets a private one is everybody.",
        fix: "Restore VirtualService auth/dex and Deployment auth/dex. If a private key was published: delete the \
              object signingkeies/openid-connect-keys in auth and restart Dex.",
        reproduce: "curl -s \"$GATEWAY/dex/keys\"",
    })
    .profiles(SECURITY)
    .breaks_on(&[&faults::DEX_STOPPED, &gateway::DEX_ROUTE_REMOVED]),
    check(
        "AUT-062",
        "An ID token of Dex is signed with a published key and names user and client",
        Level::Must,
        source("OpenID Connect Core 1.0", "section 2 and 3.1.3.7"),
        |cx| Box::pin(token(cx)),
    )
    .explain(Explain {
        what: "An ID token is redeemed with the client's secret and verified as a relying party does: signature, key \
               id, issuer, audience, times, and the e-mail address of the user who logged in.",
        why: "All that the platform knows of its users is in this token.",
        fix: "Look at issuer, staticClients and staticPasswords (or connectors) in ConfigMap auth/dex.",
        reproduce: "Log in as AUT-006 shows, up to the callback, and redeem its code: curl -s -d \
                    grant_type=authorization_code -d code=CODE -d redirect_uri=/oauth2/callback -d client_id=ID -d \
                    client_secret=SECRET \"$GATEWAY/dex/token\"",
    })
    .after(&["AUT-005"])
    .breaks_on(&[&faults::ISSUER_CHANGED]),
    check(
        "AUT-063",
        "Dex sends codes to the registered callback only",
        Level::Must,
        source("RFC 9700", "section 2.1 and 4.1: exact matching of redirect URIs"),
        |cx| Box::pin(callbacks(cx)),
    )
    .explain(Explain {
        what: "A login is begun in the gateway's name with callbacks on another site and with a longer path: Dex shows \
               its error page and no form. The registered callback is shown the form.",
        why: "A code that is sent to somebody else's site is a login that is given away.",
        fix: "Keep the gateway's own callback as the only entry of redirectURIs in ConfigMap auth/dex, and restart \
              Dex.",
        reproduce: "curl -s -L \"$GATEWAY/dex/auth?client_id=kubeflow-oidc-authservice&response_type=code&scope=openid\
                    &redirect_uri=https://conformance.example.org/callback\" | grep -i redirect_uri",
    })
    .profiles(SECURITY)
    .after(&["AUT-004"])
    .breaks_on(&[&faults::CALLBACK_ELSEWHERE]),
    check(
        "AUT-064",
        "Dex redeems a code for whoever knows the client's secret only",
        Level::Must,
        source("RFC 6749", "section 4.1.3 and 5.2"),
        |cx| Box::pin(client_secret(cx)),
    )
    .explain(Explain {
        what: "A granted code is redeemed without a secret and with a wrong one: Dex refuses both. With the right \
               secret the same code is redeemed once.",
        why: "Codes pass through browsers, histories and logs. The secret is what makes a found one worthless.",
        fix: "The gateway's client in ConfigMap auth/dex needs a secret, and must not be public.",
        reproduce: "curl -s -i -d grant_type=authorization_code -d code=CODE -d redirect_uri=/oauth2/callback -d \
                    client_id=kubeflow-oidc-authservice \"$GATEWAY/dex/token\"",
    })
    .profiles(SECURITY)
    .after(&["AUT-005"])
    .breaks_on(&[&faults::CLIENT_PUBLIC]),
];

async fn discovery(cx: &Ctx) -> Checked {
    let answer = cx.browser().get(App::Dex.entry().page).await?;
    if let Err(stop) = expect(&answer, &Answered::DexDiscovery) {
        return Err(blame(stop, open_path(cx, App::Dex.entry()).await));
    }
    let document = answer.json().unwrap_or_default();
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let holds = |name: &str, wanted: &str| {
        document.get(name).and_then(Value::as_array).is_some_and(|list| list.iter().any(|item| item == wanted))
    };
    let expected = settings::expected_issuer(cx).await?;
    let issuer = text("issuer");
    if issuer != expected {
        let stop = Stop::failed(format!("issuer {expected}"), format!("issuer {issuer}"));
        return Err(stop
            .at(answer.at())
            .because("issuer in ConfigMap auth/dex differs from what the gateway is configured for")
            .fix(format!("set issuer to {expected}, and restart Dex")));
    }
    for name in ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"] {
        if !text(name).starts_with(&format!("{issuer}/")) {
            let stop = Stop::failed(format!("{name} below {issuer}"), format!("{name} {}", text(name)));
            return Err(stop.at(answer.at()).because("the document is not the one of this issuer"));
        }
    }
    let mut wanted = vec![("response_types_supported", "code"), ("id_token_signing_alg_values_supported", "RS256")];
    if cx.version().auth().login.pkce {
        wanted.push(("code_challenge_methods_supported", "S256"));
    }
    for (name, value) in wanted {
        if !holds(name, value) {
            let found = document.get(name).cloned().unwrap_or_default();
            return Err(Stop::failed(format!("{name} with {value}"), found.to_string())
                .at(answer.at())
                .because("oauth2 in ConfigMap auth/dex leaves it out")
                .fix("restore ConfigMap auth/dex of kubeflow/manifests"));
        }
    }
    Ok(())
}

/// Dex's key set as it is published.
pub async fn key_set(cx: &Ctx) -> Checked<Value> {
    let answer = cx.browser().get(KEYS).await?;
    let keys = answer.json().filter(|json| json.get("keys").is_some_and(Value::is_array));
    match keys {
        Some(keys) if answer.status.is_success() => Ok(keys),
        _ => {
            let stop = Stop::failed("a JSON Web Key Set", format!("answered: {} ({})", who(&answer), answer.summary()));
            Err(blame(stop.at(answer.at()), open_path(cx, App::Dex.entry()).await))
        }
    }
}

async fn keys(cx: &Ctx) -> Checked {
    let keys = key_set(cx).await?;
    let keys = keys.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
    if keys.is_empty() {
        return Err(Stop::failed("one key at least", "an empty key set").at(format!("GET {KEYS}")));
    }
    for key in &keys {
        let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default();
        // 2048 bits are 256 bytes, in base64url 342 letters.
        let problem = if key.get("d").is_some() || key.get("p").is_some() {
            Some(("no private members", "a private key"))
        } else if text("kty") != "RSA" || text("alg") != "RS256" || text("use") != "sig" {
            Some(("an RSA key to verify RS256 with", "another kind of key"))
        } else if text("kid").is_empty() {
            Some(("a key id", "none"))
        } else if text("n").len() < 342 {
            Some(("2048 bits or more", "a shorter key"))
        } else {
            None
        };
        if let Some((expected, actual)) = problem {
            return Err(Stop::failed(expected, format!("{actual}: kid {:?}, kty {:?}", text("kid"), text("kty")))
                .at(format!("GET {KEYS}"))
                .because("Dex publishes a key that it should not")
                .fix("delete signingkeies/openid-connect-keys in namespace auth, and restart Dex"));
        }
    }
    Ok(())
}

async fn token(cx: &Ctx) -> Checked {
    let token = cx.fixture::<IdToken>().await?;
    let keys = key_set(cx).await?;
    let at = "POST /dex/token";
    let set: JwkSet = serde_json::from_value(keys)
        .map_err(|error| Stop::failed("a JSON Web Key Set", format!("one that cannot be read: {error}")).at(KEYS))?;
    let kid = token.header.get("kid").and_then(Value::as_str).unwrap_or_default();
    let key = set.find(kid).and_then(|key| DecodingKey::from_jwk(key).ok());
    let Some(key) = key else {
        return Err(Stop::failed(format!("key {kid} is published"), "no such key").at(format!("GET {KEYS}")));
    };
    let expected = settings::expected_issuer(cx).await?;
    let client = known_client(cx).await?;
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_issuer(&[&expected]);
    rules.set_audience(&[&client.id]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    if let Err(error) = jsonwebtoken::decode::<Value>(&token.token, &key, &rules) {
        let found = |name: &str| token.claims.get(name).cloned().unwrap_or_default();
        let stop = Stop::failed(
            format!("a token that {expected} signed for {}", client.id),
            format!("{error}: iss {}, aud {}", found("iss"), found("aud")),
        );
        return Err(blame(stop.at(at), issuer_cause(cx, &expected).await));
    }
    let email = token.claims.get("email").and_then(Value::as_str).unwrap_or_default();
    if !email.eq_ignore_ascii_case(&cx.user().email) {
        return Err(Stop::failed(format!("email {}", cx.user().email), format!("email {email}"))
            .at(at)
            .because("the user's entry in Dex (staticPasswords or connector)"));
    }
    let form = [("token", token.token.as_str())];
    let answer = cx.browser().request(Method::POST, "/dex/token/introspect").form(&form).send().await?;
    if answer.json().is_some_and(|json| json.get("active") == Some(&Value::Bool(true))) {
        cx.finding(
            Severity::Low,
            "Dex tells anybody about a token",
            "/dex/token/introspect answers without client authentication. The release ships it so.",
        );
    }
    Ok(())
}

async fn issuer_cause(cx: &Ctx, expected: &str) -> Checked<Option<Cause>> {
    let config = settings::dex_config(cx).await?;
    if config.lines().any(|line| line.trim() == format!("issuer: {expected}")) {
        return diagnose::client(cx).await;
    }
    Ok(Some(Cause::new(
        format!("the issuer in ConfigMap auth/dex is not {expected}"),
        format!("set issuer to {expected}, and restart Dex"),
    )))
}

async fn callbacks(cx: &Ctx) -> Checked {
    let client = known_client(cx).await?;
    let registered = cx.version().auth().login.callback;
    let longer = format!("{registered}/more");
    for callback in ["https://conformance.example.org/callback", longer.as_str(), "//conformance.example.org/callback"]
    {
        let answer = form_for(cx, &cx.browser(), &client, callback).await?;
        let who = who(&answer);
        if !matches!(who, Answered::DexError(_)) {
            return Err(Stop::failed(
                format!("Dex's error page for the callback {callback}"),
                format!("answered: {who} ({})", answer.summary()),
            )
            .at(answer.at())
            .because("redirectURIs in ConfigMap auth/dex hold more than the gateway's own callback")
            .fix(format!("leave {registered} as the only one, and restart Dex")));
        }
    }
    let answer = form_for(cx, &cx.browser(), &client, registered).await?;
    match who(&answer) {
        Answered::DexForm { .. } => Ok(()),
        other => {
            Err(Stop::errored("precondition", format!("the control failed: {registered} was answered by {other}")))
        }
    }
}

async fn client_secret(cx: &Ctx) -> Checked {
    let client = known_client(cx).await?;
    let session = cx.browser();
    let code = code(cx, &session, &client).await?;
    let wrong = format!("not-the-secret-{}", cx.environment().run_id);
    for (what, secret) in [("without a secret", None), ("with a wrong secret", Some(wrong.as_str()))] {
        let answer = redeem(cx, &session, &client.id, secret, &code).await?;
        let error = answer.json().and_then(|json| Some(json.get("error")?.as_str()?.to_owned())).unwrap_or_default();
        if answer.status.as_u16() == 401 && error == "invalid_client" {
            continue;
        }
        let given = answer.json().is_some_and(|json| json.get("id_token").is_some());
        let actual = if given { "an ID token was handed out".to_owned() } else { answer.summary() };
        return Err(Stop::failed(format!("401 invalid_client for a code redeemed {what}"), actual)
            .at(answer.at())
            .because("Dex's client of the gateway has no secret (public, or an empty one)")
            .fix("give the client in ConfigMap auth/dex its secretEnv back, and restart Dex"));
    }
    let answer = redeem(cx, &session, &client.id, Some(&client.secret), &code).await?;
    let redeemed = answer.json().and_then(|json| Some(json.get("id_token")?.as_str()?.to_owned()));
    match redeemed {
        Some(token) => {
            cx.secret(&token);
            Ok(())
        }
        None => Err(Stop::errored(
            "precondition",
            format!("the control failed: with the secret of {} Dex answered {}", client.place, answer.summary()),
        )),
    }
}
