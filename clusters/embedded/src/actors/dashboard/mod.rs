//! The Central Dashboard: its page and its API.
//!
//! Facts: kubeflow/kubeflow v1.9.2 `components/centraldashboard/app`, and recorded exchanges with the real program.

mod body;
mod cluster;
mod contributors;
mod identity;
mod kfam;
mod page;
mod registration;
mod workgroup;

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use serde_json::Value;

use super::{Actor, Visit, express};
use identity::User;

/// The `centraldashboard` container.
pub struct Dashboard;

impl Actor for Dashboard {
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move { answer(&visit, request).await })
    }
}

async fn answer(visit: &Visit, request: Request<Body>) -> Response<Body> {
    let (request, body) = request.into_parts();
    let body = match body::read(&request.headers, body).await {
        Ok(body) => body,
        Err(page) => return page,
    };
    let user = User::of(visit, &request.headers);
    let (method, path) = (&request.method, request.uri.path());
    let route = express::route(path);
    let reads = *method == Method::GET || *method == Method::HEAD;
    if *method == Method::OPTIONS {
        return express::options();
    }
    if let Some(rest) = route.strip_prefix("/api/workgroup") {
        let rest = restored(path, rest);
        return if reads {
            workgroup::answer(visit, &user, &rest).await
        } else {
            change(visit, &user, method, &rest, &body).await
        };
    }
    if route == "/api" || route.starts_with("/api/") {
        return match (reads, &route["/api".len()..]) {
            (true, "/namespaces") => cluster::namespaces(visit),
            (true, "/dashboard-links") => cluster::links(visit),
            (true, "/dashboard-settings") => cluster::settings(visit),
            (true, "/metrics" | "/metrics/node" | "/metrics/podcpu" | "/metrics/podmem") => {
                express::error(StatusCode::METHOD_NOT_ALLOWED, "Operation not supported")
            }
            (true, rest) if rest.starts_with("/activities/") => {
                cluster::activities(visit, &rest["/activities/".len()..])
            }
            _ => no_route(),
        };
    }
    match (reads, route.as_str()) {
        (true, "/healthz") => page::health(),
        (true, "/debug") => identity::debug(visit, &user),
        (true, "/app.bundle.js") => page::script(),
        (true, "/app.css") => page::style(),
        (true, "/dashboard_lib.bundle.js") => page::library(),
        (true, _) => page::index(),
        (false, _) => express::cannot(method, path),
    }
}

/// What changes profiles and their contributors.
async fn change(visit: &Visit, user: &User, method: &Method, route: &str, body: &Value) -> Response<Body> {
    if *method == Method::POST && route == "/create" {
        return registration::create(visit, user, body).await;
    }
    if !user.is_known() && !matches!(route, "/exists" | "/env-info") {
        return express::error(StatusCode::METHOD_NOT_ALLOWED, workgroup::NOBODY);
    }
    let namespace = |route: &str| match route.split('/').collect::<Vec<_>>().as_slice() {
        ["", verb @ ("add-contributor" | "remove-contributor"), namespace] => {
            Some(((*verb).to_owned(), (*namespace).to_owned()))
        }
        _ => None,
    };
    match (method, route, namespace(route)) {
        (&Method::DELETE, "/nuke-self", _) => registration::delete(visit, user).await,
        (&Method::POST, _, Some((verb, namespace))) if verb == "add-contributor" => {
            contributors::change(visit, user, Method::POST, &namespace, body).await
        }
        (&Method::DELETE, _, Some((verb, namespace))) if verb == "remove-contributor" => {
            contributors::change(visit, user, Method::DELETE, &namespace, body).await
        }
        _ => no_route(),
    }
}

/// Routes are compared in lower case, but what a parameter holds keeps its own.
fn restored(path: &str, route: &str) -> String {
    let last = path.split('/').rfind(|part| !part.is_empty()).unwrap_or_default();
    match route.rsplit_once('/') {
        Some((before, parameter)) if !before.is_empty() && parameter.eq_ignore_ascii_case(last) => {
            format!("{before}/{last}")
        }
        _ => route.to_owned(),
    }
}

fn no_route() -> Response<Body> {
    express::error(StatusCode::NOT_FOUND, "Could not find the route you're looking for")
}
