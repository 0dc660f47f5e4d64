//! One HTTP/1.1 exchange over a fresh connection, byte for byte.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::recording::{Backend, pairs};

/// An answer.
#[derive(Default)]
pub struct Answer {
    /// 0 when none came.
    pub status: u64,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub backend: Option<Backend>,
}

/// Sends a request and reads the first final answer.
pub async fn send(address: &str, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Refused while still sending (a head too large): the answer is there to be read.
    let bytes: Vec<u8> = request.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?')).collect();
    let _ = stream.write_all(&bytes).await;
    let mut received = Vec::new();
    let read = async {
        let mut chunk = vec![0; 65536];
        loop {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(count) => received.extend_from_slice(&chunk[..count]),
            }
            if is_complete(&received, request.starts_with("HEAD ")) {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(15), read).await;
    parse(&received).unwrap_or_default()
}

fn head(received: &[u8]) -> Option<(String, &[u8])> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let rest = &received[end + 4..];
    if head.starts_with("HTTP/1.1 100") { self::head(rest) } else { Some((head, rest)) }
}

fn headers(head: &str) -> Vec<(String, String)> {
    head.split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}

fn length(headers: &[(String, String)]) -> Option<usize> {
    headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()
}

fn is_complete(received: &[u8], without_body: bool) -> bool {
    let Some((head, body)) = head(received) else { return false };
    let headers = headers(&head);
    without_body
        || head.starts_with("HTTP/1.1 101")
        || length(&headers).is_some_and(|length| body.len() >= length)
        || (headers.iter().any(|(name, _)| name == "transfer-encoding") && body.ends_with(b"0\r\n\r\n"))
}

fn parse(received: &[u8]) -> Option<Answer> {
    let (head, body) = head(received)?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let headers = headers(&head);
    let body = match length(&headers) {
        Some(length) => body[..length.min(body.len())].to_vec(),
        None if headers.iter().any(|(name, _)| name == "transfer-encoding") => unchunked(body),
        None => body.to_vec(),
    };
    let body = String::from_utf8_lossy(&body).into_owned();
    let said = match headers.iter().find(|(name, _)| name == "x-lab-echo") {
        Some((_, value)) => String::from_utf8(STANDARD.decode(value).ok()?).ok()?,
        None => body.clone(),
    };
    let said: Value = serde_json::from_str(&said).unwrap_or_default();
    let backend = (said["backend"] == "echo").then(|| Backend {
        request_line: said["request_line"].as_str().unwrap_or_default().to_owned(),
        headers: pairs(&said["headers"]),
    });
    Some(Answer { status, headers, body, backend })
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..end]);
        let Some(size) = usize::from_str_radix(&size, 16).ok().filter(|size| *size > 0) else { break };
        let from = end + 2;
        body.extend_from_slice(&rest[from..(from + size).min(rest.len())]);
        rest = rest.get(from + size + 2..).unwrap_or_default();
    }
    body
}
