//! oauth2-proxy with Dex behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::browser::Browser;
use super::stage::{Stage, USER};
use crate::platform::Release;
use crate::store::Key;

const SESSION: &str = "oauth2_proxy_kubeflow";
const CSRF: &str = "oauth2_proxy_kubeflow_csrf";

async fn stage() -> (Stage, Arc<Value>, Arc<Value>) {
    let stage = Stage::of(Release::V1_10_2).await;
    let dex = stage.running("deployments", "auth", "dex");
    let proxy = stage.pod("deployments", "oauth2-proxy", "oauth2-proxy");
    (stage, dex, proxy)
}

fn browser<'a>((stage, dex, proxy): &'a (Stage, Arc<Value>, Arc<Value>)) -> Browser<'a> {
    Browser { stage, dex: dex.clone(), proxy: proxy.clone(), jar: BTreeMap::new() }
}

async fn log_in(browser: &mut Browser<'_>) {
    let asked = browser.get("/oauth2/start?rd=/x").await;
    let callback = browser.give_password(&asked).await;
    assert_eq!(browser.get(&callback).await.location(), "/x");
}

#[tokio::test]
async fn a_login_ends_in_a_session_that_the_gateway_learns_of() {
    let stage = stage().await;
    let mut browser = browser(&stage);
    let anonymous = browser.get("/pipeline?x=1").await;
    assert_eq!(anonymous.status, StatusCode::FORBIDDEN);
    assert!(anonymous.body.contains("name=\"rd\" value=\"/pipeline?x=1\""));
    for path in ["/jupyter/api/x", "/ml_metadata", "/?x=/apis/"] {
        let refused = browser.get(path).await;
        assert_eq!((refused.status, refused.body.as_str()), (StatusCode::UNAUTHORIZED, "{}"), "{path}");
    }
    let asked = browser.get("/oauth2/start?rd=/x").await;
    for (name, value) in [("prompt", "none"), ("code_challenge_method", "S256"), ("redirect_uri", "/oauth2/callback")] {
        assert_eq!(asked.location_parameter(name), value);
    }
    assert!(asked.location().starts_with("/dex/auth?client_id=") && browser.jar.contains_key(CSRF));
    let callback = browser.give_password(&asked).await;
    let done = browser.get(&callback).await;
    assert_eq!((done.status, done.location()), (StatusCode::FOUND, "/x"), "{done:?}");
    assert_eq!(browser.jar.keys().collect::<Vec<_>>(), [SESSION]);
    let checked = browser.get("/pipeline").await;
    assert_eq!((checked.status, checked.body.as_str()), (StatusCode::OK, "Authenticated"));
    assert_eq!(checked.header("x-auth-request-email"), USER);
    assert!(checked.header("authorization").starts_with("Bearer ey"));
    assert_eq!(browser.get("/oauth2/auth").await.status, StatusCode::ACCEPTED);
    assert_eq!(browser.get("/oauth2/auth?allowed_groups=x").await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.get("/oauth2/auth?allowed_emails=a@b,user@example.com").await.status, StatusCode::ACCEPTED);
    assert_eq!(browser.get("/oauth2/userinfo").await.json()["email"], USER);
    let cookie = browser.jar.clone();
    assert_eq!(browser.get("/oauth2/sign_out").await.status, StatusCode::FOUND);
    assert_eq!(browser.get("/").await.status, StatusCode::FORBIDDEN);
    browser.jar = cookie;
    assert_eq!(browser.get("/").await.status, StatusCode::OK, "a copied cookie outlives the sign-out");
}

#[tokio::test]
async fn a_callback_needs_its_own_browser_code_and_state() {
    let stage = stage().await;
    let mut browser = browser(&stage);
    let asked = browser.get("/oauth2/start?rd=/").await;
    let callback = browser.give_password(&asked).await;
    let own = std::mem::take(&mut browser.jar);
    assert_eq!(browser.get(&callback).await.status, StatusCode::FORBIDDEN, "without a csrf cookie");
    browser.get("/oauth2/start?rd=/").await;
    assert_eq!(browser.get(&callback).await.status, StatusCode::INTERNAL_SERVER_ERROR, "with another login's");
    browser.jar = own.clone();
    browser.jar.insert(CSRF.into(), own[CSRF].replace('|', "A|"));
    assert_eq!(browser.get(&callback).await.status, StatusCode::FORBIDDEN, "with a broken one");
    for (path, expected) in [
        ("/oauth2/callback".to_owned(), 500),
        ("/oauth2/callback?code=x&state=nocolon".into(), 500),
        ("/oauth2/callback?code=x&state=a:/".into(), 500),
        ("/oauth2/callback?state=a:/".into(), 500),
        ("/oauth2/callback?error=access_denied&state=a:/".into(), 403),
        ("/oauth2/callback?%zz".into(), 500),
    ] {
        browser.jar = own.clone();
        assert_eq!(browser.get(&path).await.status.as_u16(), expected, "{path}");
    }
    browser.jar = own.clone();
    assert_eq!(browser.get(&callback).await.status, StatusCode::FOUND, "the code was never spent");
    browser.jar = own;
    assert_eq!(browser.get(&callback).await.status, StatusCode::INTERNAL_SERVER_ERROR, "twice");
}

#[tokio::test]
async fn a_wrong_nonce_spends_the_code_and_a_foreign_target_is_dropped() {
    let stage = stage().await;
    let mut browser = browser(&stage);
    let asked = browser.get("/oauth2/start?rd=/").await;
    let callback = browser.give_password(&asked).await;
    let jar = browser.jar.clone();
    let wrong = browser.get(&callback.replace("state=", "state=x")).await;
    assert_eq!((wrong.status, wrong.set_cookies().len()), (StatusCode::FORBIDDEN, 1));
    browser.jar = jar;
    assert_eq!(browser.get(&callback).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    browser.jar.clear();
    let asked = browser.get("/oauth2/start?rd=/").await;
    let callback = browser.give_password(&asked).await;
    assert_eq!(browser.get(&callback.replace("%3A%2F", "%3Ahttps://evil.test/")).await.location(), "/");
}

#[tokio::test]
async fn targets_off_the_site_become_the_root() {
    let stage = stage().await;
    let mut browser = browser(&stage);
    for target in [
        "//evil.test",
        "https://evil.test",
        "/\\evil.test",
        "%2F%2Fevil.test",
        "/%09/evil.test",
        "/.//evil.test",
        "/./evil.test",
        "/..//evil.test",
        "javascript:alert(1)",
        "///evil.test",
        "/%20/evil.test",
        "@evil.test",
        "/%2f%2fevil.test",
        "/%0b/evil.test",
        "",
    ] {
        let asked = browser.get(&format!("/oauth2/start?rd={target}")).await;
        assert!(asked.location_parameter("state").ends_with(":/"), "{target}");
        assert_eq!(browser.get(&format!("/oauth2/sign_out?rd={target}")).await.location(), "/", "{target}");
    }
    assert_eq!(browser.get("/oauth2/start?rd=/;x").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(browser.get("/oauth2/sign_out?rd=/;x").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(browser.get("/oauth2/sign_out?rd=/%0d%0aSet-Cookie:x").await.location(), "/  Set-Cookie:x");
}

#[tokio::test]
async fn sessions_that_are_not_good_are_deleted() {
    let stage = stage().await;
    let mut browser = browser(&stage);
    log_in(&mut browser).await;
    let good = browser.jar[SESSION].clone();
    for bad in [String::new(), "abc".into(), good[1..].into(), good[..good.len() / 2].into(), good.replace('|', "|1")] {
        let request =
            |path: &str| Request::get(path).header("cookie", format!("{SESSION}={bad}")).body(Body::empty()).unwrap();
        let refused = stage.0.send(&stage.2, request("/")).await;
        assert_eq!((refused.status, refused.set_cookies().len()), (StatusCode::FORBIDDEN, 2), "{bad}");
        let refused = stage.0.send(&stage.2, request("/api/x")).await;
        assert_eq!((refused.status, refused.set_cookies().len()), (StatusCode::UNAUTHORIZED, 1), "{bad}");
        assert!(refused.set_cookies()[0].starts_with(&format!("{SESSION}=; Path=/; Expires=")));
    }
}

#[tokio::test]
async fn another_secret_or_version_decides_what_a_restarted_proxy_accepts() {
    let stage = stage().await;
    let mut browser = browser(&stage);
    log_in(&mut browser).await;
    let deployment = Key::new("apps", "deployments", "oauth2-proxy", "oauth2-proxy");
    stage.0.change(&deployment, |object| {
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("mirror/oauth2-proxy:v7.6.0");
    });
    browser.proxy = stage.0.pod("deployments", "oauth2-proxy", "oauth2-proxy");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(browser.get("/oauth2/callback").await.status, StatusCode::FORBIDDEN, "7.6 looks for the cookie first");
    let secret = Key::new("", "secrets", "oauth2-proxy", "oauth2-proxy-blueprint");
    stage.0.change(&secret, |object| {
        object["data"]["cookie-secret"] = json!("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=")
    });
    assert_eq!(browser.get("/").await.status, StatusCode::OK, "a running one keeps its secret");
    browser.proxy = stage.0.pod("deployments", "oauth2-proxy", "oauth2-proxy");
    assert_eq!(browser.get("/").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn probes_paths_and_hostile_requests_are_answered() {
    let stage = stage().await;
    let mut browser = browser(&stage);
    for (path, status) in [
        ("/ping", 200),
        ("/ready", 200),
        ("/robots.txt", 200),
        ("//x", 301),
        ("/a/../b", 301),
        ("/%", 400),
        ("/oauth2/nope", 403),
        ("/oauth2", 403),
        ("/oauth2/static/nope", 404),
        ("/oauth2/auth", 401),
        ("/oauth2/userinfo", 401),
        ("/oauth2/sign_in", 200),
        ("/x?a;b", 403),
    ] {
        assert_eq!(browser.get(path).await.status.as_u16(), status, "{path}");
    }
    assert_eq!(stage.0.get(&stage.2, "/dex/x").await.status, StatusCode::OK, "skip_auth_routes");
    assert_eq!(browser.get("//x//y?a=//").await.location(), "/x/y?a=//");
    assert!(browser.get("/oauth2/auth").await.header("cache-control").is_empty());
    let marked = browser.get("/x?%22%3E%3Cscript%3E='").await;
    assert!(!marked.body.contains("<script>") && !marked.body.contains("='"));
    log_in(&mut browser).await;
    for (path, location) in [("/pipeline/..%2fdex/healthz", "/dex/healthz"), ("/a%2f%2fb?c", "/a/b?c")] {
        assert_eq!(browser.get(path).await.location(), location, "{path}");
    }
    let huge = "a".repeat(1 << 20);
    for header in [format!("{SESSION}={huge}"), ";;;===".into(), format!("{SESSION}=|||")] {
        let request = Request::get("/").header("cookie", header).body(Body::empty()).unwrap();
        assert_eq!(stage.0.send(&stage.2, request).await.status, StatusCode::FORBIDDEN);
    }
    let body = Request::post("/oauth2/callback").header("content-type", "application/x-www-form-urlencoded");
    let request = body.body(Body::from(vec![0xff; 11 << 20])).unwrap();
    assert_eq!(stage.0.send(&stage.2, request).await.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_ends_a_login_in_an_error() {
    let stage = stage().await;
    let mut browser = browser(&stage);
    let asked = browser.get("/oauth2/start?rd=/").await;
    let callback = browser.give_password(&asked).await;
    stage.0.platform.world().store.delete(&Key::new("", "pods", "auth", "dex-0")).unwrap();
    assert_eq!(browser.get(&callback).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(browser.get("/ready").await.status, StatusCode::OK);
}

#[tokio::test]
async fn switches_break_the_login() {
    let stage = stage().await;
    let mut browser = browser(&stage);
    stage.0.switch("state-unchecked", true);
    let asked = browser.get("/oauth2/start?rd=/x").await;
    let callback = browser.give_password(&asked).await;
    browser.jar.clear();
    let done = browser.get(&callback.replace("state=", "state=x")).await;
    assert_eq!((done.status, done.location()), (StatusCode::FOUND, "/x"), "{done:?}");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    stage.0.switch("state-unchecked", false);
    stage.0.switch("code-reusable", true);
    let asked = browser.get("/oauth2/start?rd=/x").await;
    let callback = browser.give_password(&asked).await;
    let jar = browser.jar.clone();
    for _ in 0..2 {
        browser.jar = jar.clone();
        assert_eq!(browser.get(&callback).await.location(), "/x");
    }
    browser.jar = [(SESSION.to_owned(), "x".to_owned())].into();
    assert_eq!(browser.get("/").await.status, StatusCode::FORBIDDEN);
    browser.jar = [(SESSION.to_owned(), "x".to_owned())].into();
    stage.0.switch("session-unchecked", true);
    let checked = browser.get("/").await;
    assert_eq!((checked.status, checked.header("x-auth-request-email")), (StatusCode::OK, USER));
    assert!(checked.header("authorization").starts_with("Bearer ey"));
    browser.jar.clear();
    stage.0.switch("login-forgets-target", true);
    let asked = browser.get("/oauth2/start?rd=/x").await;
    let callback = browser.give_password(&asked).await;
    assert_eq!(browser.get(&callback).await.location(), "/");
}
