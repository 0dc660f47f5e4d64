//! The profile-controller's program: what it needs to start, and its probes. What it does is in
//! `controllers/profiles.rs`.

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use serde_json::Value;

use super::{Actor, Visit};
use crate::controllers::profile_settings::{LABELS_FILE, labels};
use crate::kubelet::environment;
use crate::platform::World;

/// The `manager` container of `profiles-deployment`.
pub struct ProfileController;

impl Actor for ProfileController {
    fn start(&self, world: &World, pod: &Value, container: &str) -> Result<(), String> {
        let file = environment::file(&world.store, pod, container, LABELS_FILE)
            .ok_or_else(|| format!("namespace labels properties file doesn't exist: {LABELS_FILE}"))?;
        labels(&file).map(drop).ok_or_else(|| format!("unable to parse default namespace labels: {LABELS_FILE}"))
    }

    fn serve(&self, _: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let known = matches!(request.uri().path(), "/healthz" | "/readyz" | "/healthz/" | "/readyz/");
        Box::pin(async move {
            let mut response = Response::new(Body::from(if known { "ok" } else { "404 page not found\n" }));
            *response.status_mut() = if known { StatusCode::OK } else { StatusCode::NOT_FOUND };
            response
        })
    }
}
