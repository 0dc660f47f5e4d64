//! oidc-authservice alone.

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request};
use serde_json::Value;

use super::stage::Stage;
use crate::platform::Release;

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
