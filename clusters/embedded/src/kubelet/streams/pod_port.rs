//! A connection to a port of a pod, made inside the pod as a kubelet's port-forward makes it: past its sidecar.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::io::DuplexStream;

use crate::actors::Visit;
use crate::controllers::endpoints::target_port;
use crate::gateway;
use crate::mesh::endpoints::container_at;
use crate::mesh::{self, Caller};
use crate::object::{list, selected_by, text, uid};
use crate::platform::World;
use crate::store::Key;
use crate::unread::Unread;

/// Bytes on their way.
const BUFFER: usize = 64 << 10;

/// Connects to a port of a pod.
///
/// # Errors
/// Nobody listens there, in the words of containerd's port-forward.
pub(super) fn connect(world: &Arc<World>, pod: &Arc<Value>, port: u16) -> Result<DuplexStream, String> {
    let (near, far) = tokio::io::duplex(BUFFER);
    if is_gateway(world, pod, port) {
        tokio::spawn(gateway::serve_connection(world.clone(), far));
        return Ok(near);
    }
    let listening = container_at(pod, port).filter(|container| mesh::actor_of(world, container).is_some());
    let Some(container) = listening else {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        return Err(format!(
            "error forwarding port {port} to pod {}, uid : failed to connect to localhost:{port} inside namespace: \
             dial tcp4 {address}: connect: connection refused",
            uid(pod),
        ));
    };
    let visit = Visit {
        world: world.clone(),
        pod: pod.clone(),
        container: text(container, "/name").to_owned(),
        port,
        caller: Caller::default(),
    };
    tokio::spawn(serve(visit, far));
    Ok(near)
}

/// Whether a port of a pod is the gateway's plain HTTP port.
fn is_gateway(world: &World, pod: &Value, port: u16) -> bool {
    let service = world.store.get(&Key::new("", "services", "istio-system", "istio-ingressgateway"));
    service.is_some_and(|service| {
        crate::object::namespace(pod) == "istio-system"
            && selected_by(pod, service.pointer("/spec/selector"))
            && list(&service, "/spec/ports")
                .iter()
                .any(|one| one["port"] == 80 && target_port(pod, one) == Some(u64::from(port)))
    })
}

async fn serve(visit: Visit, stream: DuplexStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let visit = visit.clone();
        async move {
            let (request, unread) = Unread::of(request);
            let mut reply = answer(visit, request).await;
            unread.settle(&mut reply).await;
            Ok::<Response<Body>, std::convert::Infallible>(reply)
        }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    if let Err(error) = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a forwarded connection ended");
    }
}

/// The actor's answer, for as long as its container plays it.
async fn answer(visit: Visit, request: Request<Body>) -> Response<Body> {
    let actor = crate::kubelet::container(&visit.pod, &visit.container)
        .and_then(|container| mesh::actor_of(&visit.world, container));
    match actor {
        Some(actor) => actor.serve(visit, request).await,
        None => Response::new(Body::empty()),
    }
}
