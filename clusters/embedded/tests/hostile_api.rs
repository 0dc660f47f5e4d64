//! Bodies, paths and queries that no honest client sends: refused with a `Status`, and the platform goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use embedded::{Options, Platform, Start};
use http::{Method, Request};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const ROOT_CA: &str = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt";
const ACCOUNT: &str = "/api/v1/namespaces/default/serviceaccounts/default";

struct Api {
    _platform: Platform,
    client: Client,
}

impl Api {
    async fn start() -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let platform = Platform::start(Options { start: Start::Blank, ..Options::default() }).await.unwrap();
        let kubeconfig = Kubeconfig::from_yaml(&platform.kubeconfig()).unwrap();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        // A 504 is an answer here, no reason to ask again.
        config.default_retry = false;
        let api = Self { client: Client::try_from(config).unwrap(), _platform: platform };
        // The controllers make the objects that the tests speak of.
        for path in [ROOT_CA, ACCOUNT] {
            while api.send(Method::GET, path, JSON, b"").await.0 != 200 {
                tokio::task::yield_now().await;
            }
        }
        api
    }

    async fn send(&self, method: Method, path: &str, media_type: &str, body: &[u8]) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media_type)
            .body(Body::from(body.to_vec()))
            .unwrap();
        let response = self.client.send(request).await.unwrap();
        let code = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await.unwrap();
        (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Sends and expects a refusal with this code, as a `Status`.
    async fn refuses(&self, code: u16, method: Method, path: &str, media_type: &str, body: &[u8]) -> String {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let (got, status) = self.send(method.clone(), path, media_type, body).await;
        assert_eq!(got, code, "{method} {path} {media_type} {shown}: {status}");
        assert_eq!(status["kind"], "Status", "{method} {path} {media_type} {shown}: {status}");
        assert_eq!(status["code"], code, "{status}");
        status["message"].as_str().unwrap().to_owned()
    }

    async fn lives(&self) {
        assert_eq!(self.send(Method::GET, ROOT_CA, JSON, b"").await.0, 200);
    }
}

#[tokio::test]
async fn bodies_that_are_no_objects_are_refused() {
    let api = Api::start().await;
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let deep_object = [br#"{"a":"#.repeat(50_000), b"1".to_vec(), b"}".repeat(50_000)].concat();
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"1",
        b"\"x\"",
        b"\xff\xfe",
        b"{\"metadata\": \"x\"}",
        b"{\"metadata\": {\"name\": 5}}",
        b"{\"metadata\": {\"name\": \"a\", \"labels\": []}}",
        b"{\"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}}",
        b"{\"apiVersion\": \"v2\", \"metadata\": {\"name\": \"a\"}}",
        b"{\"metadata\": {\"name\": \"a\", \"namespace\": \"other\"}}",
        &deep,
        &deep_object,
    ] {
        api.refuses(400, Method::POST, MAPS, JSON, body).await;
    }
    // An object that says nothing has no name.
    api.refuses(422, Method::POST, MAPS, JSON, b"null").await;
    for name in ["A", "a/b", "..", "-a", "a_b", ""] {
        let body = format!("{{\"metadata\": {{\"name\": \"{name}\"}}}}");
        api.refuses(422, Method::POST, MAPS, JSON, body.as_bytes()).await;
    }
    let text = api.refuses(415, Method::POST, MAPS, "text/plain", b"{}").await;
    assert!(text.contains("unknown format"), "{text}");
    api.refuses(400, Method::POST, MAPS, PROTOBUF, b"k8s\0\x0a\xff\xff\xff").await;
    api.refuses(400, Method::POST, MAPS, PROTOBUF, b"{}").await;
    api.refuses(413, Method::POST, MAPS, JSON, &b" ".repeat(3 * 1024 * 1024 + 1)).await;
    api.lives().await;
}

#[tokio::test]
async fn patches_that_make_no_sense_are_refused() {
    let api = Api::start().await;
    for (code, media_type, body) in [
        (400, MERGE, "[]"),
        (400, MERGE, "{"),
        (400, MERGE, r#"{"metadata": "x"}"#),
        (400, MERGE, r#"{"metadata": {"name": "other"}}"#),
        (422, MERGE, r#"{"data": 7}"#),
        (500, STRATEGIC, r#"{"$patch": "explode"}"#),
        (422, STRATEGIC, r#"{"metadata": {"ownerReferences": [{"name": "no uid"}]}}"#),
        (400, JSON_PATCH, "{}"),
        (422, JSON_PATCH, r#"[{"op": "fly"}]"#),
        (422, JSON_PATCH, r#"[{"op": "test", "path": "/data/none", "value": 1}]"#),
        (422, JSON_PATCH, r#"[{"op": "remove", "path": "/a/b/c"}]"#),
        (422, JSON_PATCH, r#"[{"op": "add", "path": "/metadata/finalizers/99", "value": "x"}]"#),
        (400, JSON_PATCH, r#"[{"op": "replace", "path": "", "value": null}]"#),
        (400, JSON_PATCH, r#"[{"op": "replace", "path": "/metadata", "value": []}]"#),
        (400, JSON_PATCH, r#"[{"op": "remove", "path": "/metadata"}]"#),
        (415, "application/x-www-form-urlencoded", "a=b"),
        (422, APPLY, "apiVersion: v1"),
    ] {
        api.refuses(code, Method::PATCH, ROOT_CA, media_type, body.as_bytes()).await;
    }
    let apply = format!("{ROOT_CA}?fieldManager=m");
    let nested = "[".repeat(20_000);
    let bomb = "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d \
                [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\ng: \
                [*f,*f,*f,*f,*f,*f,*f,*f]\n";
    for (code, body) in [
        (400, nested.as_str()),
        (400, bomb),
        (400, "\t: {"),
        (400, "just text"),
        (400, r#"{"apiVersion": "v1", "kind": "Secret"}"#),
        (400, r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}"#),
        (400, r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"managedFields": [{}]}}"#),
        (500, r#"{"apiVersion": "v1", "kind": "ConfigMap", "dat": {}}"#),
        (500, r#"{"apiVersion": "v1", "kind": "ConfigMap", "data": []}"#),
    ] {
        api.refuses(code, Method::PATCH, &apply, APPLY, body.as_bytes()).await;
    }
    api.lives().await;
}

#[tokio::test]
async fn queries_and_paths_that_nobody_serves_are_refused() {
    let api = Api::start().await;
    for (code, path) in [
        (400, format!("{MAPS}?labelSelector=a%20in%20b")),
        (400, format!("{MAPS}?labelSelector=%3D")),
        (400, format!("{MAPS}?fieldSelector=data.x%3Dy")),
        (400, format!("{MAPS}?fieldSelector=nonsense")),
        (400, format!("{MAPS}?continue=%00")),
        (400, format!("{MAPS}?resourceVersion=abc")),
        (504, format!("{MAPS}?resourceVersion=99999999")),
        (500, format!("{MAPS}?watch=1&resourceVersion=abc")),
        (404, "/api/v1/nothing".to_owned()),
        (404, "/api/v9/pods".to_owned()),
        (404, "/apis/apps/v1/namespaces/default/deployments/none/nothing".to_owned()),
    ] {
        api.refuses(code, Method::GET, &path, JSON, b"").await;
    }
    // Of these not even the group is served: no API, no `Status`.
    for path in ["/apis/no.such.group/v1/things", "/..%2f..%2fetc/passwd"] {
        assert_eq!(api.send(Method::GET, path, JSON, b"").await, (404, Value::Null), "{path}");
    }
    api.refuses(405, Method::POST, ROOT_CA, JSON, b"{}").await;
    api.refuses(405, Method::PUT, MAPS, JSON, b"{}").await;
    let map = br#"{"metadata": {"name": "a"}}"#;
    api.refuses(404, Method::POST, "/api/v1/namespaces/none/configmaps", JSON, map).await;
    api.refuses(422, Method::POST, &format!("{MAPS}?fieldValidation=Perhaps"), JSON, map).await;
    let stale = br#"{"metadata": {"name": "kube-root-ca.crt", "resourceVersion": "1"}}"#;
    api.refuses(409, Method::PUT, ROOT_CA, JSON, stale).await;
    api.refuses(422, Method::DELETE, ROOT_CA, JSON, br#"{"propagationPolicy": "Sideways"}"#).await;
    api.refuses(409, Method::DELETE, ROOT_CA, JSON, br#"{"preconditions": {"uid": "x"}}"#).await;
    api.lives().await;
}

#[tokio::test]
async fn reviews_and_subresources_survive_nonsense() {
    let api = Api::start().await;
    let token = format!("{ACCOUNT}/token");
    let access = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    for (code, path, body) in [
        (400, token.as_str(), "[]"),
        (400, &token, r#"{"spec": 1}"#),
        (400, &token, r#"{"spec": {"audiences": "x"}}"#),
        (422, &token, r#"{"spec": {"expirationSeconds": 1}}"#),
        (400, access, "7"),
        (422, access, r#"{"spec": {}}"#),
        (400, access, r#"{"spec": {"resourceAttributes": []}}"#),
    ] {
        api.refuses(code, Method::POST, path, JSON, body.as_bytes()).await;
    }
    let name = "/api/v1/namespaces/default/finalize";
    api.refuses(400, Method::PUT, name, JSON, br#"{"spec": {"finalizers": "x"}}"#).await;
    api.refuses(404, Method::POST, "/api/v1/namespaces/default/pods/none/eviction", JSON, b"{}").await;
    api.lives().await;
}
