//! Requests as bytes, and answers taken apart.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(12);

/// An answer; status 0 is none.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u64,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// The values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// The bytes of a recorded request.
pub fn request(recorded: &Value) -> Vec<u8> {
    if let Some(raw) = recorded["raw_b64"].as_str() {
        return STANDARD.decode(raw).unwrap();
    }
    let text = |name: &str| recorded[name].as_str().unwrap();
    let mut lines = format!("{} {} {}\r\n", text("method"), text("target"), text("version"));
    for header in recorded["headers"].as_array().unwrap() {
        lines += &format!("{}: {}\r\n", header[0].as_str().unwrap(), header[1].as_str().unwrap());
    }
    // The recordings keep bytes as the characters of the same number.
    (lines + "\r\n" + text("body")).chars().map(|character| character as u32 as u8).collect()
}

/// Sends bytes over a connection of their own; the first answer.
pub async fn send(to: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(to).await.ok()?;
    // The answer may come before the request is read.
    let _ = stream.write_all(request).await;
    let mut bytes = Vec::new();
    let is_head = request.starts_with(b"HEAD ");
    let reading = async {
        let mut part = [0; 16 * 1024];
        while let Ok(count @ 1..) = stream.read(&mut part).await {
            bytes.extend(&part[..count]);
            if is_whole(&bytes, is_head) {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(ANSWER_WITHIN, reading).await;
    parse(&bytes)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_whole(bytes: &[u8], is_head: bool) -> bool {
    parse(bytes).is_some_and(|answer| {
        let length = answer.all("content-length").first().and_then(|length| length.parse::<usize>().ok());
        is_head || answer.status == 101 || length.is_some_and(|length| answer.body.len() >= length)
    })
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = text(&bytes[..end]);
    let status: u64 = head.split(' ').nth(1)?.parse().ok()?;
    if status == 100 {
        return parse(&bytes[end + 4..]);
    }
    let headers: Vec<(String, String)> = head
        .split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked { unchunk(&bytes[end + 4..]) } else { bytes[end + 4..].to_vec() };
    Some(Answer { status, headers, body: text(&body) })
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(text(&bytes[..end]).trim(), 16).unwrap_or(0);
        let Some(chunk) = bytes.get(end + 2..end + 2 + size).filter(|_| size > 0) else { break };
        whole.extend(chunk);
        bytes = bytes.get(end + 4 + size..).unwrap_or_default();
    }
    whole
}
