//! The programs of the platform, played: an actor answers for a container while a ready pod runs its image.

use std::sync::Arc;

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Request, Response};
use serde_json::Value;

use crate::mesh::Caller;
use crate::platform::World;

/// One request's way to an actor: where it arrived and who sent it.
#[derive(Clone)]
pub struct Visit {
    /// The platform.
    pub world: Arc<World>,
    /// The pod that answers.
    pub pod: Arc<Value>,
    /// The container in it whose image the actor plays.
    pub container: String,
    /// The container port that the request arrived at.
    pub port: u16,
    /// Who sent it, as the mesh knows.
    pub caller: Caller,
}

/// A played program.
pub trait Actor: Send + Sync {
    /// Answers one request, as the program in that container would.
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>>;
}

/// The actor that plays an image, if there is one. Matched by the repository's last parts, whatever the registry and
/// tag: sites mirror images.
#[must_use]
pub fn playing(image: &str) -> Option<&'static dyn Actor> {
    let _ = image;
    None
}
