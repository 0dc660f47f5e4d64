//! oidc-authservice, alone and with Dex behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::browser::Browser;
use super::stage::{Answer, Stage, USER};
use crate::access::tokens;
use crate::actors::dex;
use crate::platform::Release;

const SESSION: &str = "authservice_session";

async fn alone() -> (Stage, Arc<Value>) {
    let stage = Stage::of(Release::V1_8_1).await;
    let pod = stage.pod("statefulsets", "istio-system", "oidc-authservice");
    (stage, pod)
}

#[tokio::test]
async fn without_a_provider_only_open_paths_pass() {
    let (stage, pod) = alone().await;
    for (method, path, status) in [
        (Method::GET, "/", 503),
        (Method::GET, "/pipeline", 503),
        (Method::GET, "/dex/auth", 200),
        (Method::GET, "/dexanything", 200),
        (Method::GET, "/%64exfoo", 200),
        (Method::GET, "/authservice/x", 200),
        (Method::GET, "/authservice/logout", 200),
        (Method::POST, "/authservice/logout", 401),
        (Method::POST, "/authservice/logout/", 200),
        (Method::GET, "/authservice/oidc/callback", 302),
        (Method::GET, "/authservice/oidc/callback?code=x", 400),
        (Method::GET, "/authservice/oidc/callback?code=x&state=y", 400),
        (Method::HEAD, "/authservice/oidc/callback", 200),
        (Method::OPTIONS, "/pipeline", 200),
        (Method::GET, "//evil.test", 301),
        (Method::GET, "/dex/..%2fpipeline", 301),
        (Method::GET, "/%", 400),
    ] {
        let request = Request::builder().method(&method).uri(path).body(Body::empty()).unwrap();
        let answer = stage.send(&pod, request).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {answer:?}");
        assert!(answer.header("kubeflow-userid").is_empty(), "{method} {path}");
    }
    let moved = stage.get(&pod, "//evil.test/x?a=//").await;
    assert_eq!(moved.location(), "/evil.test/x?a=//");
    let missing = stage.get(&pod, "/authservice/oidc/callback?code=x").await;
    assert_eq!(missing.body, "Missing url parameter: state");
}

#[tokio::test]
async fn the_other_ports_serve_a_probe_and_the_pages() {
    let (stage, pod) = alone().await;
    for (port, path, status) in
        [(8081, "/", 503), (8082, "/site/homepage", 200), (8082, "/site/after_logout", 200), (8082, "/", 404)]
    {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(stage.send_to(&pod, port, request).await.status.as_u16(), status, "{port} {path}");
    }
}

#[tokio::test]
async fn hostile_requests_are_answered() {
    let (stage, pod) = alone().await;
    let huge = "a".repeat(1 << 20);
    for (path, name, value) in [
        ("/", "cookie", format!("authservice_session={huge}")),
        ("/", "cookie", ";;;===".into()),
        ("/", "cookie", "authservice_session=".into()),
        ("/", "authorization", "Bearer".into()),
        ("/", "authorization", format!("Bearer {huge}")),
        ("/", "authorization", "Bearer a.b.c".into()),
        ("/", "authorization", "\u{e9}".into()),
        ("/authservice/oidc/callback?code=x&state=|||", "cookie", "oidc_state_csrf=|||".into()),
        ("/authservice/oidc/callback?%zz&code=x&state=fHx8&a;b", "cookie", "oidc_state_csrf=fHx8".into()),
    ] {
        let request = Request::get(path).header(name, &value).body(Body::empty()).unwrap();
        let answer = stage.send(&pod, request).await;
        assert!([400, 500, 503].contains(&answer.status.as_u16()), "{path} {name}: {}", answer.status);
        let request = Request::post("/authservice/logout").header(name, value).body(Body::empty()).unwrap();
        assert!([401, 500].contains(&stage.send(&pod, request).await.status.as_u16()), "{path} {name}");
    }
    let form = Request::post("/").header("content-type", "application/x-www-form-urlencoded");
    let answer = stage.send(&pod, form.body(Body::from(vec![0xff; 11 << 20])).unwrap()).await;
    assert_eq!(answer.status.as_u16(), 503);
}

async fn with_dex() -> (Stage, Arc<Value>, Arc<Value>) {
    let (stage, pod) = alone().await;
    let dex = stage.running("deployments", "auth", "dex");
    (stage, dex, pod)
}

fn browser<'a>((stage, dex, proxy): &'a (Stage, Arc<Value>, Arc<Value>)) -> Browser<'a> {
    Browser { stage, dex: dex.clone(), proxy: proxy.clone(), jar: BTreeMap::new() }
}

async fn log_in(browser: &mut Browser<'_>, path: &str) -> Answer {
    let asked = browser.get(path).await;
    let callback = browser.give_password(&asked).await;
    browser.get(&callback).await
}

/// A header that names the logged-in user's session.
fn bearer(token: &str) -> http::request::Builder {
    Request::get("/").header("authorization", format!("Bearer {token}"))
}

#[tokio::test]
async fn a_login_ends_where_it_began_and_a_logout_ends_the_session() {
    let parts = with_dex().await;
    let mut browser = browser(&parts);
    let asked = browser.get("/pipeline/?x=1//").await;
    assert_eq!(asked.status, StatusCode::FOUND);
    for (name, value) in
        [("scope", "openid profile email groups"), ("redirect_uri", "/authservice/oidc/callback"), ("nonce", "")]
    {
        assert_eq!(asked.location_parameter(name), value);
    }
    let callback = browser.give_password(&asked).await;
    let done = browser.get(&callback).await;
    assert_eq!((done.status, done.location()), (StatusCode::FOUND, "/pipeline/?x=1//"), "{done:?}");
    assert!(done.set_cookies()[0].starts_with("oidc_state_csrf=; Path=/; Expires=Thu, 01 Jan 1970"));
    assert!(done.set_cookies()[1].ends_with("; Max-Age=86400; SameSite=Lax"));
    assert_eq!(browser.get(&callback).await.status, StatusCode::BAD_REQUEST, "a state is used once");
    let checked = browser.get("/pipeline").await;
    assert_eq!((checked.status, checked.header("kubeflow-userid")), (StatusCode::OK, USER));
    let session = browser.jar[SESSION].clone();
    let logout =
        |token: &str| Request::post("/authservice/logout").header("authorization", token).body(Body::empty()).unwrap();
    for (token, status) in [("Bearer abc", 500), ("Bearer", 500), ("", 401)] {
        assert_eq!(parts.0.send(&parts.2, logout(token)).await.status.as_u16(), status, "{token}");
    }
    let out = parts.0.send(&parts.2, logout(&format!("Bearer {session}"))).await;
    assert_eq!((out.status, out.json()["afterLogoutURL"].as_str()), (StatusCode::CREATED, Some("/")));
    assert_eq!(browser.get("/").await.status, StatusCode::FOUND, "a copied cookie is dead");
    assert_eq!(parts.0.send(&parts.2, logout(&session)).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn sessions_tokens_and_service_accounts_name_a_user() {
    let parts = with_dex().await;
    let mut browser = browser(&parts);
    log_in(&mut browser, "/").await;
    let user = async |request: http::request::Builder| {
        let answer = parts.0.send(&parts.2, request.body(Body::empty()).unwrap()).await;
        (answer.status.as_u16(), answer.header("kubeflow-userid").to_owned())
    };
    let world = parts.0.platform.world();
    let id_token = dex::issue_unasked(world, "kubeflow-oidc-authservice").await.unwrap();
    let foreign = dex::issue_unasked(world, "other").await.unwrap();
    let account = |audience: &str| {
        let request = json!({"spec": {"audiences": [audience]}});
        let answer = tokens::request(world, "kubeflow", "ml-pipeline-ui", request).unwrap();
        answer["status"]["token"].as_str().unwrap().to_owned()
    };
    let good = account("istio-ingressgateway.istio-system.svc.cluster.local");
    let bad = account("https://kubernetes.default.svc.cluster.local");
    let refused = (302, String::new());
    let allowed = (200, USER.to_owned());
    let robot = (200, "system:serviceaccount:kubeflow:ml-pipeline-ui".to_owned());
    assert_eq!(user(bearer(&browser.jar[SESSION])).await, allowed);
    assert_eq!(user(bearer(&id_token)).await, allowed);
    assert_eq!(user(bearer(&foreign)).await, refused);
    assert_eq!(user(bearer(&good)).await, robot);
    assert_eq!(user(bearer(&bad)).await, refused);
    assert_eq!(user(bearer(&bad).header("cookie", browser.cookies())).await, allowed);
    parts.0.switch("token-audience-unchecked", true);
    assert_eq!(user(bearer(&foreign)).await, allowed);
    assert_eq!(user(bearer(&bad)).await, robot);
}

#[tokio::test]
async fn switches_break_the_login() {
    let parts = with_dex().await;
    let mut browser = browser(&parts);
    let asked = browser.get("/x").await;
    let callback = browser.give_password(&asked).await;
    browser.jar.clear();
    parts.0.switch("state-unchecked", true);
    assert_eq!(browser.get(&callback.replace("state=", "state=x")).await.location(), "/");
    parts.0.switch("state-unchecked", false);
    browser.jar.clear();
    parts.0.switch("code-reusable", true);
    let asked = browser.get("/x").await;
    let callback = browser.give_password(&asked).await;
    let jar = browser.jar.clone();
    for _ in 0..2 {
        browser.jar = jar.clone();
        assert_eq!(browser.get(&callback).await.location(), "/x");
    }
    parts.0.switch("code-reusable", false);
    browser.jar = [(SESSION.to_owned(), "x".to_owned())].into();
    assert_eq!(browser.get("/").await.status, StatusCode::FOUND);
    parts.0.switch("session-unchecked", true);
    assert_eq!(browser.get("/").await.header("kubeflow-userid"), USER);
    browser.jar.clear();
    parts.0.switch("login-forgets-target", true);
    assert_eq!(log_in(&mut browser, "/x").await.location(), "/");
}
