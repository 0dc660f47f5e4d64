//! The messages of the protobuf form, read from `numbers.txt`: one block a message, its name first, then a line for each
//! field with its number, its JSON name (`*` if the field is written out in place) and its type.

use std::collections::HashMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("numbers.txt");

/// A message: its fields by number.
pub(super) type Message = HashMap<u32, Field>;

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name in JSON.
    pub(super) name: &'static str,
    /// Its type.
    pub(super) of: Type,
}

/// The type of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    /// Text.
    Text,
    /// Bytes: base64 in JSON.
    Bytes,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A number of 64 bits.
    Double,
    /// `resource.Quantity`: a message around text.
    Quantity,
    /// A point in time: seconds and nanoseconds.
    Time,
    /// `intstr.IntOrString`.
    IntOrString,
    /// JSON as bytes.
    Raw,
    /// Repeated.
    List(Box<Type>),
    /// A map from text.
    Map(Box<Type>),
    /// Another message.
    Message(&'static str),
}

static MESSAGES: LazyLock<HashMap<&'static str, Message>> = LazyLock::new(|| {
    let mut messages: HashMap<&'static str, Message> = HashMap::new();
    let mut current = "";
    for line in TEXT.lines() {
        let Some(line) = line.strip_prefix(' ') else {
            current = line;
            messages.entry(current).or_default();
            continue;
        };
        let mut words = line.split(' ');
        let number = words.next().and_then(|word| word.parse().ok());
        if let (Some(number), Some(name), Some(of)) = (number, words.next(), words.next()) {
            messages.entry(current).or_default().insert(number, Field { name, of: type_of(of) });
        }
    }
    messages
});

fn type_of(text: &'static str) -> Type {
    let inner = |close: char| Box::new(type_of(text[1..].strip_suffix(close).unwrap_or_default()));
    match text {
        "string" => Type::Text,
        "bytes" => Type::Bytes,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "double" => Type::Double,
        "quantity" => Type::Quantity,
        "time" => Type::Time,
        "intstr" => Type::IntOrString,
        "raw" => Type::Raw,
        list if list.starts_with('[') => Type::List(inner(']')),
        map if map.starts_with('{') => Type::Map(inner('}')),
        name => Type::Message(name),
    }
}

/// A message by name.
pub(super) fn named(name: &str) -> Option<&'static Message> {
    MESSAGES.get(name)
}

/// The message of a kind. The package of a group is its first word: `rbac.authorization.k8s.io/v1` is `rbac.v1`.
pub(super) fn of_kind(api_version: &str, kind: &str) -> Option<&'static Message> {
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    let package = group.split('.').next().unwrap_or_default();
    // DeleteOptions and its like are sent in the version of the group that they are about.
    named(&format!("{package}.{version}.{kind}")).or_else(|| named(&format!("meta.v1.{kind}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_that_a_field_names_is_there() {
        fn check(of: &Type) {
            match of {
                Type::List(of) | Type::Map(of) => check(of),
                Type::Message(name) => assert!(named(name).is_some(), "{name}"),
                _ => {}
            }
        }
        MESSAGES.values().flat_map(HashMap::values).for_each(|field| check(&field.of));
        for (api_version, kind) in [
            ("v1", "Pod"),
            ("apps/v1", "Deployment"),
            ("rbac.authorization.k8s.io/v1", "Role"),
            ("v1", "DeleteOptions"),
        ] {
            assert!(of_kind(api_version, kind).is_some(), "{kind}");
        }
    }
}
