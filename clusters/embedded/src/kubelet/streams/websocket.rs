//! Turning a request into a WebSocket (RFC 6455) with one of the subprotocols that Kubernetes speaks on it.

use axum::body::Body;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use crate::api::Status;

/// A WebSocket from a client.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The message that ends a WebSocket well; without its code clients take the end for an error.
pub(super) fn goodbye() -> Message {
    Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() }))
}

/// A connection that is about to change its protocol.
pub(super) struct Upgrade {
    /// The answer that lets it.
    pub(super) response: Response<Body>,
    /// The protocol that both sides know.
    pub(super) protocol: &'static str,
    pending: OnUpgrade,
}

impl Upgrade {
    /// The raw connection, once the answer is sent.
    pub(super) async fn raw(self) -> Option<TokioIo<Upgraded>> {
        self.pending.await.inspect_err(|error| tracing::debug!(%error, "no upgrade")).ok().map(TokioIo::new)
    }

    /// The WebSocket, once the answer is sent.
    pub(super) async fn socket(self) -> Option<Socket> {
        let raw = self.raw().await?;
        Some(WebSocketStream::from_raw_socket(raw, Role::Server, None).await)
    }
}

/// Accepts a WebSocket handshake with the first of `known` protocols that the client offers.
///
/// # Errors
/// 400: no handshake, or no common protocol.
pub(super) fn accept(request: &mut Request<Body>, known: &[&'static str]) -> Result<Upgrade, Status> {
    let headers = request.headers();
    let asks = has(headers, &UPGRADE, "websocket") && has(headers, &CONNECTION, "upgrade");
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| asks);
    let Some(key) = key else {
        return Err(Status::bad_request("Upgrade request required"));
    };
    let offers = |protocol: &str| has(headers, &SEC_WEBSOCKET_PROTOCOL, protocol);
    let Some(protocol) = known.iter().find(|protocol| offers(protocol)) else {
        let known = known.join(", ");
        return Err(Status::bad_request(format!("no WebSocket subprotocol in common; this server speaks {known}")));
    };
    let accepted = derive_accept_key(key.as_bytes());
    let fields = [(SEC_WEBSOCKET_ACCEPT, accepted.as_str()), (SEC_WEBSOCKET_PROTOCOL, protocol)];
    let response = switching("websocket", &fields)?;
    Ok(Upgrade { response, protocol, pending: hyper::upgrade::on(request) })
}

/// Accepts a bare upgrade to SPDY/3.1.
///
/// # Errors
/// 500 only.
pub(super) fn accept_spdy(request: &mut Request<Body>, protocol: &'static str) -> Result<Upgrade, Status> {
    let version = HeaderName::from_static("x-stream-protocol-version");
    let response = switching("SPDY/3.1", &[(version, protocol)])?;
    Ok(Upgrade { response, protocol, pending: hyper::upgrade::on(request) })
}

/// Whether a header of comma-separated values has one of them, in any case.
pub(super) fn has(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(wanted))
}

fn switching(protocol: &str, fields: &[(HeaderName, &str)]) -> Result<Response<Body>, Status> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let mut set = |name: HeaderName, value: &str| -> Result<(), Status> {
        response.headers_mut().insert(name, HeaderValue::from_str(value).map_err(Status::internal)?);
        Ok(())
    };
    set(CONNECTION, "Upgrade")?;
    set(UPGRADE, protocol)?;
    for (name, value) in fields {
        set(name.clone(), value)?;
    }
    Ok(response)
}
