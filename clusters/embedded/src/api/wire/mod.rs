//! The protobuf form of built-in kinds, which kubectl's imperative commands and client-go's typed clients send.
//!
//! A body is the magic `k8s\0` and a `runtime.Unknown` around the object (apimachinery
//! `runtime/serializer/protobuf`). It is read into the JSON form; answers are always JSON, which those clients accept.

mod message;
mod numbers;

use serde_json::{Value, json};

use message::Reader;

/// The media type.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

const MAGIC: &[u8] = b"k8s\0";

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// It does not start with the magic bytes.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Magic,
    /// It ends early or is malformed.
    #[error("unexpected EOF or malformed field")]
    Malformed,
    /// Messages within messages without end.
    #[error("exceeded max depth")]
    TooDeep,
    /// A kind whose protobuf form is not known here.
    #[error("no kind \"{kind}\" is registered for version \"{api_version}\" in the protobuf form")]
    UnknownKind {
        /// `apiVersion` of the envelope.
        api_version: String,
        /// `kind` of the envelope.
        kind: String,
    },
}

/// Reads a body into the object's JSON form.
///
/// # Errors
/// [`WireError`].
pub fn read(body: &[u8]) -> Result<Value, WireError> {
    let envelope = body.strip_prefix(MAGIC).ok_or(WireError::Magic)?;
    let (mut type_meta, mut raw) = (&[][..], &[][..]);
    let mut fields = Reader::new(envelope);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => type_meta = field.bytes()?,
            2 => raw = field.bytes()?,
            _ => {}
        }
    }
    let (mut api_version, mut kind) = (String::new(), String::new());
    let mut fields = Reader::new(type_meta);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => api_version = field.text()?,
            2 => kind = field.text()?,
            _ => {}
        }
    }
    let message = numbers::of_kind(&api_version, &kind)
        .ok_or_else(|| WireError::UnknownKind { api_version: api_version.clone(), kind: kind.clone() })?;
    let mut object = json!({ "apiVersion": api_version, "kind": kind });
    let body = message::object(raw, message, 0)?;
    if let (Some(into), Value::Object(fields)) = (object.as_object_mut(), body) {
        into.extend(fields);
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A length-delimited field.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        out.extend(bytes);
        out
    }

    fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let type_meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), field(1, &type_meta), field(2, raw)].concat()
    }

    #[test]
    fn maps_scalars_and_nested_messages_are_read_and_empty_ones_are_absent() {
        let metadata = [field(1, b"c"), field(3, b"")].concat();
        let entry = [field(1, b"key"), field(2, b"value")].concat();
        let raw = [field(1, &metadata), field(2, &entry)].concat();
        let read = read(&envelope("v1", "ConfigMap", &raw)).unwrap();
        let expected =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"key": "value"}});
        assert_eq!(read, expected);
    }

    #[test]
    fn a_deployment_keeps_no_replicas_apart_from_none_said() {
        let spec = vec![1 << 3, 0];
        let raw = field(2, &spec);
        let read = read(&envelope("apps/v1", "Deployment", &raw)).unwrap();
        assert_eq!(read["spec"], json!({"replicas": 0}));
    }

    #[test]
    fn an_unknown_kind_is_named() {
        let error = read(&envelope("v1", "Unknown", b"")).unwrap_err();
        assert!(error.to_string().contains("Unknown"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(read(&bytes));
            drop(read(&envelope("v1", "Pod", &bytes[..bytes.len().min(100)])));
        }
    }
}
