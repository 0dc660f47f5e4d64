//! The API server of Kubeflow Pipelines: v2beta1, and v1beta1, which shows the same rows in its own words.
//!
//! Its state is rows in MySQL, as upstream's: without the database it answers 500, and what it has acknowledged is there
//! again whenever the database is. Who may do what is a SubjectAccessReview of the user that the identity header names.
//! Packages are objects of the store that its configuration names.
//!
//! Facts: kubeflow/pipelines 2.0.5, 2.3.0 and 2.5.0 `backend/src/apiserver`; recorded exchanges with 2.3.0.

mod call;
mod cron;
mod experiments;
mod filters;
pub mod firing;
mod identity;
mod listing;
mod packages;
mod recurring;
mod refusal;
pub mod report;
mod reported;
mod rows;
mod runs;
mod settings;
mod shapes;
mod specification;
pub mod steps;
pub mod trigger;
mod uploads;
mod v1beta1;
pub mod workflows;

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};

use call::Call;
use refusal::{Answered, answer, respond, unknown};
use rows::Rows;
use settings::Settings;

use super::{Actor, Visit, mysql, object_store};
use crate::object::namespace;
use crate::platform::World;

/// The `ml-pipeline-api-server` container.
pub struct ApiServer;

/// What an upload may be long.
const LIMIT: usize = 32 << 20;

impl Actor for ApiServer {
    fn start(&self, world: &World, pod: &Value, container: &str) -> Result<(), String> {
        Settings::start(world, pod, container);
        Ok(())
    }

    /// The program listens once it has its database, and the tables in it, and its bucket. The real one exits where the
    /// object store is away, and begins anew; here it waits.
    fn ready(&self, world: &World, pod: &Value, container: &str) -> bool {
        let settings = Settings::of(world, pod, container);
        let bucket = || {
            let (host, port) = (settings.store.0.as_str(), settings.store.1.as_str());
            let store = object_store::reach(world, namespace(pod), (host, port), &settings.keys);
            let store = store.map_err(|error| error.to_string())?;
            store.ensure_bucket(&settings.bucket).map_err(|error| error.to_string())
        };
        match report::rows(world, pod, container).initialise().and_then(|()| bucket()) {
            Ok(()) => true,
            Err(why) => {
                tracing::debug!(%why, "the API server waits for its stores");
                false
            }
        }
    }

    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(serve(visit, request))
    }
}

async fn serve(visit: Visit, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let sent = head.uri.path().to_owned();
    // As Go's router does: only clean paths are looked at.
    if sent.split('/').any(|part| [".", ".."].contains(&part)) {
        return cleaned(&sent);
    }
    let path = super::decoded(&sent).unwrap_or(sent).replace("//", "/");
    if matches!(path.as_str(), "/apis/v1beta1/healthz" | "/apis/v2beta1/healthz") {
        return health(&visit);
    }
    let Ok(body) = Limited::new(body, LIMIT).collect().await else {
        return respond(StatusCode::BAD_REQUEST, &json!({"error_message": "http: request body too large"}));
    };
    let settings = Settings::of(&visit.world, &visit.pod, &visit.container);
    let opened = mysql::connect(&visit.world, visit.as_caller(), &settings.host, &settings.port).await;
    let rows = Rows::new(opened, &settings);
    let first = path.starts_with("/apis/v1beta1/");
    let call = Call { visit, settings, head, body: body.to_bytes().to_vec(), rows, first };
    // Uploads are no gRPC calls: whatever the method, they look for a form.
    match path.as_str() {
        "/apis/v1beta1/pipelines/upload" | "/apis/v2beta1/pipelines/upload" => return uploads::pipeline(&call).await,
        "/apis/v1beta1/pipelines/upload_version" | "/apis/v2beta1/pipelines/upload_version" => {
            return uploads::version(&call).await;
        }
        _ => {}
    }
    let answered = if let Some(rest) = path.strip_prefix("/apis/v2beta1/") {
        route(&call, rest)
    } else if let Some(rest) = path.strip_prefix("/apis/v1beta1/") {
        v1beta1::route(&call, rest)
    } else if path.starts_with("/apis/") {
        Err(StatusCode::NOT_FOUND)
    } else {
        return nothing();
    };
    if let (Ok(Ok(_)), &Method::DELETE, Some((_, version))) =
        (&answered, &call.head.method, path.split_once("versions/"))
    {
        packages::remove_package(&call, version).await;
    }
    match answered {
        Ok(Ok(body)) => answer(&body),
        Ok(Err(refusal)) => refusal.response(),
        Err(status) => unknown(status),
    }
}

fn health(visit: &Visit) -> Response<Body> {
    let settings = Settings::of(&visit.world, &visit.pod, &visit.container);
    let image = crate::kubelet::container(&visit.pod, &visit.container);
    let image = image.map(|container| crate::object::text(container, "/image")).unwrap_or_default();
    answer(&json!({"commit_sha": "unknown", "tag_name": super::tag(image), "multi_user": settings.multi_user}))
}

/// The answer to a path that is none of the API's: Go's own router gives it (`net/http` `NotFound`).
fn nothing() -> Response<Body> {
    let mut response = Response::new(Body::from("404 page not found\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let kind = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

/// Where a path with dots in it leads.
fn cleaned(path: &str) -> Response<Body> {
    let mut parts = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(place) = format!("/{}", parts.join("/")).parse() {
        response.headers_mut().insert(http::header::LOCATION, place);
    }
    response
}

/// A path of v2beta1; an error is the status for a path or method that is not known.
fn route(call: &Call, path: &str) -> Result<Answered, StatusCode> {
    let segments: Vec<&str> = path.split('/').collect();
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let method = &call.head.method;
    let known = |methods: &[&Method]| methods.contains(&method);
    let namespace = call.asked("namespace");
    let allowed: &[&Method] = match segments.as_slice() {
        ["workflows" | "scheduledworkflows"] => &[&post],
        ["experiments" | "runs" | "recurringruns" | "pipelines"] => &[&get, &post],
        ["experiments" | "runs" | "recurringruns", id] if id.contains(':') => &[&post],
        ["experiments" | "runs" | "recurringruns" | "pipelines", _] | ["pipelines", _, "versions", _] => {
            &[&get, &delete]
        }
        ["pipelines", "names", _] | ["pipelines", _, "versions"] | ["runs", _, "nodes", _, "artifacts", _] => &[&get],
        _ => return Err(StatusCode::NOT_FOUND),
    };
    if !known(allowed) {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    Ok(match (segments.as_slice(), method == get) {
        (["workflows"], _) => reported::workflow(call),
        (["scheduledworkflows"], _) => reported::schedule(call),
        (["experiments"], true) => experiments::list(call, &namespace),
        (["experiments"], false) => call.json().and_then(|body| experiments::create(call, &body)),
        (["runs"], true) => runs::list(call, &namespace),
        (["runs"], false) => runs::create(call),
        (["recurringruns"], true) => recurring::list(call, &namespace),
        (["recurringruns"], false) => recurring::create(call),
        (["pipelines"], true) => packages::list(call, &namespace),
        (["pipelines"], false) => packages::create(call),
        (["pipelines", "names", name], _) => packages::by_name(call, name),
        (["pipelines", id, "versions"], _) => packages::versions(call, id),
        (["pipelines", _, "versions", id], true) => packages::version(call, id),
        (["pipelines", _, "versions", id], false) => packages::delete_version(call, id),
        (["pipelines", id], true) => packages::get(call, id),
        (["pipelines", id], false) => packages::delete(call, id),
        (["runs", id, "nodes", node, "artifacts", name], _) => {
            let name = name.strip_suffix(":read").ok_or(StatusCode::NOT_FOUND)?;
            runs::read_artifact(call, id, node, name)
        }
        ([kind, id], false) if id.contains(':') => {
            let (id, verb) = id.split_once(':').unwrap_or_default();
            match (*kind, verb) {
                ("experiments", "archive" | "unarchive") => experiments::store(call, id, verb),
                ("runs", "archive" | "unarchive") => runs::store(call, id, verb),
                ("runs", "terminate") => runs::terminate(call, id),
                ("runs", "retry") => runs::retry(call, id),
                ("recurringruns", "enable" | "disable") => recurring::switch(call, id, verb),
                _ => return Err(StatusCode::NOT_FOUND),
            }
        }
        (["experiments", id], true) => experiments::get(call, id),
        (["experiments", id], false) => experiments::delete(call, id),
        (["runs", id], true) => runs::get(call, id),
        (["runs", id], false) => runs::delete(call, id),
        (["recurringruns", id], true) => recurring::get(call, id),
        (["recurringruns", id], false) => recurring::delete(call, id),
        _ => return Err(StatusCode::NOT_FOUND),
    })
}
