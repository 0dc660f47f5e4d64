//! Requests that nobody means well with: whatever arrives, each program answers, and lets nobody in.

use axum::body::Body;
use http::{HeaderValue, Method, Request};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::stage::Stage;
use crate::platform::Release;

/// Beginnings of paths that the programs know.
const PATHS: &[&str] = &[
    "/",
    "/dex/.well-known/openid-configuration",
    "/dex/auth",
    "/dex/auth/local",
    "/dex/auth/local/login",
    "/dex/approval",
    "/dex/callback",
    "/dex/token",
    "/dex/token/introspect",
    "/dex/userinfo",
    "/dex/device",
    "/dex/device/code",
    "/dex/device/auth/verify_code",
    "/dex/device/token",
    "/dex/device/callback",
    "/dex/static/",
    "/dex/theme",
    "/oauth2/start",
    "/oauth2/callback",
    "/oauth2/sign_in",
    "/oauth2/sign_out",
    "/oauth2/auth",
    "/oauth2/userinfo",
    "/oauth2/static/x",
    "/authservice/oidc/callback",
    "/authservice/logout",
    "/authservice/site",
];
/// Names of values that the programs look at.
const NAMES: &[&str] = &[
    "client_id",
    "client_secret",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "nonce",
    "request",
    "connector_id",
    "approval_prompt",
    "req",
    "hmac",
    "approval",
    "login",
    "password",
    "grant_type",
    "refresh_token",
    "device_code",
    "user_code",
    "subject_token",
    "token",
    "rd",
    "error",
    "allowed_groups",
    "allowed_emails",
    "back",
    "prompt",
];
/// Values that get further than noise.
const VALUES: &[&str] = &[
    "kubeflow-oidc-authservice",
    "/oauth2/callback",
    "/authservice/oidc/callback",
    "code",
    "id_token token",
    "openid",
    "openid offline_access audience:server:client_id:x",
    "S256",
    "local",
    "force",
    "authorization_code",
    "refresh_token",
    "password",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "ChUK",
    "CgNhYmMSAmRl",
    "urn:ietf:wg:oauth:2.0:oob",
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOjF9.AA",
    "abc:/x",
    "//evil.test",
];
const HEADERS: &[&str] =
    &["cookie", "authorization", "content-type", "host", "accept", "x-auth-request-redirect", "origin"];

fn noise() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(VALUES).prop_map(str::to_owned),
        2 => "[ -~]{0,40}",
        1 => "\\PC{0,20}",
        1 => "(%[0-9a-fA-F]{0,2}|[;&=|.]){0,12}",
    ]
}

fn values(escape: bool) -> impl Strategy<Value = String> {
    let pair = (prop::sample::select(NAMES), noise()).prop_map(move |(name, value)| match escape {
        true => url::form_urlencoded::Serializer::new(String::new()).append_pair(name, &value).finish(),
        false => format!("{name}={}", value.replace(|c: char| !c.is_ascii_graphic() || "#\"<>\\^`{}".contains(c), "%")),
    });
    prop::collection::vec(pair, 0..8).prop_map(|pairs| pairs.join("&"))
}

fn header() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let cookie = prop::sample::select(
        &[
            "authservice_session=",
            "oidc_state_csrf=",
            "oauth2_proxy_kubeflow=",
            "oauth2_proxy_kubeflow_csrf=",
            "oauth2_proxy_kubeflow_0=",
            "Bearer ",
            "Basic ",
            "application/x-www-form-urlencoded",
            "",
        ][..],
    );
    let value = prop_oneof![
        noise().prop_map(String::into_bytes),
        "[A-Za-z0-9_=|+/-]{0,300}".prop_map(String::into_bytes),
        prop::collection::vec(prop_oneof![Just(b'\t'), 32_u8..127, 128_u8..=255], 0..40),
    ];
    (prop::sample::select(HEADERS), cookie, value)
        .prop_map(|(name, start, value)| (name, [start.as_bytes(), &value].concat()))
}

fn request() -> impl Strategy<Value = Request<Body>> {
    let method = prop::sample::select(&["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "FOO"][..]);
    let path =
        (prop::sample::select(PATHS), "(/?[a-z.%/0-9A-F;]{0,12})?").prop_map(|(path, more)| format!("{path}{more}"));
    let headers = prop::collection::vec(header(), 0..4);
    let query = prop_oneof![values(true), values(false)];
    let body = prop_oneof![values(true), values(false), noise()];
    (method, path, query, headers, body).prop_filter_map("no address", |(method, path, query, headers, body)| {
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).ok()?).uri(target);
        for (name, value) in headers {
            // Bytes that no header may have never get as far as a program.
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request = request.header(name, value);
            }
        }
        let form = "application/x-www-form-urlencoded";
        request.header("content-type", form).body(Body::from(body)).ok()
    })
}

fn survive(release: Release, plural: &str, namespace: &str, name: &str, identity: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (stage, pod) = runtime.block_on(async {
        let stage = Stage::of(release).await;
        if name != "dex" {
            stage.running("deployments", "auth", "dex");
        }
        let pod = stage.pod(plural, namespace, name);
        (stage, pod)
    });
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    let survived = TestRunner::new(config).run(&request(), |request| {
        let answer = runtime.block_on(stage.send(&pod, request));
        prop_assert!(answer.header(identity).is_empty(), "{answer:?}");
        prop_assert!(answer.status.as_u16() >= 200, "{answer:?}");
        prop_assert!(!answer.headers.values().any(|value| value.as_bytes().contains(&b'\n')));
        Ok(())
    });
    survived.unwrap();
}

#[test]
fn dex_survives() {
    survive(Release::V1_10_2, "deployments", "auth", "dex", "kubeflow-userid");
}

#[test]
fn oauth2_proxy_survives() {
    survive(Release::V1_10_2, "deployments", "oauth2-proxy", "oauth2-proxy", "x-auth-request-email");
}

#[test]
fn oidc_authservice_survives() {
    survive(Release::V1_8_1, "statefulsets", "istio-system", "oidc-authservice", "kubeflow-userid");
}
