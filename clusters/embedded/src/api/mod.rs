//! The Kubernetes API over HTTPS.

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::platform::World;

pub mod status;

pub use status::Status;

/// Serves the API until dropped.
pub async fn serve(world: Arc<World>, listener: TcpListener) {
    let _ = (world, listener);
}
