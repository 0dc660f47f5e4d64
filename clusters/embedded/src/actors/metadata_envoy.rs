//! The gRPC-web bridge to the metadata store: Envoy, which leads every call to Service `metadata-grpc-service`.
//!
//! Of the store's methods the one is played that looks a context up by its name; others are answered as by a server that
//! does not have them. Facts: kubeflow/pipelines `third_party/metadata_envoy/envoy.yaml`; grpc/grpc `doc/PROTOCOL-WEB.md`;
//! google/ml-metadata `metadata_store_service.proto`, `metadata_store.proto`.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Limited};

use super::{Actor, Visit, ml_metadata};
use crate::object::namespace;

/// The `metadata-envoy` container.
pub struct MetadataEnvoy;

/// Where it leads.
const STORE: (&str, u16) = ("metadata-grpc-service", 8080);
const LOOK_UP: &str = "/ml_metadata.MetadataStoreService/GetContextByTypeAndName";
/// What a call may be long.
const LIMIT: usize = 1 << 20;

/// Codes of gRPC (grpc/grpc `doc/statuscodes.md`).
const UNIMPLEMENTED: &str = "12";
const INTERNAL: &str = "13";
const UNAVAILABLE: &str = "14";

impl Actor for MetadataEnvoy {
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            let asked = request.headers().get(CONTENT_TYPE).cloned();
            let kind = asked.unwrap_or(HeaderValue::from_static("application/grpc"));
            let is_text = kind.as_bytes().starts_with(b"application/grpc-web-text");
            let Ok(records) = ml_metadata::reach(&visit.world, namespace(&visit.pod), STORE) else {
                return refused(kind, UNAVAILABLE, "no healthy upstream");
            };
            if request.uri().path() != LOOK_UP || !is_text {
                return refused(kind, UNIMPLEMENTED, "");
            }
            let body = Limited::new(request.into_body(), LIMIT).collect().await;
            let message = body.ok().and_then(|body| STANDARD.decode(body.to_bytes().trim_ascii()).ok());
            let Some(fields) = message.as_deref().and_then(|framed| texts(framed.get(5..)?)) else {
                return refused(kind, INTERNAL, "");
            };
            let text = |field: u8| {
                let found = fields.iter().rev().find(|(one, _)| *one == field);
                found.map(|(_, value)| value.as_str()).unwrap_or_default()
            };
            match records.context_named(text(1), text(2)) {
                Ok(found) => {
                    let message = found.map(|found| context(found, text(2))).unwrap_or_default();
                    let frames =
                        [frame(0, &message), frame(0x80, b"grpc-status:0\r\n")].map(|one| STANDARD.encode(one));
                    let mut response = Response::new(Body::from(frames.concat()));
                    let kind = HeaderValue::from_static("application/grpc-web-text+proto");
                    response.headers_mut().insert(CONTENT_TYPE, kind);
                    response
                }
                Err(why) => {
                    tracing::debug!(%why, "ML Metadata");
                    refused(kind, INTERNAL, "")
                }
            }
        })
    }
}

/// An answer that is all headers.
fn refused(kind: HeaderValue, code: &'static str, message: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert("grpc-status", HeaderValue::from_static(code));
    headers.insert("grpc-message", HeaderValue::from_static(message));
    response
}

/// A frame: flags, length, content.
fn frame(flags: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[flags], length.as_slice(), content].concat()
}

/// The text fields of a message that has nothing else; None if it has, or is cut.
fn texts(message: &[u8]) -> Option<Vec<(u8, String)>> {
    let mut rest = message;
    let mut found = Vec::new();
    while let Some((tag, after)) = rest.split_first() {
        let (length, after) = varint(after)?;
        let (value, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        if tag & 7 != 2 || tag & 0x80 != 0 {
            return None;
        }
        found.push((tag >> 3, String::from_utf8(value.to_vec()).ok()?));
        rest = after;
    }
    Some(found)
}

/// A number and what follows it (Protocol Buffers, "Base 128 Varints").
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}

fn number(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
    bytes
}

/// The answer with a context: its id, its type's id, its name.
fn context((id, kind): (i64, i64), name: &str) -> Vec<u8> {
    let tagged = |tag: u8, value: i64| [vec![tag << 3], number(value.unsigned_abs())].concat();
    let nested =
        |tag: u8, content: &[u8]| [vec![tag << 3 | 2], number(content.len() as u64), content.to_vec()].concat();
    let inner = [tagged(1, id), tagged(2, kind), nested(3, name.as_bytes())].concat();
    nested(1, &inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_nothing_else_is() {
        let long = "x".repeat(200);
        let message = [b"\x0a\x02ab\x12\xc8\x01".as_slice(), long.as_bytes()].concat();
        assert_eq!(texts(&message), Some(vec![(1, "ab".to_owned()), (2, long)]));
        assert_eq!(texts(b""), Some(Vec::new()));
        for hostile in [
            b"\x0a".as_slice(),
            b"\x0a\x05ab",
            b"\x08\x01",
            b"\x0a\x02\xff\xfe",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(texts(hostile), None, "{hostile:?}");
        }
    }

    #[test]
    fn a_context_is_encoded_as_the_store_does() {
        assert_eq!(context((1, 300), "r"), b"\x0a\x08\x08\x01\x10\xac\x02\x1a\x01r");
        assert_eq!(frame(0x80, b"ab"), b"\x80\0\0\0\x02ab");
    }
}
