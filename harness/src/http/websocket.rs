//! Asking the gateway for a websocket.

use std::time::Duration;

use ::http::{Method, StatusCode};
use futures::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{Message, protocol::Role};

use super::answer::Answer;
use super::exchange::Record;
use super::verbatim::{self, Verbatim};
use super::{Session, causes};
use crate::stop::{Checked, Stop};

/// What came of asking for a websocket.
pub struct Upgrade {
    /// The answer; `101` when it was granted.
    pub answer: Answer,
    socket: Option<WebSocketStream<TokioIo<Upgraded>>>,
}

impl Upgrade {
    /// Whether the websocket is open: status 101 and the right `Sec-WebSocket-Accept` (RFC 6455 §4.1).
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// Sends a text message.
    pub async fn send(&mut self, text: &str) -> Checked<()> {
        let at = self.answer.at();
        let socket = self.socket()?;
        let sent = socket.send(Message::text(text)).await;
        sent.map_err(|error| Stop::errored("transport", format!("the websocket {at} does not take a message: {error}")))
    }

    /// The next text or binary message; `None` when none comes within the bound, or the other side closes.
    pub async fn next(&mut self, within: Duration) -> Checked<Option<String>> {
        let socket = self.socket()?;
        let message = async {
            loop {
                match socket.next().await {
                    Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                    Some(Ok(Message::Binary(bytes))) => return Some(String::from_utf8_lossy(&bytes).into_owned()),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        Ok(tokio::time::timeout(within, message).await.ok().flatten())
    }

    fn socket(&mut self) -> Checked<&mut WebSocketStream<TokioIo<Upgraded>>> {
        let problem = format!("{} opened no websocket: {}", self.answer.at(), self.answer.summary());
        self.socket.as_mut().ok_or_else(|| Stop::errored("precondition", problem))
    }
}

impl Session {
    /// Asks for a websocket at a path, with further headers. A refusal is an answer, not an error.
    pub async fn websocket(&self, path: &str, headers: &[(&str, &str)]) -> Checked<Upgrade> {
        let key = generate_key();
        let mut request = self.request(Method::GET, path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", &key);
        let outgoing = request.outgoing()?;
        let mut record = Record::new(&self.recorder, &outgoing);
        let asking = async {
            let wire = Verbatim {
                method: &outgoing.method,
                target: outgoing.target(&self.gateway),
                headers: &outgoing.headers,
                body: Vec::new(),
            };
            let mut response = verbatim::send(&self.gateway, wire).await?;
            record.head(response.status(), response.headers());
            let granted = response.headers().get("sec-websocket-accept").map(|value| value.as_bytes().to_vec())
                == Some(derive_accept_key(key.as_bytes()).into_bytes());
            if response.status() == StatusCode::SWITCHING_PROTOCOLS && granted {
                let upgraded = hyper::upgrade::on(&mut response).await.map_err(|error| causes(&error))?;
                let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
                return Ok((response.into_parts().0, String::new(), Some(socket)));
            }
            let (head, body) = response.into_parts();
            let limited = http_body_util::Limited::new(body, self.gateway.limits.body);
            // A body that breaks off changes nothing about the refusal.
            let body = limited.collect().await.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned());
            Ok((head, body.unwrap_or_default(), None))
        };
        let asked = tokio::time::timeout(outgoing.within, asking).await;
        let asked = asked.unwrap_or_else(|_| Err(format!("not complete within {} s", outgoing.within.as_secs_f64())));
        match asked {
            Ok((head, body, socket)) => {
                record.exchange.body_bytes = body.len() as u64;
                record.exchange.body.clone_from(&body);
                let took = record.finish();
                self.take_cookies(&head.headers, &outgoing.url);
                let answer = Answer {
                    method: outgoing.method,
                    url: outgoing.url,
                    sent: outgoing.sent,
                    status: head.status,
                    headers: head.headers,
                    body,
                    cut: false,
                    took,
                };
                Ok(Upgrade { answer, socket })
            }
            Err(reason) => {
                record.failed(&reason);
                let message = format!("no answer to {} {} (websocket): {reason}", outgoing.method, outgoing.sent);
                Err(Stop::errored("transport", message))
            }
        }
    }
}
