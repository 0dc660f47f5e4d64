//! The gateway over its wire, with objects put into the store by hand.

mod contract_a;
mod contract_b;
mod routing;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{Request, Response, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use std::sync::LazyLock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::access::credentials::Credentials;
use crate::actors::{Actor, Visit};
use crate::platform::{Memory, World};
use crate::store::{Key, Store};

pub(crate) const ISSUER: &str = "http://dex.auth.svc.cluster.local:5556/dex";

static KEY: LazyLock<rsa::RsaPrivateKey> =
    LazyLock::new(|| rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap());

/// The public key as a JWKS.
fn keys() -> Value {
    let part = |number: &rsa::BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
    json!({"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k1", "n": part(KEY.n()), "e": part(KEY.e())}]})
}

/// A token with these claims beside issuer, subject and a far end.
fn token(claims: Value) -> String {
    let mut all = json!({"iss": ISSUER, "sub": "s", "exp": 4_000_000_000_u64});
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some("k1".into());
    let der = KEY.to_pkcs1_der().unwrap();
    jsonwebtoken::encode(&header, &all, &EncodingKey::from_rsa_der(der.as_bytes())).unwrap()
}

/// Plays the login chain: `check` answers the authorization request by cookie, `issuer` has discovery and keys.
struct Played(&'static str);

pub(crate) fn playing(image: &str) -> Option<&'static dyn Actor> {
    match image {
        "test/check" => Some(&Played("check")),
        "test/issuer" => Some(&Played("issuer")),
        _ => None,
    }
}

impl Actor for Played {
    fn serve(&self, _visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let reply = if self.0 == "check" { check(&request) } else { issuer(request.uri().path()) };
        Box::pin(std::future::ready(reply))
    }
}

fn check(request: &Request<Body>) -> Response<Body> {
    let cookie = request.headers().get(COOKIE).and_then(|cookie| cookie.to_str().ok()).unwrap_or_default();
    let answer = Response::builder();
    match cookie {
        "session=good" => answer
            .header("authorization", format!("Bearer {}", token(json!({"email": "user@example.com"}))))
            .header("kubeflow-userid", "user@example.com")
            .header("x-other", "1")
            .body(Body::from("ok")),
        "session=broken" => answer.status(500).body(Body::from("secret details")),
        _ => answer
            .status(if request.uri().path().contains("/api/") { 401 } else { 403 })
            .header(CONTENT_TYPE, "text/html; charset=utf-8")
            .header(LOCATION, "/login")
            .header(SET_COOKIE, "a=b")
            .header("cache-control", "no-cache")
            .body(Body::from(format!("sign in for {}", request.uri()))),
    }
    .unwrap()
}

fn issuer(path: &str) -> Response<Body> {
    let said = match path {
        "/dex/.well-known/openid-configuration" => json!({"jwks_uri": format!("{ISSUER}/keys")}),
        "/dex/keys" => keys(),
        _ => json!(null),
    };
    Response::new(Body::from(said.to_string()))
}

/// A platform with these objects.
fn world(objects: Vec<Value>) -> Arc<World> {
    let world = World {
        store: Store::default(),
        credentials: Credentials::generate().unwrap(),
        memory: Memory::default(),
        gateway_delay: Duration::ZERO,
    };
    for object in basics().into_iter().chain(objects) {
        put(&world, object);
    }
    Arc::new(world)
}

fn key(object: &Value) -> Key {
    let kind = object["kind"].as_str().unwrap().to_lowercase();
    let plural = kind.strip_suffix("cy").map_or_else(|| format!("{kind}s"), |stem| format!("{stem}cies"));
    let version = object["apiVersion"].as_str().unwrap_or("v1");
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    Key::new(group, &plural, text("/metadata/namespace"), text("/metadata/name"))
}

fn put(world: &World, object: Value) {
    world.store.create(&key(&object), object).unwrap();
}

fn remove(world: &World, group: &str, plural: &str, namespace: &str, name: &str) {
    world.store.delete(&Key::new(group, plural, namespace, name)).unwrap();
}

/// A ready pod and its Service of the same name, which listens at port 80.
fn program(namespace: &str, name: &str, image: &str, port: u16, sidecar: bool) -> Vec<Value> {
    let mut containers =
        vec![json!({"name": name, "image": image, "ports": [{"containerPort": 8000, "name": "http"}]})];
    if sidecar {
        containers.push(json!({"name": "istio-proxy", "image": "istio/proxyv2"}));
    }
    vec![
        json!({"kind": "Pod", "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
            "spec": {"serviceAccountName": name, "containers": containers},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}),
        json!({"kind": "Service", "metadata": {"namespace": namespace, "name": name},
            "spec": {"selector": {"app": name}, "ports": [{"port": port, "targetPort": "http"}]}}),
    ]
}

fn basics() -> Vec<Value> {
    let mut objects = program("istio-system", "istiod", "istio/pilot", 15010, false);
    objects.extend(program("istio-system", "istio-ingressgateway", "istio/proxyv2", 80, false));
    objects.push(json!({"apiVersion": "networking.istio.io/v1", "kind": "Gateway",
        "metadata": {"namespace": "kubeflow", "name": "kubeflow-gateway"},
        "spec": {"selector": {"app": "istio-ingressgateway"},
            "servers": [{"hosts": ["*"], "port": {"name": "http", "number": 80, "protocol": "HTTP"}}]}}));
    objects
}

fn virtual_service(namespace: &str, name: &str, http: Value) -> Value {
    json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"gateways": ["kubeflow/kubeflow-gateway"], "hosts": ["*"], "http": http}})
}

/// A route of a prefix to a Service in namespace `kubeflow`.
fn to(prefix: &str, service: &str) -> Value {
    json!([{"match": [{"uri": {"prefix": prefix}}],
        "route": [{"destination": {"host": format!("{service}.kubeflow.svc.cluster.local"), "port": {"number": 80}}}]}])
}

fn policy(namespace: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"namespace": namespace, "name": name}, "spec": spec})
}

/// An answer over the wire.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// What the echo received.
    fn echo(&self) -> Value {
        assert_eq!((self.status, self.header("x-lab-backend")), (200, Some("echo")), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }

    /// The values of a header that the echo received.
    fn received(&self, name: &str) -> Vec<String> {
        let echo = self.echo();
        let headers = echo["headers"].as_array().unwrap().iter();
        headers.filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap().to_owned()).collect()
    }
}

/// Sends bytes over a fresh connection and reads the answer until the connection ends.
async fn wire(world: &Arc<World>, request: &str) -> Option<Answer> {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let serving = tokio::spawn(super::serve_connection(world.clone(), server));
    client.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.unwrap();
    drop(client);
    serving.await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(Answer { status, headers: headers.collect(), body: body.to_owned() })
}

/// `GET` with some more header lines.
async fn get(world: &Arc<World>, target: &str, headers: &[&str]) -> Answer {
    send(world, "GET", target, headers).await
}

async fn send(world: &Arc<World>, method: &str, target: &str, headers: &[&str]) -> Answer {
    let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost:8080\r\nConnection: close\r\n{more}\r\n");
    wire(world, &request).await.unwrap()
}

fn status(status: StatusCode) -> u16 {
    status.as_u16()
}
