//! A platform of the blueprint's objects with pods of the login programs, and requests to them.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::actors::{Visit, playing};
use crate::mesh::Caller;
use crate::object;
use crate::platform::{Options, Platform, Release, Start};
use crate::store::Key;
use crate::switches;

/// The default user's published password.
pub const PASSWORD: &str = "12341234";
/// The default user.
pub const USER: &str = "user@example.com";

/// A platform, for direct calls.
pub struct Stage {
    /// It.
    pub platform: Platform,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as text.
    pub body: String,
}

impl Answer {
    /// A header's first value, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// All `Set-Cookie` lines.
    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// `Location`.
    pub fn location(&self) -> &str {
        self.header("location")
    }

    /// A query parameter of the `Location`.
    pub fn location_parameter(&self, name: &str) -> String {
        let base = url::Url::parse("http://x").unwrap();
        let url = base.join(self.location()).unwrap();
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Stage {
    /// A platform with the blueprint of a release.
    pub async fn of(release: Release) -> Self {
        let options = Options { start: Start::Release(release), ..Options::default() };
        Self { platform: Platform::start(options).await.unwrap() }
    }

    /// A pod of a workload's template, with a uid of its own.
    pub fn pod(&self, plural: &str, namespace: &str, name: &str) -> Arc<Value> {
        let workload = self.platform.world().store.get(&Key::new("apps", plural, namespace, name)).unwrap();
        let mut pod = workload.pointer("/spec/template").unwrap().clone();
        pod["metadata"]["name"] = json!(format!("{name}-0"));
        pod["metadata"]["namespace"] = json!(namespace);
        pod["metadata"]["uid"] = json!(uuid::Uuid::new_v4().to_string());
        Arc::new(pod)
    }

    /// A pod as [`Stage::pod`], which is in the store, too, and ready: others reach it.
    pub fn running(&self, plural: &str, namespace: &str, name: &str) -> Arc<Value> {
        let mut pod = Value::clone(&self.pod(plural, namespace, name));
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["status"] =
            json!({"phase": "Running", "podIP": "10.0.0.9", "conditions": [{"type": "Ready", "status": "True"}]});
        let key = Key::new("", "pods", namespace, object::name(&pod));
        self.platform.world().store.create(&key, pod).unwrap()
    }

    /// Turns a switch on or off.
    pub fn switch(&self, name: &str, on: bool) {
        let key = Key::new("", "configmaps", switches::NAMESPACE, switches::NAME);
        let store = &self.platform.world().store;
        if store.get(&key).is_none() {
            store.create(&key, json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {}})).unwrap();
        }
        self.change(&key, |object| object["data"][name] = json!(on.to_string()));
    }

    /// Changes an object of the platform.
    pub fn change(&self, key: &Key, change: impl FnOnce(&mut Value)) {
        let mut change = Some(change);
        let changed = self.platform.world().store.update(key, None, |object| {
            if let Some(change) = change.take() {
                change(object);
            }
            true
        });
        changed.unwrap();
    }

    /// Sends a request to a pod's first container.
    pub async fn send(&self, pod: &Arc<Value>, request: Request<Body>) -> Answer {
        self.send_to(pod, 0, request).await
    }

    /// As [`Stage::send`], to a port of the container.
    pub async fn send_to(&self, pod: &Arc<Value>, port: u16, request: Request<Body>) -> Answer {
        let container = &object::list(pod, "/spec/containers")[0];
        let visit = Visit {
            world: self.platform.world().clone(),
            pod: pod.clone(),
            container: object::text(container, "/name").to_owned(),
            port,
            caller: Caller::default(),
        };
        let actor = playing(object::text(container, "/image")).unwrap();
        let (parts, body) = actor.serve(visit, request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// GETs a path of a pod.
    pub async fn get(&self, pod: &Arc<Value>, path: &str) -> Answer {
        self.send(pod, Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Posts a form to a pod.
    pub async fn post(&self, pod: &Arc<Value>, path: &str, form: &[(&str, &str)], authorization: &str) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        if !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        self.send(pod, request.body(Body::from(body)).unwrap()).await
    }
}
