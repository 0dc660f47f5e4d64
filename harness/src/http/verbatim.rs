//! A connection of its own for one HTTP/1.1 request, sent letter by letter as it was written.
//!
//! The pooled client writes every header name in lower case and resolves `..` in paths, as browsers do. An attacker's
//! client does neither, so requests with another spelling take this way. A websocket takes it, too: its upgrade needs
//! HTTP/1.1 whatever the pool has agreed on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::gateway::Gateway;

/// A request as it goes over the wire.
pub(super) struct Verbatim<'a> {
    pub(super) method: &'a Method,
    /// Path and query.
    pub(super) target: &'a str,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: Vec<u8>,
}

/// Sends a request and returns the answer's head; its body is still to be read.
pub(super) async fn send(gateway: &Gateway, request: Verbatim<'_>) -> Result<Response<Incoming>, String> {
    let spelling = request.headers.iter().map(|(name, _)| name.clone()).collect();
    let request = assemble(gateway, request)?;
    let stream = tokio::time::timeout(gateway.limits.connect, connect(gateway))
        .await
        .map_err(|_| format!("no connection within {} s", gateway.limits.connect.as_secs()))??;
    let io = TokioIo::new(Spelled::new(stream, spelling));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(io).await.map_err(|error| super::causes(&error))?;
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await.map_err(|error| super::causes(&error))
}

fn assemble(gateway: &Gateway, request: Verbatim<'_>) -> Result<Request<Full<Bytes>>, String> {
    let uri: Uri = request.target.parse().map_err(|error| format!("{:?} is no path: {error}", request.target))?;
    let mut assembled = Request::new(Full::new(Bytes::from(request.body)));
    *assembled.method_mut() = request.method.clone();
    *assembled.uri_mut() = uri;
    *assembled.headers_mut() = header_map(request.headers)?;
    if !assembled.headers().contains_key("host") {
        let host = gateway.base.host_str().unwrap_or_default();
        let host = gateway.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let host = HeaderValue::try_from(host).map_err(|error| error.to_string())?;
        assembled.headers_mut().insert("host", host);
    }
    Ok(assembled)
}

/// Headers as the HTTP libraries hold them.
pub(super) fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let parsed = HeaderName::try_from(name.as_str()).map_err(|_| format!("{name:?} is no header name"))?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| format!("{name} has no valid value"))?;
        map.append(parsed, value);
    }
    Ok(map)
}

async fn connect(gateway: &Gateway) -> Result<Box<dyn Stream>, String> {
    let base = &gateway.base;
    let (host, port) = (base.host_str().unwrap_or_default(), base.port_or_known_default().unwrap_or(80));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let tcp = TcpStream::connect((host, port)).await.map_err(|error| format!("no connection: {error}"))?;
    if base.scheme() != "https" {
        return Ok(Box::new(tcp));
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let tls = TlsConnector::from(Arc::clone(&gateway.tls)).connect(name, tcp).await;
    Ok(Box::new(tls.map_err(|error| format!("no TLS connection: {error}"))?))
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream that gives the header names of the first request their own spelling back: hyper knows them in lower case
/// only. What follows the head passes untouched.
struct Spelled {
    stream: Box<dyn Stream>,
    spelling: Vec<String>,
    head: Option<Vec<u8>>,
    pending: Vec<u8>,
}

impl Spelled {
    fn new(stream: Box<dyn Stream>, spelling: Vec<String>) -> Self {
        Self { stream, spelling, head: Some(Vec::new()), pending: Vec::new() }
    }

    fn poll_pending(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

/// Puts the spelling into a head; names are matched in their order, so equal names may be spelled differently.
fn respell(head: &[u8], mut spelling: Vec<String>) -> Vec<u8> {
    let mut out = Vec::with_capacity(head.len());
    for (number, line) in head.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let name_end = line.iter().position(|byte| *byte == b':').filter(|_| number > 0);
        let spelled = name_end.and_then(|end| {
            let found = spelling.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(&line[..end]))?;
            Some((spelling.remove(found), end))
        });
        match spelled {
            Some((name, end)) => {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(&line[end..]);
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

impl AsyncWrite for Spelled {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(mut head) = self.head.take() else {
            ready!(self.poll_pending(context))?;
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        };
        head.extend_from_slice(bytes);
        match head.windows(4).position(|window| window == b"\r\n\r\n") {
            Some(end) => {
                let spelling = std::mem::take(&mut self.spelling);
                let mut pending = respell(&head[..end + 4], spelling);
                pending.extend_from_slice(&head[end + 4..]);
                self.pending = pending;
            }
            None => self.head = Some(head),
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncRead for Spelled {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_their_spelling_back_in_order() {
        let head = b"GET /x-a: HTTP/1.1\r\nx-a: 1\r\nhost: h\r\nx-a: X-a: 2\r\n\r\n";
        let spelled = respell(head, vec!["X-A".into(), "x-A".into(), "unused".into()]);
        assert_eq!(spelled, b"GET /x-a: HTTP/1.1\r\nX-A: 1\r\nhost: h\r\nx-A: X-a: 2\r\n\r\n");
    }
}
