//! ML Metadata as a browser asks it: by gRPC-web.
//!
//! Framing: one byte of flags and four of length before each message, the whole in base64
//! (grpc/grpc `doc/PROTOCOL-WEB.md`, `application/grpc-web-text`). The content type `application/grpc` is never sent:
//! Envoy turns its refusals into 200 for it. Messages: google/ml-metadata `ml_metadata/proto/metadata_store_service.proto`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::Checked;
use harness::http::{Answer, Session};
use http::Method;

use crate::applications::App;

/// Asks for the artifact types; reads only.
pub async fn artifact_types(session: &Session) -> Checked<Answer> {
    call(session, App::Metadata.entry().page, &[]).await
}

/// Asks for the context of a type and a name; reads only.
pub async fn context(session: &Session, kind: &str, name: &str) -> Checked<Answer> {
    let message: Vec<u8> = [(1, kind), (2, name)].iter().flat_map(|(field, value)| text(*field, value)).collect();
    call(session, "/ml_metadata.MetadataStoreService/GetContextByTypeAndName", &message).await
}

async fn call(session: &Session, path: &str, message: &[u8]) -> Checked<Answer> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    let framed = [&[0], length.as_slice(), message].concat();
    let body = STANDARD.encode(framed);
    session
        .request(Method::POST, path)
        .header("x-grpc-web", "1")
        .body("application/grpc-web-text", body.into_bytes())
        .send()
        .await
}

/// A text field of a message (Protocol Buffers, "Encoding": wire type 2).
fn text(field: u8, value: &str) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    let mut length = value.len();
    while length > 0x7f {
        bytes.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    bytes.push(length.to_le_bytes()[0]);
    bytes.extend(value.as_bytes());
    bytes
}

/// What came back of a call.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Came {
    /// The status of gRPC: 0 is well. Absent where no trailers came.
    pub status: Option<u32>,
    /// The message, still encoded; empty if none came.
    pub message: Vec<u8>,
}

/// Reads an answer: frames in base64, which may come in several padded pieces; the status is in the last frame, or, where
/// nothing else came, in the headers. None if it is none.
#[must_use]
pub fn came(answer: &Answer) -> Option<Came> {
    read(answer.header("grpc-status"), &answer.body)
}

fn read(status: &str, body: &str) -> Option<Came> {
    let status = status.parse().ok();
    let mut came = Came { status, ..Came::default() };
    let mut bytes = Vec::new();
    for four in body.trim().as_bytes().chunks(4) {
        bytes.extend(STANDARD.decode(four).ok()?);
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (head, after) = rest.split_at_checked(5)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let (frame, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        if head[0] & 0x80 == 0 {
            came.message.extend(frame);
        } else {
            let trailers = String::from_utf8_lossy(frame).into_owned();
            let status = trailers.lines().find_map(|line| line.strip_prefix("grpc-status:")?.trim().parse().ok());
            came.status = status.or(came.status);
        }
        rest = after;
    }
    Some(came)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_in_pieces_and_whole() {
        let message = STANDARD.encode(b"\0\0\0\0\x02hi");
        let end = STANDARD.encode(b"\x80\0\0\0\x0fgrpc-status:0\r\n");
        let wanted = Came { status: Some(0), message: b"hi".to_vec() };
        assert_eq!(read("", &format!("{message}{end}")), Some(wanted));
        assert_eq!(read("", &message).unwrap().status, None, "no end");
        assert_eq!(read("", ""), Some(Came::default()));
        assert_eq!(read("14", "").unwrap().status, Some(14), "in the headers");
    }

    #[test]
    fn what_is_no_frame_is_none() {
        for body in ["<html>", "AAAA", "AAAAAP8=", "AP////8=", "====", "\u{e9}"] {
            assert_eq!(read("", body), None, "{body}");
        }
    }

    #[test]
    fn texts_of_any_length_are_encoded() {
        assert_eq!(text(1, "ab"), b"\x0a\x02ab");
        assert_eq!(text(2, &"x".repeat(300))[..3], [0x12, 0xac, 0x02]);
    }
}
