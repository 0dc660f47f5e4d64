//! From text to objects: documents, `List`s, names, duplicates.

use std::collections::HashMap;
use std::thread;

use serde_json::Value;

use super::{Id, Manifest, ManifestError, Place, yaml};

/// Enough for [`yaml`]'s deepest document in a debug build.
pub(super) const STACK: usize = 16 << 20;

/// One document's text and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Document<'a> {
    number: usize,
    line: usize,
    text: &'a str,
}

/// All objects of a text.
pub(super) fn objects(source_name: &str, text: &str) -> Result<Vec<Manifest>, ManifestError> {
    let documents = split(text);
    let mut objects = Vec::with_capacity(documents.len());
    for (document, parsed) in documents.iter().zip(parse(source_name, &documents)?) {
        let body = parsed.map_err(|bad| ManifestError::Yaml {
            source_name: source_name.to_owned(),
            place: Place { document: document.number, line: document.line + bad.line - 1 },
            reason: bad.reason,
        })?;
        let place = Place { document: document.number, line: document.line + blank_lines(document.text) };
        let not_an_object = |reason| ManifestError::NotAnObject { source_name: source_name.to_owned(), place, reason };
        add(body, place, &mut objects).map_err(not_an_object)?;
    }
    if objects.is_empty() {
        return Err(ManifestError::Empty { source_name: source_name.to_owned() });
    }
    let mut seen: HashMap<(&str, &str, Option<&str>, &str), Place> = HashMap::new();
    for Manifest { id, place, .. } in &objects {
        let key = (id.group.as_str(), id.kind.as_str(), id.namespace.as_deref(), id.name.as_str());
        if let Some(first) = seen.insert(key, *place) {
            let (source_name, id) = (source_name.to_owned(), Box::new(id.clone()));
            return Err(ManifestError::Duplicate { source_name, id, first, second: *place });
        }
    }
    Ok(objects)
}

/// Cuts at `---` and `...` at the start of a line, which YAML reserves for that even inside quotes and block scalars
/// (YAML 1.2.2, production `c-forbidden`). A directive stays with the document that it is for.
fn split(text: &str) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let mut push = |number: &mut usize, line: usize, text| {
        documents.push(Document { number: *number, line, text });
        *number += 1;
    };
    let (mut number, mut begin, mut begin_line) = (1, 0, 1);
    let mut only_directives = true;
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if is_marker(line, "---") {
            if !only_directives {
                push(&mut number, begin_line, &text[begin..offset]);
                (begin, begin_line) = (offset, index + 1);
            }
            only_directives = false;
        } else if is_marker(line, "...") {
            push(&mut number, begin_line, &text[begin..offset]);
            (begin, begin_line) = (offset + line.len(), index + 2);
            only_directives = true;
        } else if only_directives {
            only_directives = line.starts_with(['%', '#', '\u{feff}']) || line.trim().is_empty();
        }
        offset += line.len();
    }
    push(&mut number, begin_line, &text[begin..]);
    documents
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Lines before a document's first line of content.
fn blank_lines(text: &str) -> usize {
    let content = |line: &str| {
        let rest = if is_marker(line, "---") { &line[3..] } else { line };
        !rest.trim().is_empty() && !rest.trim_start().starts_with(['#', '%'])
    };
    text.lines().take_while(|line| !content(line)).count()
}

/// Parses on all cores: a large platform has 10 MB of YAML.
fn parse(source_name: &str, documents: &[Document<'_>]) -> Result<Vec<Result<Value, yaml::Bad>>, ManifestError> {
    let cores = thread::available_parallelism().map_or(1, usize::from).min(8);
    let broken = |reason: String| ManifestError::Unreadable { source_name: source_name.to_owned(), reason };
    let parsed = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|core| {
                let share = documents.iter().skip(core).step_by(cores);
                let work = move || share.map(|document| yaml::parse(document.text)).collect::<Vec<_>>();
                thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)
            })
            .collect();
        let results = workers.into_iter().map(|worker| {
            let worker = worker.map_err(|error| error.to_string())?;
            worker.join().map_err(|_| "the YAML parser failed".to_owned())
        });
        results.collect::<Result<Vec<_>, _>>()
    });
    let mut shares: Vec<_> = parsed.map_err(broken)?.into_iter().map(Vec::into_iter).collect();
    Ok((0..documents.len()).filter_map(|index| shares[index % cores].next()).collect())
}

/// Adds the object of a document, or those of a `List`.
fn add(body: Value, place: Place, objects: &mut Vec<Manifest>) -> Result<(), String> {
    match body {
        Value::Null => Ok(()),
        Value::Object(mut map) if map.get("kind").and_then(Value::as_str) == Some("List") => {
            let items = map.remove("items").unwrap_or_default();
            let Value::Array(items) = items else {
                return if items.is_null() { Ok(()) } else { Err("a List whose items are no list".to_owned()) };
            };
            items.into_iter().try_for_each(|item| match item {
                Value::Object(_) => add(item, place, objects),
                _ => Err("a List with an item that is no object".to_owned()),
            })
        }
        Value::Object(_) => {
            let id = identify(&body)?;
            objects.push(Manifest { id, place, body });
            Ok(())
        }
        other => Err(format!("it is {}", type_name(&other))),
    }
}

fn identify(body: &Value) -> Result<Id, String> {
    let kind = text(body, "/kind")?;
    let api_version = text(body, "/apiVersion").map_err(|reason| format!("{reason} (kind {kind})"))?;
    let name = text(body, "/metadata/name").map_err(|reason| format!("{reason} (kind {kind})"))?;
    let namespace = match body.pointer("/metadata/namespace") {
        None | Some(Value::Null) => None,
        Some(Value::String(namespace)) if namespace.is_empty() => None,
        Some(Value::String(namespace)) => Some(namespace.clone()),
        Some(other) => return Err(format!("metadata.namespace is {} ({kind} {name})", type_name(other))),
    };
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    if version.is_empty() || version.contains('/') {
        return Err(format!("apiVersion is {api_version:?} ({kind} {name})"));
    }
    Ok(Id { group: group.to_owned(), version: version.to_owned(), kind, namespace, name })
}

fn text(body: &Value, pointer: &str) -> Result<String, String> {
    let field = pointer[1..].replace('/', ".");
    match body.pointer(pointer) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        None | Some(Value::Null | Value::String(_)) => Err(format!("{field} is missing")),
        Some(other) => Err(format!("{field} is {}, quote it if it is text", type_name(other))),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

#[cfg(test)]
mod tests;
