//! KFAM, the access management API next to the profile controller: who is bound to which profile.
//!
//! Read side only; facts: kubeflow/kubeflow v1.9.2 `components/access-management/kfam`. Writing comes with tenancy.

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};

use super::{Actor, Visit, query};
use crate::kubelet::environment;
use crate::object;
use crate::store::Store;

/// The `kfam` container of `profiles-deployment`.
pub struct Kfam;

impl Actor for Kfam {
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move { answer(&visit, &request) })
    }
}

fn answer(visit: &Visit, request: &Request<Body>) -> Response<Body> {
    let store = &visit.world.store;
    let path = request.uri().path();
    if request.method() != Method::GET {
        return text(if known(path) { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::NOT_FOUND }, String::new());
    }
    match path {
        "/kfam" | "/kfam/" => text(StatusCode::OK, "Hello World!".into()),
        "/kfam/v1/bindings" => {
            let asked = |name| query(request.uri(), name).filter(|value| !value.is_empty());
            let found = bindings(store, asked("user"), asked("namespace"), asked("role"));
            let body = if found.is_empty() { json!({}) } else { json!({"bindings": found}) };
            text(StatusCode::OK, body.to_string())
        }
        "/kfam/v1/role/clusteradmin" => {
            let admin = environment::variables(store, &visit.pod, &visit.container).remove("ADMIN").unwrap_or_default();
            let user = query(request.uri(), "user").unwrap_or_default();
            text(StatusCode::OK, (user == admin).to_string())
        }
        _ => text(StatusCode::NOT_FOUND, "404 page not found\n".into()),
    }
}

fn known(path: &str) -> bool {
    matches!(path, "/kfam" | "/kfam/" | "/kfam/v1/bindings" | "/kfam/v1/role/clusteradmin")
}

fn text(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json; charset=UTF-8"));
    response
}

/// A RoleBinding counts when it carries the annotations `user` and `role`.
fn bindings(store: &Store, user: Option<String>, namespace: Option<String>, role: Option<String>) -> Vec<Value> {
    store
        .list("rbac.authorization.k8s.io", "rolebindings", namespace.as_deref())
        .iter()
        .filter_map(|binding| {
            let annotations = binding.pointer("/metadata/annotations")?;
            let (of, with) = (annotations.get("user")?.as_str()?, annotations.get("role")?.as_str()?);
            if user.as_deref().is_some_and(|user| user != of) || role.as_deref().is_some_and(|role| role != with) {
                return None;
            }
            let subject = object::list(binding, "/subjects").first()?;
            Some(json!({
                "user": {"kind": subject["kind"], "name": subject["name"]},
                "referredNamespace": object::namespace(binding),
                "RoleRef": {"apiGroup": "", "kind": "ClusterRole", "name": with},
            }))
        })
        .collect()
}
