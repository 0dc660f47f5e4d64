//! Bodies that nobody has read when the answer is there.
//!
//! A refusal often needs the head alone. A connection of HTTP/1 is of further use only once the rest of the request has been
//! taken in: Go's net/http does that before it answers (`server.go`, `maxPostHandlerReadBytes`: 256 KiB at most), and
//! Envoy reads on while its filters decide. Where the rest does not come, both say `connection: close` (Envoy:
//! `source/common/http/conn_manager_impl.cc`, where the response comes before the request is complete). hyper reads once,
//! then closes without saying so, and whoever sends another request at that moment gets no answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::header::{CONNECTION, EXPECT, HeaderValue};
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};

/// The most that is read of a body that nobody wants, in bytes.
const MOST: usize = 256 << 10;
/// How long its rest may be on its way.
const WITHIN: Duration = Duration::from_millis(200);

/// What is left of a request's body.
pub(crate) struct Unread {
    body: Option<Arc<Mutex<Incoming>>>,
    /// Who waits for leave to send a body has not sent it.
    waits: bool,
}

impl Unread {
    /// The request for whoever answers it, and what to settle afterwards.
    pub(crate) fn of(request: Request<Incoming>) -> (Request<Body>, Self) {
        let waits = request.headers().contains_key(EXPECT);
        // A stream of HTTP/2 ends alone.
        if request.version() > Version::HTTP_11 {
            return (request.map(Body::new), Self { body: None, waits });
        }
        let (head, body) = request.into_parts();
        let body = Arc::new(Mutex::new(body));
        let shared = Body::new(Shared(Arc::clone(&body)));
        (Request::from_parts(head, shared), Self { body: Some(body), waits })
    }

    /// Takes in the rest, or says in the answer that the connection ends with it.
    pub(crate) async fn settle(self, answer: &mut Response<Body>) {
        let Some(body) = self.body else { return };
        let is_whole = hyper::body::Body::is_end_stream(&*lock(&body));
        if !is_whole && (self.waits || !tokio::time::timeout(WITHIN, taken_in(body)).await.unwrap_or(false)) {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Whether a body has come to its end.
async fn taken_in(body: Arc<Mutex<Incoming>>) -> bool {
    // Somebody may read it still.
    let Ok(body) = Arc::try_unwrap(body) else { return false };
    let mut body = body.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > MOST {
            return false;
        }
    }
    true
}

fn lock(body: &Mutex<Incoming>) -> std::sync::MutexGuard<'_, Incoming> {
    body.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body, as whoever answers reads it.
struct Shared(Arc<Mutex<Incoming>>);

impl hyper::body::Body for Shared {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *lock(&self.0)).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0).size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    /// A server that refuses everything without a look at the body, and the client's end of a connection to it.
    fn refusing() -> DuplexStream {
        let (near, far) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            let service = service_fn(|request| async {
                let (request, unread) = Unread::of(request);
                drop(request);
                let mut answer = Response::builder().status(403).body(Body::empty()).unwrap();
                unread.settle(&mut answer).await;
                Ok::<_, Infallible>(answer)
            });
            http1::Builder::new().serve_connection(TokioIo::new(far), service).await
        });
        near
    }

    async fn head(client: &mut DuplexStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    fn post(length: usize, more: &str) -> String {
        format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n{more}\r\n")
    }

    #[tokio::test]
    async fn a_refused_request_leaves_the_connection_to_the_next() {
        let mut client = refusing();
        for _ in 0..3 {
            // More than the pipe holds at once, so that it comes piece by piece.
            client.write_all(post(50_000, "").as_bytes()).await.unwrap();
            client.write_all(&[b'x'; 50_000]).await.unwrap();
            let head = head(&mut client).await;
            assert!(head.starts_with("HTTP/1.1 403") && !head.contains("connection: close"), "{head}");
        }
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(!head(&mut client).await.contains("connection: close"));
    }

    #[tokio::test]
    async fn a_connection_that_ends_says_so() {
        for (length, more) in [(10, ""), (10, "expect: 100-continue\r\n"), (MOST + 10, "")] {
            let mut client = refusing();
            client.write_all(post(length, more).as_bytes()).await.unwrap();
            if length > MOST {
                let sent = vec![b'x'; length];
                let (mut reader, mut writer) = tokio::io::split(client);
                tokio::spawn(async move { writer.write_all(&sent).await });
                let mut told = Vec::new();
                reader.read_to_end(&mut told).await.unwrap();
                let told = String::from_utf8(told).unwrap();
                assert!(told.contains("connection: close"), "{told}");
                continue;
            }
            let head = head(&mut client).await;
            assert!(head.starts_with("HTTP/1.1 403") && head.contains("connection: close"), "{more}: {head}");
        }
    }
}
