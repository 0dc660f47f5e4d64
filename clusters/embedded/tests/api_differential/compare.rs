//! Where two answers differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The JSON pointers at which two answers differ, with both values.
pub fn differences(golden: &Value, seen: &Value) -> BTreeMap<String, (String, String)> {
    let mut found = BTreeMap::new();
    walk(golden, seen, &mut String::new(), &mut found);
    found
}

fn walk(golden: &Value, seen: &Value, at: &mut String, found: &mut BTreeMap<String, (String, String)>) {
    let null = Value::Null;
    let length = at.len();
    match (golden, seen) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
                at.push('/');
                at.push_str(&key.replace('~', "~0").replace('/', "~1"));
                match (one.get(key), other.get(key)) {
                    (Some(one), Some(other)) => walk(one, other, at, found),
                    (one, other) => note(one, other, at, found),
                }
                at.truncate(length);
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for index in 0..one.len().max(other.len()) {
                at.push_str(&format!("/{index}"));
                match (one.get(index), other.get(index)) {
                    (Some(one), Some(other)) => walk(one, other, at, found),
                    (one, other) => note(one, other, at, found),
                }
                at.truncate(length);
            }
        }
        _ if golden == seen => {}
        _ => note(Some(golden).filter(|value| **value != null), Some(seen), at, found),
    }
}

fn note(golden: Option<&Value>, seen: Option<&Value>, at: &str, found: &mut BTreeMap<String, (String, String)>) {
    let written = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    found.insert(at.to_owned(), (written(golden), written(seen)));
}

/// Differences that are known, with their reason.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Why the embedded API answers otherwise.
    pub reason: String,
    /// Operation → the JSON pointers at which its answer differs; each stands for all below it.
    pub at: BTreeMap<String, Vec<String>>,
}

/// Whether a listed pointer stands for a difference at `pointer`.
pub fn covers(listed: &str, pointer: &str) -> bool {
    pointer.strip_prefix(listed).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Writes the list without what is gone: pairs of operation and JSON pointer.
pub fn strike(path: &Path, mut known: Vec<Known>, gone: &BTreeSet<(String, String)>) {
    for known in &mut known {
        for (id, at) in &mut known.at {
            at.retain(|at| !gone.contains(&(id.clone(), at.clone())));
        }
        known.at.retain(|_, at| !at.is_empty());
    }
    known.retain(|known| !known.at.is_empty());
    std::fs::write(path, format!("{HEAD}{}", serde_saphyr::to_string(&known).unwrap())).unwrap();
}

const HEAD: &str = "\
# What the embedded API answers otherwise than the real one, and why: operation, and the JSON pointers at which its answer
# differs, each for all below it. May only shrink: UPDATE=1 and the test strike out what no longer differs.
";
