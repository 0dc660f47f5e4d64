//! The ingress gateway: what Envoy, configured by istiod from the cluster's objects, does with a request.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::platform::World;

/// Serves the gateway until dropped.
pub async fn serve(world: Arc<World>, listener: TcpListener) {
    let _ = (world, listener);
}

/// Serves one connection that did not come through the listener: a port-forward to a gateway pod.
pub async fn serve_connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(world: Arc<World>, stream: S) {
    let _ = (world, stream);
}
