//! Connections: TLS, HTTP/1.1 and HTTP/2, upgrades, and limits.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::handler;
use crate::platform::World;
use crate::unread::Unread;

/// How many connections are served at once; more wait in the listener's backlog.
const CONNECTIONS: usize = 1024;
/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take for the head of an HTTP/1 request.
const HEAD: Duration = Duration::from_secs(30);

/// Serves HTTPS until dropped.
pub async fn serve(world: Arc<World>, listener: TcpListener) {
    let acceptor = match world.credentials.server_config() {
        Ok(config) => TlsAcceptor::from(config),
        Err(error) => {
            tracing::error!(%error, "the Kubernetes API cannot serve TLS");
            return;
        }
    };
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    // Ends with the future that runs this, and takes the connections with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection to the Kubernetes API was not accepted");
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        let (world, acceptor) = (world.clone(), acceptor.clone());
        connections.spawn(async move {
            let _slot = slot;
            drop(stream.set_nodelay(true));
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => serve_connection(world, stream).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake with the Kubernetes API failed"),
                Err(_) => tracing::debug!("a TLS handshake with the Kubernetes API took too long"),
            }
        });
    }
}

/// Serves one connection, already decrypted.
pub async fn serve_connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(world: Arc<World>, stream: S) {
    let service = service_fn(move |request: Request<Incoming>| {
        let world = world.clone();
        async move {
            let (request, unread) = Unread::of(request);
            let mut answer = handler::handle(world, request).await;
            unread.settle(&mut answer).await;
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(250);
    if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection to the Kubernetes API ended");
    }
}
