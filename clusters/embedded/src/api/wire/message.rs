//! Protobuf messages (proto2 wire format) as JSON objects.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::WireError;
use super::numbers::{Message, Type, named};

/// How deep messages may nest; a JSONSchemaProps is the only kind that recurses, and it is not read here.
const DEEPEST: usize = 64;

/// Go sends a number or flag that is zero as well when nothing was said. These fields are pointers in Go: their zero
/// was said.
const ZERO_WAS_SAID: &[&str] = &[
    "activeDeadlineSeconds",
    "allowPrivilegeEscalation",
    "allowVolumeExpansion",
    "allocateLoadBalancerNodePorts",
    "automountServiceAccountToken",
    "averageUtilization",
    "backoffLimit",
    "blockOwnerDeletion",
    "completions",
    "controller",
    "defaultMode",
    "enableServiceLinks",
    "expirationSeconds",
    "failedJobsHistoryLimit",
    "fsGroup",
    "gracePeriodSeconds",
    "hostUsers",
    "immutable",
    "minReplicas",
    "mode",
    "optional",
    "orphanDependents",
    "parallelism",
    "partition",
    "privileged",
    "readOnlyRootFilesystem",
    "replicas",
    "revisionHistoryLimit",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "startingDeadlineSeconds",
    "successfulJobsHistoryLimit",
    "suspend",
    "terminationGracePeriodSeconds",
    "tolerationSeconds",
    "ttlSecondsAfterFinished",
];

/// One field on the wire.
pub(super) enum Part<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Part<'a> {
    pub(super) fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) => Err(WireError::Malformed),
        }
    }

    pub(super) fn text(&self) -> Result<String, WireError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| WireError::Malformed)
    }

    fn number(&self) -> Result<u64, WireError> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Bytes(_) => Err(WireError::Malformed),
        }
    }
}

/// Reads the fields of a message one after another.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next field with its number.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Part<'a>)>, WireError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| WireError::Malformed)?;
        let part = match tag & 7 {
            0 => Part::Number(self.varint()?),
            1 => Part::Number(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| WireError::Malformed)?;
                Part::Bytes(self.take(length)?)
            }
            5 => Part::Number(u64::from(u32::from_le_bytes(self.array()?))),
            _ => return Err(WireError::Malformed),
        };
        Ok(Some((number, part)))
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::Malformed)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        self.take(N)?.try_into().map_err(|_| WireError::Malformed)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(WireError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// A message as an object.
pub(super) fn object(bytes: &[u8], message: &Message, depth: usize) -> Result<Value, WireError> {
    if depth > DEEPEST {
        return Err(WireError::TooDeep);
    }
    let mut map = Map::new();
    let mut fields = Reader::new(bytes);
    while let Some((number, part)) = fields.next()? {
        let Some(field) = message.get(&number) else { continue };
        match &field.of {
            Type::List(of) => {
                if let Value::Array(items) = map.entry(field.name).or_insert_with(|| json!([])) {
                    items.push(value(&part, of, depth)?);
                }
            }
            Type::Map(of) => {
                let (key, value) = entry(part.bytes()?, of, depth)?;
                if let Value::Object(entries) = map.entry(field.name).or_insert_with(|| json!({})) {
                    entries.insert(key, value);
                }
            }
            of if field.name == "*" => {
                if let Value::Object(inner) = value(&part, of, depth)? {
                    map.extend(inner);
                }
            }
            of => {
                let value = value(&part, of, depth)?;
                if !says_nothing(field.name, &value, of) {
                    map.insert(field.name.to_owned(), value);
                }
            }
        }
    }
    Ok(Value::Object(map))
}

/// Whether Go would have left the value out of JSON. An empty message says something: `emptyDir: {}`; but for those that
/// Go holds by value.
fn says_nothing(name: &str, value: &Value, of: &Type) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Bool(flag) => !flag && !ZERO_WAS_SAID.contains(&name),
        Value::Number(number) => number.as_f64() == Some(0.0) && !ZERO_WAS_SAID.contains(&name),
        Value::Object(map) => {
            map.is_empty()
                && matches!(of, Type::Message(_))
                && matches!(
                    name,
                    "metadata" | "status" | "resources" | "strategy" | "updateStrategy" | "source" | "series"
                )
        }
        Value::Array(_) => false,
    }
}

fn entry(bytes: &[u8], of: &Type, depth: usize) -> Result<(String, Value), WireError> {
    let (mut key, mut held) = (String::new(), None);
    let mut fields = Reader::new(bytes);
    while let Some((number, part)) = fields.next()? {
        match number {
            1 => key = part.text()?,
            2 => held = Some(value(&part, of, depth)?),
            _ => {}
        }
    }
    Ok((key, held.unwrap_or_else(|| json!(""))))
}

fn value(part: &Part, of: &Type, depth: usize) -> Result<Value, WireError> {
    Ok(match of {
        Type::Text => json!(part.text()?),
        Type::Bytes => json!(BASE64_STANDARD.encode(part.bytes()?)),
        Type::Bool => json!(part.number()? != 0),
        Type::Int => json!(part.number()?.cast_signed()),
        Type::Double => json!(f64::from_bits(part.number()?)),
        Type::Quantity => json!(numbered(part.bytes()?)?.2),
        Type::Time => time(part.bytes()?)?,
        Type::IntOrString => {
            let (kind, number, text) = int_or_string(part.bytes()?)?;
            if kind == 0 { json!(number) } else { json!(text) }
        }
        Type::Raw => {
            let mut fields = Reader::new(part.bytes()?);
            let mut raw = Value::Null;
            while let Some((number, part)) = fields.next()? {
                if number == 1 {
                    raw = serde_json::from_slice(part.bytes()?).map_err(|_| WireError::Malformed)?;
                }
            }
            raw
        }
        Type::List(of) => {
            let mut items = Vec::new();
            let mut fields = Reader::new(part.bytes()?);
            while let Some((_, part)) = fields.next()? {
                items.push(value(&part, of, depth + 1)?);
            }
            Value::Array(items)
        }
        Type::Map(_) => Value::Null,
        Type::Message(name) => match named(name) {
            Some(message) => object(part.bytes()?, message, depth + 1)?,
            None => Value::Null,
        },
    })
}

/// A message of at most two numbers (fields 1 and 2) and a text (field 1).
fn numbered(bytes: &[u8]) -> Result<(i64, i64, String), WireError> {
    let (mut first, mut second, mut text) = (0, 0, String::new());
    let mut fields = Reader::new(bytes);
    while let Some((number, part)) = fields.next()? {
        match (number, &part) {
            (1, Part::Number(number)) => first = number.cast_signed(),
            (2, Part::Number(number)) => second = number.cast_signed(),
            (1, Part::Bytes(_)) => text = part.text()?,
            _ => {}
        }
    }
    Ok((first, second, text))
}

fn int_or_string(bytes: &[u8]) -> Result<(i64, i64, String), WireError> {
    let (mut kind, mut whole, mut text) = (0, 0, String::new());
    let mut fields = Reader::new(bytes);
    while let Some((number, part)) = fields.next()? {
        match number {
            1 => kind = part.number()?.cast_signed(),
            2 => whole = part.number()?.cast_signed(),
            3 => text = part.text()?,
            _ => {}
        }
    }
    Ok((kind, whole, text))
}

/// RFC 3339; `null` for Go's zero time, which has no fields.
fn time(bytes: &[u8]) -> Result<Value, WireError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let (seconds, nanoseconds, _) = numbered(bytes)?;
    let nanoseconds = i32::try_from(nanoseconds).map_err(|_| WireError::Malformed)?;
    let at = jiff::Timestamp::new(seconds, nanoseconds).map_err(|_| WireError::Malformed)?;
    let form = if nanoseconds == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S.%6fZ" };
    Ok(json!(at.strftime(form).to_string()))
}
