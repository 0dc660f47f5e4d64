//! KFAM, the access management API next to the profile controller: who is bound to which profile.
//!
//! Facts: kubeflow/kubeflow v1.8.0 to v1.10.0 `components/access-management/kfam` (no difference between them), and
//! recorded exchanges. Odd as there: a refused deletion of a profile is 401, every other refusal 403; errors are plain
//! text under a JSON content type; whoever sends no identity counts as the administrator while `ADMIN` is empty.

mod bindings;
mod caller;
mod metrics;
mod profiles;

use axum::body::Body;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};

use super::{Actor, Visit, kubernetes, query};
use crate::api::call::type_name;
use crate::mesh::replies;
use caller::Caller;

/// The `kfam` container of `profiles-deployment`.
pub struct Kfam;

/// More than a binding or a profile ever takes.
const LIMIT: usize = 4 << 20;
const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json; charset=UTF-8";

impl Actor for Kfam {
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move { answer(&visit, request).await })
    }
}

async fn answer(visit: &Visit, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let profile = path.strip_prefix("/kfam/v1/profiles/").filter(|name| !name.is_empty() && !name.contains('/'));
    let methods: &[Method] = match path {
        "/kfam" | "/kfam/" | "/metrics" | "/kfam/v1/role/clusteradmin" => &[Method::GET],
        "/kfam/v1/bindings" => &[Method::GET, Method::POST, Method::DELETE],
        "/kfam/v1/profiles" => &[Method::POST],
        _ if profile.is_some() => &[Method::DELETE],
        _ => return respond(StatusCode::NOT_FOUND, PLAIN, "404 page not found\n".into()),
    };
    if !methods.contains(&parts.method) {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "");
    }
    match path {
        "/kfam" | "/kfam/" => return respond(StatusCode::OK, PLAIN, "Hello World!".into()),
        "/metrics" => return respond(StatusCode::OK, PLAIN, metrics::page(visit)),
        _ => {}
    }
    let call = metrics::Call::of(&parts);
    let (answer, problem) = match serve(visit, &parts, profile, body).await {
        Ok(value) => (respond(StatusCode::OK, JSON, value.map_or_else(String::new, |value| value.to_string())), None),
        Err(Refusal::Dropped) => {
            // Its connection is closed without a word; this is what the sender's proxy makes of that.
            return replies::local(&parts.headers, StatusCode::SERVICE_UNAVAILABLE, replies::WANTS_TLS);
        }
        Err(Refusal::NotAllowed(status)) => (refuse(status, ""), Some("forbidden".to_owned())),
        Err(Refusal::Failed(status, why)) => (refuse(status, if profile.is_some() { "" } else { &why }), Some(why)),
    };
    metrics::count(visit, call, problem);
    answer
}

/// Why a call is not carried out.
enum Refusal {
    /// The caller is neither the owner nor the administrator.
    NotAllowed(StatusCode),
    /// The request makes no sense, or the Kubernetes API refuses.
    Failed(StatusCode, String),
    /// The program gives up on the connection.
    Dropped,
}

async fn serve(
    visit: &Visit,
    parts: &http::request::Parts,
    profile: Option<&str>,
    body: Body,
) -> Result<Option<Value>, Refusal> {
    let settings = caller::Settings::of(visit);
    let client = kubernetes::Client::of(visit);
    match (parts.uri.path(), parts.method.clone()) {
        ("/kfam/v1/bindings", Method::GET) => {
            let asked = |name| query(&parts.uri, name).filter(|value| !value.is_empty());
            bindings::list(&client, asked("user"), asked("namespace"), asked("role")).map(Some)
        }
        ("/kfam/v1/bindings", method) => {
            let document = decoded(body, "kfam.Binding").await?;
            let caller = Caller::of(&settings, &parts.headers).ok_or(Refusal::Dropped)?;
            if !caller.may_manage(&client, bindings::namespace(&document)) {
                return Err(Refusal::NotAllowed(StatusCode::FORBIDDEN));
            }
            let binding = bindings::Binding::read(&document)?;
            let done = match method {
                Method::POST => binding.create(&client, &settings).await,
                _ => binding.delete(&client).await,
            };
            done.map(|()| None)
        }
        ("/kfam/v1/role/clusteradmin", _) => {
            let user = query(&parts.uri, "user").unwrap_or_default();
            Ok(Some(json!(settings.is_admin(&user))))
        }
        (_, Method::POST) => profiles::create(&client, decoded(body, "v1beta1.Profile").await?).await.map(|()| None),
        _ => {
            let name = profile.unwrap_or_default();
            let caller = Caller::of(&settings, &parts.headers).ok_or(Refusal::Dropped)?;
            if !caller.may_manage(&client, name) {
                return Err(Refusal::NotAllowed(StatusCode::UNAUTHORIZED));
            }
            profiles::delete(&client, name).await.map(|()| None)
        }
    }
}

/// The body as JSON; complaints in the words of Go's decoder.
async fn decoded(body: Body, kind: &str) -> Result<Value, Refusal> {
    let bytes = Limited::new(body, LIMIT).collect().await.map_err(|_| Refusal::Dropped)?.to_bytes();
    let failed = |why: String| Refusal::Failed(StatusCode::FORBIDDEN, why);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(failed("EOF".into()));
    }
    // What follows the first document is not read.
    let mut documents = serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>();
    match documents.next() {
        Some(Ok(value @ (Value::Object(_) | Value::Null))) => Ok(value),
        Some(Ok(other)) => {
            Err(failed(format!("json: cannot unmarshal {} into Go value of type {kind}", type_name(&other))))
        }
        Some(Err(error)) => Err(failed(format!("invalid character: {error}"))),
        None => Err(failed("EOF".into())),
    }
}

fn refuse(status: StatusCode, why: &str) -> Response<Body> {
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        return response;
    }
    respond(status, JSON, why.to_owned())
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
