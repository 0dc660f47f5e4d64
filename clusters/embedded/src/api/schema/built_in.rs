//! The types of built-in kinds, read from `types.txt`: one block a type, its name first, then a line for each field with
//! its type and how it merges. `generate.py` makes the file from Kubernetes' OpenAPI description.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use serde_json::json;

use super::{Field, Link, ListMerge, ListPatch, Scalar, Schema};

const TEXT: &str = include_str!("types.txt");

#[derive(Default)]
struct Types {
    named: HashMap<&'static str, Arc<Schema>>,
    kinds: HashMap<&'static str, &'static str>,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let mut types = Types::default();
    let mut blocks: Vec<(&'static str, Vec<&'static str>)> = Vec::new();
    for line in TEXT.lines() {
        match (line.strip_prefix(' '), blocks.last_mut()) {
            (Some(field), Some((_, fields))) => fields.push(field),
            _ => blocks.push((line, Vec::new())),
        }
    }
    for (head, fields) in blocks {
        let mut words = head.split(' ');
        let name = words.next().unwrap_or_default();
        let mut atomic = false;
        for word in words {
            match word.strip_prefix("kind=") {
                Some(kind) => drop(types.kinds.insert(kind, name)),
                None => atomic |= word == "atomic",
            }
        }
        let fields: BTreeMap<String, Field> = fields.iter().map(|line| field(line)).collect();
        types.named.insert(name, Arc::new(Schema::Map { fields, entries: None, atomic }));
    }
    types
});

/// A type by name.
pub(super) fn named(name: &str) -> Arc<Schema> {
    TYPES.named.get(name).cloned().unwrap_or_else(Schema::any)
}

/// The type of a kind, with its name.
pub(super) fn kind(group: &str, version: &str, kind: &str) -> Option<(&'static str, Arc<Schema>)> {
    let name = *TYPES.kinds.get(format!("{group}/{version}/{kind}").as_str())?;
    Some((name, named(name)))
}

/// The type of a kind.
pub(super) fn of_kind(group: &str, version: &str, of: &str) -> Option<Arc<Schema>> {
    kind(group, version, of).map(|(_, schema)| schema)
}

/// `name type flags…`
fn field(line: &'static str) -> (String, Field) {
    let mut words = line.split(' ');
    let (name, kind) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut rules = Rules::default();
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("!", _) => rules.required = true,
            ("atomic", _) => rules.atomic = true,
            ("retain", _) => rules.retain = true,
            ("set", _) => rules.merge = Some(ListMerge::Set),
            ("keys", keys) => rules.merge = Some(ListMerge::Keyed(keys.split(',').map(key).collect())),
            ("merge", "") => rules.patch = Some(ListPatch::Add),
            ("merge", key) => rules.patch = Some(ListPatch::Merge(key.into())),
            _ => {}
        }
    }
    let (required, retain) = (rules.required, rules.retain);
    (name.into(), Field { link: link(kind, rules), required, retain })
}

#[derive(Default)]
struct Rules {
    required: bool,
    retain: bool,
    atomic: bool,
    merge: Option<ListMerge>,
    patch: Option<ListPatch>,
}

/// `name` or `name:default`.
fn key(text: &str) -> (String, Option<serde_json::Value>) {
    match text.split_once(':') {
        Some((name, default)) => (name.into(), Some(json!(default))),
        None => (text.into(), None),
    }
}

fn link(kind: &'static str, rules: Rules) -> Link {
    let inner = |text: &'static str, close: char| text[1..].strip_suffix(close).unwrap_or_default();
    let schema = match kind {
        "any" => Schema::Any,
        "string" => Schema::Scalar(Scalar::Text),
        "bytes" => Schema::Scalar(Scalar::Bytes),
        "bool" => Schema::Scalar(Scalar::Bool),
        "int32" => Schema::Scalar(Scalar::Int32),
        "int64" => Schema::Scalar(Scalar::Int64),
        "number" => Schema::Scalar(Scalar::Number),
        "quantity" => Schema::Scalar(Scalar::Quantity),
        "intstr" => Schema::Scalar(Scalar::IntOrString),
        "time" | "microtime" => Schema::Scalar(Scalar::Time),
        list if list.starts_with('[') => Schema::List {
            item: link(inner(list, ']'), Rules::default()),
            merge: rules.merge.unwrap_or(ListMerge::Atomic),
            patch: rules.patch.unwrap_or(ListPatch::Replace),
        },
        map if map.starts_with('{') => Schema::Map {
            fields: BTreeMap::new(),
            entries: Some(link(inner(map, '}'), Rules::default())),
            atomic: rules.atomic,
        },
        name => return Link::Named(name),
    };
    Link::Own(Arc::new(schema))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_a_field_names_is_there() {
        fn check(link: &Link, at: &str) {
            match link {
                Link::Named(name) => assert!(TYPES.named.contains_key(name), "{at} names {name}"),
                Link::Own(schema) => match &**schema {
                    Schema::List { item, .. } => check(item, at),
                    Schema::Map { entries: Some(entries), .. } => check(entries, at),
                    _ => {}
                },
            }
        }
        assert!(TYPES.kinds.len() > 60);
        for (name, schema) in &TYPES.named {
            let Schema::Map { fields, .. } = &**schema else { panic!("{name} is no map") };
            for (field, known) in fields {
                check(&known.link, &format!("{name}.{field}"));
            }
        }
    }

    #[test]
    fn lists_know_their_keys() {
        let Schema::Map { fields, .. } = &*named("core.v1.Container") else { panic!() };
        let Schema::List { merge, patch, .. } = &*fields["ports"].link.get() else { panic!() };
        let keys = vec![("containerPort".to_owned(), None), ("protocol".to_owned(), Some(json!("TCP")))];
        assert_eq!(*merge, ListMerge::Keyed(keys));
        assert_eq!(*patch, ListPatch::Merge("containerPort".into()));
    }
}
