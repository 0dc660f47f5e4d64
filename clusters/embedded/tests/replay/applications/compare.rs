//! In what an application's answer differs from the recorded one: status, kind of answer, fields.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use super::Application;
use super::recorded::{Answer, Recorded};

/// Headers whose values are compared; of cookies name and attributes.
const HEADERS: [&str; 6] = ["content-type", "cache-control", "allow", "location", "server", "x-powered-by"];
/// Fields of Kubernetes objects that are new each time.
const NEW_EACH_TIME: [&str; 6] =
    ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "lastTransitionTime"];
/// How much of a plain text is compared.
const BEGINNING: usize = 300;

/// The differences, in words, a line each.
pub fn differences(application: &Application, recorded: &Recorded, now: &Answer) -> Vec<String> {
    told(
        &view(application, recorded, &recorded.answer, recorded.answer.truncated),
        &view(application, recorded, now, recorded.answer.truncated),
    )
}

/// In what an object differs from the recorded one, but for what is new each time.
pub fn object_differences(recorded: &Value, now: &Value) -> Vec<String> {
    let view = |object: &Value| {
        let (mut object, mut parts) = (object.clone(), BTreeMap::new());
        settle(&mut object);
        fields("", &object, &mut parts);
        parts
    };
    told(&view(recorded), &view(now))
}

fn told(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let told = |value: Option<&String>| value.map_or_else(|| "nothing".to_owned(), |value| format!("{value:.120?}"));
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| format!("{name}: recorded {}, now {}", told(before.get(name)), told(after.get(name))))
        .collect()
}

/// The comparable parts of an answer, by name.
fn view(application: &Application, recorded: &Recorded, answer: &Answer, truncated: bool) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::from([("status".to_owned(), answer.status.to_string())]);
    for name in HEADERS {
        let values = answer.all(name);
        if !values.is_empty() {
            parts.insert(name.to_owned(), values.join(", "));
        }
    }
    let cookies: Vec<_> = answer.all("set-cookie").into_iter().map(cookie).collect();
    if !cookies.is_empty() {
        parts.insert("set-cookie".to_owned(), cookies.join(", "));
    }
    if truncated || answer.body.is_empty() {
        return parts;
    }
    if let Ok(mut json) = serde_json::from_str::<Value>(&answer.body) {
        settle(&mut json);
        (application.comparable)(recorded, &mut json);
        fields("body", &json, &mut parts);
    } else if answer.body.contains("<html") || answer.body.contains("<!DOCTYPE") || answer.body.contains("<!doctype") {
        parts.extend(page(&answer.body));
    } else {
        parts.insert("text".to_owned(), answer.body.chars().take(BEGINNING).collect());
    }
    parts
}

/// Takes out what is new each time, and sorts lists of texts: the real programs keep them in maps.
fn settle(json: &mut Value) {
    match json {
        Value::Object(members) => {
            members.retain(|name, _| !NEW_EACH_TIME.contains(&name.as_str()));
            members.values_mut().for_each(settle);
        }
        Value::Array(items) => {
            items.iter_mut().for_each(settle);
            if items.iter().all(Value::is_string) {
                items.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
            }
        }
        Value::String(text) => *text = blotted(text),
        _ => {}
    }
}

fn blotted(text: &str) -> String {
    let uid = Regex::new(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b").unwrap();
    let time = Regex::new(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap();
    time.replace_all(&uid.replace_all(text, "UID"), "TIME").into_owned()
}

/// Every field with its value; empty lists and objects are values, too.
fn fields(path: &str, json: &Value, parts: &mut BTreeMap<String, String>) {
    match json {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(name, value)| fields(&format!("{path}/{name}"), value, parts));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(at, value)| fields(&format!("{path}/{at}"), value, parts));
        }
        value => drop(parts.insert(path.to_owned(), value.to_string())),
    }
}

/// The marks by which a page is known, and the text of an error page.
fn page(body: &str) -> BTreeMap<String, String> {
    const MARKS: [(&str, &str); 5] = [
        ("title", r"(?s)<title>(.*?)</title>"),
        ("base", r#"<base href="([^"]*)""#),
        ("root element", r#"<(app-root|main-page|div id="root")"#),
        ("error", r"(?s)<pre>(.*?)(?:<br>|</pre>)"),
        ("heading", r"(?s)<h1>(.*?)</h1>"),
    ];
    let found = |pattern: &str| Regex::new(pattern).unwrap().captures(body).map(|found| found[1].trim().to_owned());
    let mut marks: BTreeMap<_, _> =
        MARKS.into_iter().filter_map(|(name, pattern)| Some((format!("page {name}"), found(pattern)?))).collect();
    // What a page of ours says beneath its marks is our own.
    if marks.contains_key("page root element") {
        marks.remove("page heading");
    }
    marks
}

/// Name of a cookie and its attributes.
fn cookie(line: &str) -> String {
    let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    let mut attributes: Vec<_> = attributes.split(';').map(str::trim).collect();
    attributes.sort_unstable();
    format!("{name}; {}", attributes.join("; "))
}
