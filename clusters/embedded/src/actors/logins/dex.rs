//! Dex alone.

use std::sync::Arc;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::stage::{Answer, PASSWORD, Stage, USER};
use crate::platform::Release;
use crate::store::Key;

const CALLBACK: &str = "/oauth2/callback";

/// Dex of a release, and its client.
struct Login {
    stage: Stage,
    pod: Arc<Value>,
    basic: String,
}

impl Login {
    async fn of(release: Release) -> Self {
        let stage = Stage::of(release).await;
        let pod = stage.pod("deployments", "auth", "dex");
        let secret = stage.platform.world().store.get(&Key::new("", "secrets", "auth", "dex-oidc-client")).unwrap();
        let decode =
            |key: &str| String::from_utf8(STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap()).unwrap();
        let pair = format!("{}:{}", decode("OIDC_CLIENT_ID"), decode("OIDC_CLIENT_SECRET"));
        Self { stage, pod, basic: format!("Basic {}", STANDARD.encode(pair)) }
    }

    /// From the authorization request to the login form's address.
    async fn form(&self, more: &str) -> String {
        let query = format!(
            "client_id=kubeflow-oidc-authservice&redirect_uri=%2Foauth2%2Fcallback&response_type=code&\
             scope=openid+email+profile&state=s{more}"
        );
        let asked = self.stage.get(&self.pod, &format!("/dex/auth?{query}")).await;
        assert_eq!(asked.status, StatusCode::FOUND, "{asked:?}");
        let begun = self.stage.get(&self.pod, asked.location()).await;
        assert_eq!(begun.status, StatusCode::FOUND, "{begun:?}");
        begun.location().to_owned()
    }

    async fn log_in(&self, form: &str, user: &str, password: &str) -> Answer {
        self.stage.post(&self.pod, form, &[("login", user), ("password", password)], "").await
    }

    async fn redeem(&self, code: &str, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code", code)];
        form.extend(more);
        self.stage.post(&self.pod, "/dex/token", &form, &self.basic).await
    }

    async fn tokens(&self) -> Value {
        let code = self.log_in(&self.form("").await, USER, PASSWORD).await.location_parameter("code");
        self.redeem(&code, &[]).await.json()
    }
}

fn claims(token: &Value) -> Value {
    let part = token.as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_login_ends_in_tokens_whose_claims_are_as_recorded() {
    let login = Login::of(Release::V1_10_2).await;
    let form = login.form("").await;
    let page = login.stage.get(&login.pod, &form).await;
    assert!(page.body.contains("name=\"login\"") && page.body.contains("name=\"password\""));
    let done = login.log_in(&form, &USER.to_uppercase(), PASSWORD).await;
    assert_eq!((done.status, done.location_parameter("state").as_str()), (StatusCode::SEE_OTHER, "s"));
    let code = done.location_parameter("code");
    let redeemed = login.redeem(&code, &[]).await;
    assert_eq!((redeemed.status, redeemed.header("cache-control")), (StatusCode::OK, "no-store"));
    let tokens = redeemed.json();
    let claims = claims(&tokens["id_token"]);
    let names: Vec<&String> = claims.as_object().unwrap().keys().collect();
    assert_eq!(names, ["iss", "sub", "aud", "exp", "iat", "at_hash", "c_hash", "email", "email_verified", "name"]);
    assert_eq!(claims["sub"], "Cg4xNTg0MTE4NTY0MTc4NBIFbG9jYWw");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 86400);
    assert_eq!((&claims["email"], &claims["email_verified"]), (&json!(USER), &json!(true)));
    let again = login.redeem(&code, &[]).await;
    assert_eq!((again.status, &again.json()["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
}

#[tokio::test]
async fn wrong_credentials_keep_the_form_and_used_forms_are_gone() {
    let login = Login::of(Release::V1_10_2).await;
    let form = login.form("").await;
    for (user, password) in [(USER, "wrong"), ("nobody@example.com", PASSWORD), ("", ""), (USER, "12341234\0x")] {
        let refused = login.log_in(&form, user, password).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert!(refused.body.contains("Invalid Email Address and password."));
    }
    assert_eq!(login.log_in(&form, USER, PASSWORD).await.status, StatusCode::SEE_OTHER);
    assert_eq!(login.log_in(&form, USER, PASSWORD).await.status, StatusCode::BAD_REQUEST);
    let marked = login.log_in(&login.form("").await, "\"><script>", "x").await;
    assert!(!marked.body.contains("<script>"));
}

#[tokio::test]
async fn a_code_is_bound_to_its_verifier_and_survives_a_wrong_one() {
    let login = Login::of(Release::V1_10_2).await;
    let challenge = "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    let code = login.log_in(&login.form(challenge).await, USER, PASSWORD).await.location_parameter("code");
    for (verifier, expected) in [
        ("wrong", StatusCode::BAD_REQUEST),
        ("", StatusCode::BAD_REQUEST),
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", StatusCode::OK),
    ] {
        assert_eq!(login.redeem(&code, &[("code_verifier", verifier)]).await.status, expected, "{verifier}");
    }
}

#[tokio::test]
async fn refusals_of_the_authorization_and_token_endpoints() {
    let login = Login::of(Release::V1_10_2).await;
    let ask = |change: &str| format!("/dex/auth/local?{change}&state=s");
    let good = "client_id=kubeflow-oidc-authservice&redirect_uri=%2Foauth2%2Fcallback";
    for (query, status, expected) in [
        ("client_id=nope".to_owned(), 404, "Invalid client_id (&#34;nope&#34;)."),
        ("client_id=kubeflow-oidc-authservice&redirect_uri=https://evil.test".into(), 400, "Unregistered redirect_uri"),
        (format!("{good}&response_type=code"), 303, "invalid_scope"),
        (format!("{good}&scope=openid+foo"), 303, "Unrecognized+scope%28s%29+%5B%22foo%22%5D"),
        (format!("{good}&scope=openid&response_type=token"), 303, "unsupported_response_type"),
        (format!("{good}&scope=openid&request=x"), 303, "request_not_supported"),
        ("a;b".into(), 400, "Failed to parse request."),
    ] {
        let answer = login.stage.get(&login.pod, &ask(&query)).await;
        assert_eq!(answer.status.as_u16(), status, "{query}");
        assert!(format!("{} {}", answer.location(), answer.body).contains(expected), "{query}: {answer:?}");
    }
    for (form, authorization, status, expected) in [
        (vec![("grant_type", "client_credentials")], "", 400, "unsupported_grant_type"),
        (vec![("grant_type", "password")], &login.basic, 400, "unsupported_grant_type"),
        (vec![("grant_type", "authorization_code"), ("code", "x")], "", 401, "invalid_client"),
        (vec![("grant_type", "authorization_code"), ("code", "x")], &login.basic, 400, "invalid_grant"),
        (vec![("grant_type", "refresh_token"), ("refresh_token", "x")], &login.basic, 400, "invalid_request"),
    ] {
        let answer = login.stage.post(&login.pod, "/dex/token", &form, authorization).await;
        assert_eq!(answer.status.as_u16(), status, "{form:?}");
        assert_eq!(answer.json()["error"], expected, "{form:?}");
    }
}

#[tokio::test]
async fn versions_differ_where_upstream_does() {
    let old = Login::of(Release::V1_8_1).await;
    assert_eq!(old.stage.post(&old.pod, "/dex/token/introspect", &[("token", "x")], "").await.status, 404);
    let document = old.stage.get(&old.pod, "/dex/.well-known/openid-configuration").await.json();
    assert!(document.get("introspection_endpoint").is_none());
    let new = Login::of(Release::V1_9_1).await;
    let token = new.tokens().await["access_token"].as_str().unwrap().to_owned();
    let found = new.stage.post(&new.pod, "/dex/token/introspect", &[("token", &token)], "").await.json();
    assert_eq!((&found["active"], &found["token_use"]), (&json!(true), &json!("access_token")));
    let bearer = Request::get("/dex/userinfo").header("authorization", format!("bearer {token}"));
    assert_eq!(new.stage.send(&new.pod, bearer.body(Body::empty()).unwrap()).await.json()["email"], USER);
}

#[tokio::test]
async fn a_restarted_dex_reads_its_configuration_anew_and_keeps_durable_keys_only() {
    let login = Login::of(Release::V1_10_2).await;
    let keys = login.stage.get(&login.pod, "/dex/keys").await.body;
    let restarted = login.stage.pod("deployments", "auth", "dex");
    assert_eq!(login.stage.get(&restarted, "/dex/keys").await.body, keys);
    login.stage.change(&Key::new("", "configmaps", "auth", "dex"), |object| {
        let text = object["data"]["config.yaml"].as_str().unwrap().replace("kubernetes", "memory");
        object["data"]["config.yaml"] = json!(text.replace("issuer: http", "issuer: https"));
    });
    let discovery = "/dex/.well-known/openid-configuration";
    assert!(login.stage.get(&login.pod, discovery).await.json()["issuer"].as_str().unwrap().starts_with("http:"));
    let restarted = login.stage.pod("deployments", "auth", "dex");
    assert!(login.stage.get(&restarted, discovery).await.json()["issuer"].as_str().unwrap().starts_with("https:"));
    assert_ne!(login.stage.get(&restarted, "/dex/keys").await.body, keys);
}

#[tokio::test]
async fn hostile_requests_are_answered() {
    let login = Login::of(Release::V1_10_2).await;
    let huge = "a".repeat(1 << 20);
    for path in [
        "/dex",
        "/dex/",
        "/dex/auth/",
        "/dex/auth/local/login?state=%00",
        "/dex/auth/local/login?state=%ff%fe",
        "/dex/auth?%",
        "/dex/auth?a=%zz",
        "/dex/approval?hmac=%",
        "/dex/device?user_code=%3Cscript%3E",
        "/dex/auth/%zz?client_id=x",
        "/dex/static/../keys",
        "/dex/keys/..",
        &format!("/dex/auth?state={}", &huge[..60_000]),
    ] {
        let answer = login.stage.get(&login.pod, path).await;
        assert!(answer.status.as_u16() < 500 && !answer.body.contains("<script>"), "{path}: {answer:?}");
    }
    let form = login.form("").await;
    for (kind, body) in [
        ("application/x-www-form-urlencoded", huge.clone().into_bytes()),
        ("application/x-www-form-urlencoded", b"login=%&password=%00\xff\xfe".to_vec()),
        ("application/x-www-form-urlencoded", vec![b'&'; 1 << 20]),
        ("multipart/form-data", b"--x".to_vec()),
    ] {
        let request = Request::post(&form).header("content-type", kind).body(Body::from(body)).unwrap();
        assert_eq!(login.stage.send(&login.pod, request).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn switches_open_the_form() {
    let login = Login::of(Release::V1_10_2).await;
    login.stage.switch("dex-accepts-any-password", true);
    for (user, status) in [(USER, StatusCode::SEE_OTHER), ("nobody@example.com", StatusCode::UNAUTHORIZED)] {
        assert_eq!(login.log_in(&login.form("").await, user, "wrong").await.status, status, "{user}");
    }
    login.stage.switch("dex-accepts-any-password", false);
    login.stage.switch("dex-accepts-any-user", true);
    for (user, status) in [(USER, StatusCode::UNAUTHORIZED), ("nobody@example.com", StatusCode::SEE_OTHER)] {
        assert_eq!(login.log_in(&login.form("").await, user, "wrong").await.status, status, "{user}");
    }
    login.stage.switch("code-reusable", true);
    let code = login.log_in(&login.form("").await, USER, PASSWORD).await.location_parameter("code");
    for _ in 0..2 {
        assert_eq!(login.redeem(&code, &[]).await.status, StatusCode::OK);
    }
}
