//! One YAML document as the JSON that `kubectl` would send.
//!
//! `kubectl` reads YAML 1.1 (sigs.k8s.io/yaml over `go.yaml.in/yaml/v2`, its `resolve.go` and `YAMLToJSON`): `yes`, `on`
//! and `y` are booleans, `0644` is 420, a key may be a boolean or a number and becomes its text, and 1.0 is sent as 1.
//! So it is here, and for hostile input there are budgets. Three spellings that nobody writes differ: a boolean in mixed
//! case (`yEs`) is taken for one, `0X1F` and `1_` are not taken for numbers.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Nesting that is still read; upstream's deepest schema has 38 levels.
const DEPTH: usize = 100;
/// Scalars, lists and mappings of one document, with what aliases repeat; upstream's largest has 42,172.
const NODES: usize = 250_000;

/// Why a document cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    /// Line in the document, from 1.
    pub line: usize,
    /// The parser's words.
    pub reason: String,
}

/// Reads one document; an empty one is null.
pub(super) fn parse(document: &str) -> Result<Value, Bad> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH,
            flow_nesting_limit: DEPTH,
            max_events: 2 * NODES,
            max_nodes: NODES,
            max_aliases: 10_000,
            max_anchors: 10_000,
            max_merge_keys: 1_000,
            max_buffered_comment_events: 100_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES,
            max_replay_stack_depth: DEPTH,
        },
        legacy_octal_numbers: true,
        strict_booleans: false,
        with_snippet: false,
    };
    let parsed: Result<Node, serde_saphyr::Error> = serde_saphyr::from_str_with_options(document, options);
    parsed.map(|node| node.0).map_err(|error| {
        let line = error.location().and_then(|location| usize::try_from(location.line()).ok()).unwrap_or(1);
        Bad { line: line.max(1), reason: reason(&error) }
    })
}

/// The parser's words without its place, which is that of a document and not of the file.
fn reason(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let words = text.split(" at line ").next().unwrap_or_default();
    match error.without_snippet() {
        serde_saphyr::Error::DuplicateMappingKey { .. } => {
            words.split(", set DuplicateKeyPolicy").next().unwrap_or_default().to_owned()
        }
        _ => words.to_owned(),
    }
}

/// A value in `kubectl`'s reading.
struct Node(Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(Self)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        number(value).map(Value::Number).ok_or_else(|| E::custom("a number without a value in JSON"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Node(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key_seed(Key)? {
            let Node(value) = access.next_value()?;
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate mapping key: {key}")));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// A whole number below 2^53 is sent as an integer, as Go's encoder writes it.
fn number(value: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

/// A key, as its text.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is text, a number or a boolean")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<String, E> {
        number(value).map(|number| number.to_string()).ok_or_else(|| E::custom("a number without a value in JSON"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<String, E> {
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use serde_json::json;

    use super::super::documents::STACK;
    use super::*;

    #[test]
    fn scalars_are_read_as_kubectl_reads_them() {
        for (yaml, expected) in [
            ("0644", json!(420)),
            ("0o644", json!(420)),
            ("0x1F", json!(31)),
            ("08", json!(8)),
            ("1_000", json!(1000)),
            ("-010", json!(-8)),
            ("1.0", json!(1)),
            ("1e3", json!(1000)),
            ("1.5", json!(1.5)),
            ("18446744073709551615", json!(u64::MAX)),
            ("yes", json!(true)),
            ("Y", json!(true)),
            ("ON", json!(true)),
            ("n", json!(false)),
            ("off", json!(false)),
            ("'yes'", json!("yes")),
            ("\"0644\"", json!("0644")),
            ("~", json!(null)),
            ("", json!(null)),
            ("NULL", json!(null)),
            ("nul", json!("nul")),
            ("2020-01-01", json!("2020-01-01")),
            ("1:30", json!("1:30")),
            ("1.2.3", json!("1.2.3")),
            ("!!str 0644", json!("0644")),
            ("!!binary aGVsbG8=", json!("hello")),
            ("|\n  - x\n  y\n", json!("- x\ny\n")),
            ("'{{workflow.name}}'", json!("{{workflow.name}}")),
        ] {
            assert_eq!(parse(&format!("a: {yaml}")), Ok(json!({ "a": expected })), "{yaml}");
        }
    }

    #[test]
    fn keys_become_their_text() {
        for (yaml, key) in
            [("y: 1", "true"), ("off: 1", "false"), ("0644: 1", "420"), ("'y': 1", "y"), ("1.5: 1", "1.5")]
        {
            assert_eq!(parse(yaml), Ok(json!({ key: 1 })), "{yaml}");
        }
    }

    #[test]
    fn anchors_and_merges_expand() {
        assert_eq!(
            parse("a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 2\n"),
            Ok(json!({ "a": { "b": 1 }, "c": { "b": 1 }, "d": { "b": 1, "e": 2 } }))
        );
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_line() {
        for (yaml, line) in [
            ("a: 1\nb: [1,", 2),
            ("a: 'x", 1),
            ("a: 1\nb: c: d", 2),
            ("a: 1\na: 2", 2),
            ("true: 1\nyes: 2", 1),
            ("a: &x [*x]", 1),
            ("a: *nobody", 1),
            ("a: .inf", 1),
            ("a: 1e999", 1),
            ("{a: 1}: 2", 1),
            ("a: 1\n...\nb: 2", 3),
            ("a: b\u{0}c", 1),
        ] {
            let bad = parse(yaml).expect_err(yaml);
            assert_eq!(bad.line, line, "{yaml}: {bad:?}");
            assert!(!bad.reason.is_empty() && !bad.reason.contains("line"), "{bad:?}");
        }
    }

    /// Every depth that is read must fit half the stack that the readers have.
    fn on_half_a_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let worker = thread::Builder::new().stack_size(STACK / 2).spawn_scoped(scope, work);
            worker.expect("a thread").join().expect("it returns")
        })
    }

    #[test]
    fn bombs_are_refused_before_they_expand() {
        let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for level in 1..10 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            laughs.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        let deep_flow = format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000));
        let deep_block: String = (0..2_000).map(|level| format!("{}k:\n", " ".repeat(level))).collect();
        let deep_list = format!("{}1", "- ".repeat(2_000));
        let deep_keys = format!("{}1", "? ".repeat(2_000));
        let wide = format!("a: [{}]", "1,".repeat(NODES));
        let aliased_deep: String = (1..200).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect();
        let aliased_deep = format!("a0: &a0 1\n{aliased_deep}");
        for (name, bomb) in [
            ("laughs", laughs),
            ("flow", deep_flow),
            ("block", deep_block),
            ("list", deep_list),
            ("keys", deep_keys),
            ("wide", wide),
            ("aliased deep", aliased_deep),
        ] {
            let bad = on_half_a_stack(|| parse(&bomb)).expect_err(name);
            assert!(!bad.reason.is_empty() && bad.reason.len() < 200, "{name}: {bad:?}");
        }
    }

    #[test]
    fn the_deepest_document_that_is_read_fits_the_stack() {
        let deep: String = (0..DEPTH - 1).map(|level| format!("{}k:\n", " ".repeat(level))).collect();
        let lists = format!("{}1", "- ".repeat(DEPTH - 1));
        let flow = format!("{}{}", "[".repeat(DEPTH - 1), "]".repeat(DEPTH - 1));
        for document in [deep, lists, flow] {
            on_half_a_stack(|| parse(&document).map(drop)).expect("within the limits");
        }
    }
}
