//! What a program in a pod gets of a request to another: an answer, or the error of its socket. Through a sidecar most
//! errors are the proxy's answers. Here, unlike for the platform's own programs, NetworkPolicies count.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use serde_json::Value;

use super::endpoints::Found;
use super::{Aim, Caller, NotConnected, aborted, aim, deliver, network, replies};
use crate::platform::World;

/// Why no byte of an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SocketError {
    /// The cluster's DNS knows no such name.
    NoSuchHost,
    /// Nobody listens.
    Refused,
    /// Nothing comes back: what a CNI does with what a NetworkPolicy keeps out.
    TimedOut,
    /// The other side ended the connection.
    Reset,
}

/// Sends a request as a program in a pod.
///
/// # Errors
/// What the program's socket says.
pub(crate) async fn request(
    world: &Arc<World>,
    pod: &Value,
    mut request: Request<Body>,
) -> Result<Response<Body>, SocketError> {
    let caller = Caller::pod(pod);
    let Some(Aim { destination, found }) = aim(world, &caller, &mut request) else {
        return Err(SocketError::NoSuchHost);
    };
    if let Some(reply) = aborted(world, &caller, &destination, &request) {
        return Ok(reply);
    }
    let unreachable = |text| Ok(replies::local(request.headers(), StatusCode::SERVICE_UNAVAILABLE, text));
    let (pod, port) = match found {
        None => return Err(SocketError::TimedOut),
        Some(Found::NoService) => return Err(SocketError::NoSuchHost),
        Some(Found::NoPod) if caller.in_mesh => return unreachable(replies::NO_HEALTHY_UPSTREAM),
        Some(Found::NoPod) => return Err(SocketError::Refused),
        Some(Found::Pod(target, port)) if network::admits(&world.store, pod, &target, port) => (target, port),
        // What goes to no Service is passed on as it is: the proxy has accepted it, and ends it when its own try has failed
        // (seen with Istio 1.26 and kindnet, which drops packets; the ten seconds that it takes are not played).
        Some(Found::Pod(..)) if caller.in_mesh && destination.is_address() => return Err(SocketError::Reset),
        Some(Found::Pod(..)) if caller.in_mesh => return unreachable(replies::CONNECTION_TIMEOUT),
        Some(Found::Pod(..)) => return Err(SocketError::TimedOut),
    };
    let in_mesh = caller.in_mesh;
    let reply = deliver(world, caller, &destination, (pod, port), request).await;
    match reply.extensions().get::<NotConnected>() {
        Some(NotConnected(why)) if !in_mesh && *why == replies::CONNECTION_REFUSED => Err(SocketError::Refused),
        Some(_) if !in_mesh => Err(SocketError::Reset),
        _ => Ok(reply),
    }
}
