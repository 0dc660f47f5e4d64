//! The dashboard's client of KFAM: asked by Service name, with the dashboard's own identity in the mesh.

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

use super::express;
use super::identity::User;
use crate::actors::Visit;
use crate::kubelet::environment;
use crate::mesh;

/// More than KFAM ever answers.
const LIMIT: usize = 4 << 20;

/// An answer that is no success.
pub struct Refused {
    status: StatusCode,
    body: String,
}

impl Refused {
    /// An answer with 200 that says nothing of use.
    pub fn nothing() -> Self {
        Self { status: StatusCode::BAD_REQUEST, body: String::new() }
    }

    /// What the dashboard makes of it: KFAM's status, and its text or else `message`.
    pub fn answer(self, message: &str) -> Response<Body> {
        let said = if self.body.is_empty() { message } else { &self.body };
        express::error(self.status, said)
    }

    /// The refusal in words that end in status and reason, as newer dashboards put it.
    pub fn answer_with_reason(self, message: &str) -> Response<Body> {
        let reason = self.status.canonical_reason().unwrap_or_default();
        let message = format!("{message} HTTP {} - {reason}", self.status.as_u16());
        self.answer(&message)
    }
}

/// KFAM's base URL, from the environment that Kubernetes and the manifests give the container.
pub fn url(visit: &Visit) -> String {
    let variables = environment::variables(&visit.world.store, &visit.pod, &visit.container);
    let host = variables.get("PROFILES_KFAM_SERVICE_HOST").map_or("profiles-kfam", String::as_str);
    let port = variables.get("PROFILES_KFAM_SERVICE_PORT").map_or("8081", String::as_str);
    format!("http://{host}:{port}/kfam")
}

/// The bindings of a user, or all.
///
/// # Errors
/// What KFAM answers instead.
pub async fn bindings(visit: &Visit, user: Option<&str>) -> Result<Vec<Value>, Refused> {
    let query = user.map_or_else(String::new, |user| format!("?{}", encoded(user)));
    let answer = send(visit, None, Method::GET, &format!("/v1/bindings{query}"), None).await?;
    let answer: Value = serde_json::from_str(&answer).map_err(|_| Refused::nothing())?;
    Ok(answer.get("bindings").and_then(Value::as_array).cloned().unwrap_or_default())
}

/// Whether a user is KFAM's administrator.
///
/// # Errors
/// What KFAM answers instead.
pub async fn is_cluster_admin(visit: &Visit, user: &User) -> Result<bool, Refused> {
    if !user.is_known() {
        return Ok(true);
    }
    let path = format!("/v1/role/clusteradmin?{}", encoded(&user.email));
    let answer = send(visit, None, Method::GET, &path, None).await?;
    answer.trim().parse().map_err(|_| Refused::nothing())
}

/// Sends a request, on behalf of a user if one is given: their identity header is passed on.
///
/// # Errors
/// Any answer but 200.
pub async fn send(
    visit: &Visit,
    user: Option<&User>,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<String, Refused> {
    let mut request = Request::builder().method(method).uri(format!("{}{path}", url(visit)));
    if let Some((name, value)) = user.and_then(User::header) {
        request = request.header(name, value);
    }
    let body = match body {
        Some(body) => {
            request = request.header(CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    let request = request.body(body).map_err(|_| Refused::nothing())?;
    let response = mesh::call(&visit.world, visit.as_caller(), request).await;
    let status = response.status();
    let bytes = Limited::new(response.into_body(), LIMIT).collect().await.map_err(|_| Refused::nothing())?.to_bytes();
    let body = String::from_utf8_lossy(&bytes).into_owned();
    if status == StatusCode::OK { Ok(body) } else { Err(Refused { status, body }) }
}

fn encoded(user: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair("user", user).finish()
}
