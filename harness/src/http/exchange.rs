//! One exchange: sent, answered, read to its end or bound, and recorded however it ended.

use std::time::{Duration, Instant};

use ::http::{HeaderMap, Method, StatusCode};
use futures::StreamExt;
use http_body_util::BodyExt;
use reports::model::{EventKind, HttpExchange};
use url::Url;

use super::answer::Answer;
use super::gateway::Gateway;
use super::{causes, curl, verbatim};
use crate::evidence::Recorder;
use crate::stop::{Checked, Stop};

/// A request that is ready to go.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    /// The URL as it was written.
    pub(super) sent: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) within: Duration,
}

impl Outgoing {
    /// Whether it must go letter by letter: a header name in capitals, or a path that the URL parser would tidy up.
    fn is_verbatim(&self) -> bool {
        self.headers.iter().any(|(name, _)| name.bytes().any(|byte| byte.is_ascii_uppercase()))
            || (self.sent != self.url.as_str()
                && self.sent.parse::<::http::Uri>().is_ok()
                && !needs_encoding(&self.sent))
    }

    /// Path and query as written.
    pub(super) fn target(&self, gateway: &Gateway) -> &str {
        self.sent.strip_prefix(&gateway.origin()).filter(|target| !target.is_empty()).unwrap_or("/")
    }
}

/// Characters that every client percent-encodes before sending.
fn needs_encoding(text: &str) -> bool {
    text.chars().any(|c| matches!(c, '"' | '<' | '>' | '`' | '{' | '}' | '#' | '\'' | ' ') || !c.is_ascii_graphic())
}

/// What was received of an answer.
struct Received {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    cut: bool,
}

/// Sends a request and reads the answer. No answer, or half of one, is [`Stop::Errored`]: nobody has been denied.
pub(super) async fn exchange(gateway: &Gateway, recorder: &Recorder, outgoing: Outgoing) -> Checked<Answer> {
    let mut record = Record::new(recorder, &outgoing);
    let within = outgoing.within;
    let received = tokio::time::timeout(within, perform(gateway, &outgoing, &mut record)).await;
    let received = received.unwrap_or_else(|_| Err(format!("not complete within {} s", within.as_secs_f64())));
    match received {
        Ok(received) => {
            let took = record.answered(&received);
            Ok(Answer {
                method: outgoing.method,
                url: outgoing.url,
                sent: outgoing.sent,
                status: received.status,
                headers: received.headers,
                body: String::from_utf8_lossy(&received.body).into_owned(),
                cut: received.cut,
                took,
            })
        }
        Err(reason) => {
            let what = match record.exchange.status {
                0 => "no answer to",
                _ => "only half an answer to",
            };
            record.failed(&reason);
            let message = format!("{what} {} {}: {reason}", outgoing.method, outgoing.sent);
            Err(Stop::errored("transport", message)
                .fix(format!("see whether the gateway answers: curl -i {}", gateway.base)))
        }
    }
}

async fn perform(gateway: &Gateway, outgoing: &Outgoing, record: &mut Record<'_>) -> Result<Received, String> {
    let limit = gateway.limits.body;
    if outgoing.is_verbatim() {
        let request = verbatim::Verbatim {
            method: &outgoing.method,
            target: outgoing.target(gateway),
            headers: &outgoing.headers,
            body: outgoing.body.clone().unwrap_or_default(),
        };
        let answer = verbatim::send(gateway, request).await?;
        let (head, body) = answer.into_parts();
        record.head(head.status, &head.headers);
        let chunks = body.into_data_stream().map(|chunk| chunk.map_err(|error| causes(&error)));
        let (body, cut) = read(chunks, limit, record).await?;
        return Ok(Received { status: head.status, headers: head.headers, body, cut });
    }
    let mut request = gateway.pool.request(outgoing.method.clone(), outgoing.url.clone());
    request = request.headers(verbatim::header_map(&outgoing.headers)?);
    if let Some(body) = &outgoing.body {
        request = request.body(body.clone());
    }
    let answer = request.send().await.map_err(|error| causes(&error.without_url()))?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    record.head(status, &headers);
    let chunks = answer.bytes_stream().map(|chunk| chunk.map_err(|error| causes(&error.without_url())));
    let (body, cut) = read(chunks, limit, record).await?;
    Ok(Received { status, headers, body, cut })
}

async fn read<B: AsRef<[u8]>>(
    chunks: impl futures::Stream<Item = Result<B, String>>,
    limit: usize,
    record: &mut Record<'_>,
) -> Result<(Vec<u8>, bool), String> {
    let mut chunks = std::pin::pin!(chunks);
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|reason| format!("the body broke off after {} bytes: {reason}", body.len()))?;
        let chunk = chunk.as_ref();
        let room = limit - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        record.exchange.body_bytes = body.len() as u64;
        if chunk.len() > room {
            return Ok((body, true));
        }
    }
    Ok((body, false))
}

/// The evidence of an exchange. Dropped before its end — the check ran out of time — it says so.
pub(super) struct Record<'a> {
    recorder: &'a Recorder,
    started: Instant,
    pub(super) exchange: HttpExchange,
    done: bool,
}

impl<'a> Record<'a> {
    pub(super) fn new(recorder: &'a Recorder, outgoing: &Outgoing) -> Self {
        let body = outgoing.body.as_deref().map(|body| String::from_utf8_lossy(body).into_owned());
        let method = outgoing.method.to_string();
        let exchange = HttpExchange {
            curl: curl::command(&method, &outgoing.sent, &outgoing.headers, body.as_deref()),
            method,
            url: outgoing.sent.clone(),
            request_headers: outgoing.headers.clone(),
            request_body: body,
            status: 0,
            headers: Vec::new(),
            body: String::new(),
            body_bytes: 0,
            duration_ms: 0,
            error: None,
        };
        Self { recorder, started: Instant::now(), exchange, done: false }
    }

    pub(super) fn head(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.exchange.status = status.as_u16();
        let text = |value: &::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        self.exchange.headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    }

    fn answered(&mut self, received: &Received) -> Duration {
        self.exchange.body = String::from_utf8_lossy(&received.body).into_owned();
        self.exchange.error =
            received.cut.then(|| format!("the body is longer than {} bytes: cut", received.body.len()));
        self.finish()
    }

    pub(super) fn failed(&mut self, reason: &str) {
        self.exchange.error = Some(reason.to_owned());
        self.finish();
    }

    pub(super) fn finish(&mut self) -> Duration {
        let took = self.started.elapsed();
        self.exchange.duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.done = true;
        self.recorder.record(EventKind::Http(self.exchange.clone()));
        took
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.failed("the check ended before the answer was complete");
        }
    }
}
