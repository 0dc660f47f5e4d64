//! The Central Dashboard: its page and its API.
//!
//! Facts: kubeflow/kubeflow v1.9.2 `components/centraldashboard/app`, and recorded exchanges with the real program.
//! Contributors and registration are read only so far.

mod cluster;
mod identity;
mod page;
mod workgroup;

use axum::body::Body;
use futures::future::BoxFuture;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};

use super::{Actor, Visit, express};
use identity::User;

/// The `centraldashboard` container.
pub struct Dashboard;

impl Actor for Dashboard {
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let (parts, _) = request.into_parts();
        Box::pin(async move { answer(&visit, &parts).await })
    }
}

async fn answer(visit: &Visit, request: &Parts) -> Response<Body> {
    let user = User::of(visit, &request.headers);
    let (method, path) = (&request.method, request.uri.path());
    let route = express::route(path);
    let reads = *method == Method::GET || *method == Method::HEAD;
    if *method == Method::OPTIONS {
        return express::options();
    }
    if let Some(rest) = route.strip_prefix("/api/workgroup") {
        return if reads { workgroup::answer(visit, &user, rest).await } else { unknown(&user, rest) };
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

fn unknown(user: &User, rest: &str) -> Response<Body> {
    if rest == "/exists" || rest == "/env-info" || user.is_known() {
        return no_route();
    }
    express::error(
        StatusCode::METHOD_NOT_ALLOWED,
        "Unable to ascertain user identity from request, cannot access route.",
    )
}

fn no_route() -> Response<Body> {
    express::error(StatusCode::NOT_FOUND, "Could not find the route you're looking for")
}
