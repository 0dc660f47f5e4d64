//! One HTTP request of a probe, sent by `curl` in its container.

use std::time::Instant;

use harness::exec::{self, Place};
use harness::http::Answer;
use harness::{Checked, Ctx, Stop};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use reports::model::{EventKind, HttpExchange};
use serde_json::Value;
use url::Url;

use super::Probe;
use crate::recognise::{Answered, who};

/// How long a request may take, in seconds: longer than the ten that a sidecar tries to connect.
const PATIENCE: &str = "15";
/// What must be reachable from every pod of the cluster, whatever it is: whoever has none of it is cut off.
const CONTROL: &str = "http://dex.auth.svc.cluster.local:5556/dex/.well-known/openid-configuration";

/// What a probe sends.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: &'a str,
    /// Headers, beside curl's own.
    pub headers: &'a [(&'a str, &'a str)],
    /// A body of JSON, and its type.
    pub body: Option<&'a Value>,
}

/// What a probe got.
#[derive(Debug, Clone)]
pub enum Reply {
    /// An answer.
    Answer(Box<Answer>),
    /// No connection came about in time.
    TimedOut,
    /// The connection was refused or broken off, in curl's words.
    Broken(String),
    /// There is no such name.
    NoSuchName,
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Answer(answer) => write!(f, "{} ({})", who(answer), answer.summary()),
            Self::TimedOut => f.write_str("nothing came back in time"),
            Self::Broken(why) => f.write_str(why),
            Self::NoSuchName => f.write_str("there is no such name"),
        }
    }
}

impl Probe {
    /// Sends a GET.
    ///
    /// # Errors
    /// [`Stop::Errored`] if curl could not run.
    pub async fn get(&self, cx: &Ctx, url: &str, headers: &[(&str, &str)]) -> Checked<Reply> {
        self.send(cx, Request { method: Method::GET, url, headers, body: None }).await
    }

    /// Sends a request.
    ///
    /// # Errors
    /// [`Stop::Errored`] if curl could not run.
    pub async fn send(&self, cx: &Ctx, request: Request<'_>) -> Checked<Reply> {
        let Request { method, url, headers, body } = &request;
        let mut headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let body = body.map(Value::to_string);
        headers.extend(body.iter().map(|_| "content-type: application/json".to_owned()));
        let mut command = vec!["curl", "-sSig", "--path-as-is", "--max-time", PATIENCE];
        if *method != Method::GET {
            command.extend(["-X", method.as_str()]);
        }
        command.extend(headers.iter().flat_map(|header| ["-H", header]));
        command.extend(body.iter().flat_map(|body| ["--data-raw", body]));
        command.push(url);
        let started = Instant::now();
        let ran = exec::run(cx, self.place(), &command).await?;
        let reply = match ran.code {
            0 => Reply::Answer(Box::new(read(method, url, &ran.stdout, started)?)),
            6 => Reply::NoSuchName,
            28 => Reply::TimedOut,
            7 | 52 | 56 => Reply::Broken(ran.stderr.trim().to_owned()),
            code => {
                return Err(Stop::errored(
                    "precondition",
                    format!("curl {url} in pod {}: exit code {code}: {}", self.pod, ran.stderr.trim()),
                ));
            }
        };
        let shown = format!("kubectl -n {} exec {} -c {} -- curl -sSi", self.namespace, self.pod, self.container);
        let quoted = |option: &str, text: &String| format!(" {option} '{}'", text.replace('\'', r"'\''"));
        let mut options = if *method == Method::GET { String::new() } else { format!(" -X {method}") };
        options.extend(headers.iter().map(|header| quoted("-H", header)));
        options.extend(body.iter().map(|body| quoted("--data-raw", body)));
        let sent = Sent { method, url, headers: &headers, body, curl: format!("{shown}{options} '{url}'") };
        record(cx, sent, &reply, started, &ran.stderr);
        Ok(reply)
    }

    /// Where its commands run.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        Place { namespace: &self.namespace, pod: &self.pod, container: &self.container }
    }

    /// The control of every denial: from here something is reached that every pod must reach.
    ///
    /// # Errors
    /// [`Stop::Errored`] if not: then no silence of this probe means anything.
    pub async fn is_alive(&self, cx: &Ctx) -> Checked {
        let instead = match self.get(cx, CONTROL, &[]).await? {
            Reply::Answer(answer) if who(&answer) == Answered::DexDiscovery => return Ok(()),
            instead => instead,
        };
        Err(Stop::errored("precondition", format!("{self} does not even reach Dex ({CONTROL}): {instead}"))
            .fix("look at the cluster's DNS, and for network policies in the run's namespaces and in auth"))
    }
}

/// Takes curl's output apart: status line, headers, body.
fn read(method: &Method, url: &str, output: &str, started: Instant) -> Checked<Answer> {
    let unreadable = |what: &str| Stop::errored("precondition", format!("curl {url}: {what}"));
    let (head, body) = output.split_once("\r\n\r\n").ok_or_else(|| unreadable("no head of an answer"))?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok());
    let status: StatusCode = status.ok_or_else(|| unreadable("no status"))?;
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if let (Ok(name), Ok(value)) = (name.trim().parse::<HeaderName>(), HeaderValue::from_str(value.trim())) {
            headers.append(name, value);
        }
    }
    let url = Url::parse(url).map_err(|error| unreadable(&error.to_string()))?;
    Ok(Answer {
        method: method.clone(),
        sent: url.to_string(),
        url,
        status,
        headers,
        body: body.to_owned(),
        cut: false,
        took: started.elapsed(),
    })
}

/// What a probe sent, and how a person sends the same.
struct Sent<'a> {
    method: &'a Method,
    url: &'a str,
    headers: &'a [String],
    body: Option<String>,
    curl: String,
}

fn record(cx: &Ctx, sent: Sent<'_>, reply: &Reply, started: Instant, complaint: &str) {
    let pairs = sent.headers.iter().filter_map(|header| header.split_once(": "));
    let mut exchange = HttpExchange {
        method: sent.method.to_string(),
        url: sent.url.to_owned(),
        request_headers: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        request_body: sent.body,
        status: 0,
        headers: Vec::new(),
        body: String::new(),
        body_bytes: 0,
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        error: None,
        curl: sent.curl,
    };
    match reply {
        Reply::Answer(answer) => {
            let shown = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            exchange.status = answer.status.as_u16();
            exchange.headers = answer.headers.iter().map(|(name, value)| (name.to_string(), shown(value))).collect();
            exchange.body_bytes = answer.body.len() as u64;
            exchange.body.clone_from(&answer.body);
        }
        _ => exchange.error = Some(complaint.trim().to_owned()),
    }
    cx.recorder().record(EventKind::Http(exchange));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_status_headers_and_body() {
        let answer = read(
            &Method::POST,
            "http://x.y/z",
            "HTTP/1.1 403 Forbidden\r\nserver: istio-envoy\r\n\r\nRBAC: access denied",
            Instant::now(),
        );
        let answer = answer.unwrap();
        assert_eq!((answer.status.as_u16(), answer.header("server")), (403, "istio-envoy"));
        assert_eq!(who(&answer), Answered::RbacRefusal);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for output in ["", "HTTP/1.1 200 OK", "SSH-2.0\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1\r\n\r\n"] {
            assert!(
                matches!(read(&Method::GET, "http://x.y/", output, Instant::now()), Err(Stop::Errored(_))),
                "{output:?}"
            );
        }
    }
}
