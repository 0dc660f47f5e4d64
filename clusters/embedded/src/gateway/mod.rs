//! The ingress gateway: what Envoy, configured by istiod from the cluster's objects, does with a request.
//!
//! It answers while a pod behind Service `istio-system/istio-ingressgateway` is ready and a Gateway gives that pod a
//! listener; otherwise connections are closed. Its configuration is that of the last moment at which istiod ran.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{DATE, HOST, HeaderValue, SERVER};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::mesh::config::{Config, config, endpoints};
use crate::mesh::destination::Destination;
use crate::mesh::endpoints::Found;
use crate::mesh::inbound::Peer;
use crate::mesh::{Caller, replies};
use crate::platform::World;
use crate::unread::Unread;

pub(crate) mod config;
mod envoy_filter;
mod manager;
mod path;
mod preamble;
mod router;
pub(crate) mod routes;
mod stream;
#[cfg(test)]
pub(crate) mod tests;

use config::{Listener, SERVICE_PORT};
use envoy_filter::Filter;
use manager::Rejected;
use preamble::Beginning;
use stream::Resumed;

/// How long istiod waits for more changes before it pushes (its `PILOT_DEBOUNCE_AFTER` is 100 ms).
const DEBOUNCE: Duration = Duration::from_millis(20);

/// Serves the gateway until dropped.
pub async fn serve(world: Arc<World>, listener: TcpListener) {
    tokio::join!(follow(&world), accept(&world, listener));
}

/// Keeps the configuration up with the objects, so that it is the newest when istiod goes away.
async fn follow(world: &Arc<World>) {
    let mut revisions = world.store.revisions();
    while revisions.changed().await.is_ok() {
        tokio::time::sleep(DEBOUNCE).await;
        revisions.mark_unchanged();
        crate::mesh::config::config(world);
    }
}

async fn accept(world: &Arc<World>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                // Small answers should not wait for an acknowledgement.
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve_client(world.clone(), client.ip(), stream));
            }
            // Out of file descriptors, most likely: what is served now will free some.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Serves one connection that did not come through the listener: a port-forward to a gateway pod.
pub async fn serve_connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(world: Arc<World>, stream: S) {
    serve_client(world, IpAddr::V4(Ipv4Addr::LOCALHOST), stream).await;
}

async fn serve_client<S>(world: Arc<World>, client: IpAddr, mut stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if Gateway::now(&world).is_none() {
        return;
    }
    let begun = match preamble::read(&mut stream).await {
        Beginning::Regular(begun) => begun,
        Beginning::Refuse(status, text) => return refuse(stream, status, text).await,
        Beginning::Nothing => return,
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let world = world.clone();
        async move {
            let (request, unread) = Unread::of(request);
            let mut reply = answer(&world, client, request).await.ok_or(Closed)?;
            unread.settle(&mut reply).await;
            Ok::<_, Closed>(reply)
        }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().max_headers(1000).max_buf_size(1 << 20);
    server.http2().max_header_list_size(1 << 20);
    // An error is a client that went away, or bytes that are no HTTP: hyper has answered what can be answered.
    let _ = server.serve_connection_with_upgrades(TokioIo::new(Resumed::new(begun, stream)), service).await;
}

/// The gateway went away under a request, or the request deserves no answer: the connection or stream is closed.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer")]
struct Closed;

/// Answers a head that hyper does not get to see.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, status: StatusCode, text: &str) {
    let kind = if text.is_empty() { "" } else { "content-type: text/plain\r\n" };
    let reply = format!(
        "HTTP/1.1 {} {}\r\ncontent-length: {}\r\n{kind}date: {}\r\nserver: istio-envoy\r\nconnection: close\r\n\r\n{text}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        text.len(),
        date(),
    );
    let _ = stream.write_all(reply.as_bytes()).await;
    let _ = stream.shutdown().await;
    // What the client still sends is read away, or it would see a reset instead of the answer.
    let drain = async { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await };
    let _ = tokio::time::timeout(Duration::from_secs(1), drain).await;
}

/// The present date as HTTP writes it.
fn date() -> String {
    jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The gateway as it is at one moment.
struct Gateway {
    pod: Arc<Value>,
    port: u16,
    config: Arc<Config>,
    listener: Arc<Listener>,
}

impl Gateway {
    fn now(world: &World) -> Option<Self> {
        let service = Destination::new("istio-ingressgateway", "istio-system", SERVICE_PORT);
        let Found::Pod(pod, port) = endpoints(world).find(&service) else { return None };
        let config = config(world)?;
        let listener = config.gateway.listener(&pod, port)?;
        Some(Self { pod, port, config, listener })
    }
}

async fn answer(world: &Arc<World>, client: IpAddr, request: Request<Body>) -> Option<Response<Body>> {
    let gateway = Gateway::now(world)?;
    let mut reply = match manager::admit(client, request) {
        Ok(request) => pass(world, &gateway, client, request).await,
        Err(Rejected::Reply(reply)) => *reply,
        Err(Rejected::Close) => return None,
    };
    let headers = reply.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("istio-envoy"));
    if !headers.contains_key(DATE)
        && let Ok(date) = HeaderValue::from_str(&date())
    {
        headers.insert(DATE, date);
    }
    if !world.gateway_delay.is_zero() {
        tokio::time::sleep(world.gateway_delay).await;
    }
    Some(reply)
}

/// The filters in their order, then the router.
async fn pass(world: &Arc<World>, gateway: &Gateway, client: IpAddr, mut request: Request<Body>) -> Response<Body> {
    // A gateway sends through itself: its own principal is known to the pods behind it.
    let own = Caller { in_mesh: true, ..Caller::pod(&gateway.pod) };
    let routed = router::has_route(&gateway.listener, &request);
    let before = gateway.listener.filters.iter().filter(|filter| !filter.at_router);
    for filter in before {
        if let Err(reply) = apply(world, &own, &filter.filter, routed, &mut request).await {
            return *reply;
        }
    }
    let peer = Peer { principal: None, source: client, remote: client, port: gateway.port, routed };
    let inbound = gateway.config.inbound(&gateway.pod);
    if let Err(reply) = inbound.admit(world, &own, &peer, &mut request).await {
        return *reply;
    }
    for filter in gateway.listener.filters.iter().filter(|filter| filter.at_router) {
        if let Err(reply) = apply(world, &own, &filter.filter, routed, &mut request).await {
            return *reply;
        }
    }
    router::route(world, own, &gateway.listener, request).await
}

async fn apply(
    world: &Arc<World>,
    own: &Caller,
    filter: &Filter,
    routed: bool,
    request: &mut Request<Body>,
) -> Result<(), Box<Response<Body>>> {
    match filter {
        // About a request without a route nobody is asked.
        Filter::Authorize(_) if !routed => Ok(()),
        Filter::Authorize(provider) => {
            let method = request.method().clone();
            let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
            provider.check(world, own, &method, &target, request.headers_mut()).await
        }
        Filter::AddHeaders(additions) => {
            let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
            for addition in additions {
                addition.apply(&host, request.headers_mut());
            }
            Ok(())
        }
        Filter::Broken => Err(Box::new(replies::local(request.headers(), StatusCode::FORBIDDEN, ""))),
    }
}
