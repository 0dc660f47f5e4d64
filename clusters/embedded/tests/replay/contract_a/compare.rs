//! In what an answer differs from the recorded one.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use super::learned::{Learned, recorded_headers};
use super::wire::Answer;

/// Headers whose values are compared.
const COMPARED: [&str; 5] =
    ["content-type", "www-authenticate", "cache-control", "access-control-allow-origin", "allow"];
/// Headers that the gateway adds for the application and that say nothing about identity.
const UNCOMPARED: [&str; 8] = [
    "x-request-id",
    "x-lab-route",
    "x-envoy-original-path",
    "x-envoy-attempt-count",
    "x-envoy-external-address",
    // The laboratory's routes had no timeouts.
    "x-envoy-expected-rq-timeout-ms",
    "content-length",
    "transfer-encoding",
];

/// The differences, in words.
pub fn differences(case: &Value, now: &Answer, learned: &Learned) -> Vec<String> {
    let recorded = &case["response"];
    let mut found = Vec::new();
    let mut note = |what: &str, recorded: String, now: String| {
        if recorded != now {
            found.push(format!("{what}: recorded {}, now {}", short(&recorded), short(&now)));
        }
    };
    note("status", recorded["status"].as_u64().unwrap_or_default().to_string(), now.status.to_string());
    let location = |text: Option<String>| normal(&text.unwrap_or_default());
    note(
        "location",
        location(recorded_headers(recorded, "location").pop()),
        location(now.all("location").pop().map(|text| learned.recorded(text))),
    );
    let cookies = |lines: Vec<String>| lines.iter().map(|line| attributes(line)).collect::<Vec<_>>().join(" | ");
    let own = now.all("set-cookie").into_iter().map(str::to_owned).collect();
    note("cookies", cookies(recorded_headers(recorded, "set-cookie")), cookies(own));
    for name in COMPARED {
        note(name, recorded_headers(recorded, name).join(", "), now.all(name).join(", "));
    }
    let body = recorded["body"].as_str().unwrap_or_default();
    if body.starts_with("{\"backend\": \"echo\"") && received(body).is_none() {
        // The recording keeps the beginning of a long body only.
        return found;
    }
    match received(body) {
        Some(then) => {
            let now = received(&learned.recorded(&now.body)).unwrap_or_default();
            note("received", then.join("\n"), now.join("\n"));
        }
        None => note("body", normal(&visible(body)), normal(&visible(&learned.recorded(&now.body)))),
    }
    found
}

fn short(text: &str) -> String {
    let cut: String = text.chars().take(300).collect();
    format!("{cut:?}")
}

/// Replaces what is invented anew each time.
fn normal(text: &str) -> String {
    let random = Regex::new(r"(state|code|req|hmac)(=|%3D)[A-Za-z0-9_%=-]{16,}").unwrap();
    let text = random.replace_all(text, "$1=*");
    let tokens = Regex::new(r"ey[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+").unwrap();
    let dated = Regex::new(r#""(exp|iat|nbf|expires_in)": ?\d+"#).unwrap();
    let hashed = Regex::new(r#""(at_hash|c_hash)": ?"[^"]*""#).unwrap();
    let text = hashed.replace_all(&text, "\"$1\":\"\"").into_owned();
    let text = Regex::new(r"\b[A-Z]{4}-[A-Z]{4}\b").unwrap().replace_all(&text, "USER-CODE").into_owned();
    dated.replace_all(&tokens.replace_all(&text, "TOKEN"), "\"$1\":0").into_owned()
}

/// A cookie without its value and dates.
fn attributes(line: &str) -> String {
    let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let dates = Regex::new(r"Expires=[^;]*").unwrap();
    let state = if value.is_empty() { "deleted" } else { "set" };
    format!("{name} {state};{}", dates.replace_all(attributes, "Expires=*"))
}

/// What a person sees of a page: its text and the fields of its forms; of anything else all of it.
fn visible(body: &str) -> String {
    if let Ok(json) = serde_json::from_str::<Value>(body) {
        return json.to_string();
    }
    if !body.contains("<html") && !body.contains("<!DOCTYPE") {
        return body.to_owned();
    }
    let without = |text: &str, pattern: &str| Regex::new(pattern).unwrap().replace_all(text, " ").into_owned();
    let body = without(&without(body, r"(?s)<(script|style|svg)\b.*?</(script|style|svg)>"), r"(?s)<!--.*?-->");
    let fields = Regex::new(r#"(?s)<(form|input|button)\b[^>]*>"#).unwrap();
    let attribute = Regex::new(r#"\b(method|action|name|value|type)="([^"]*)""#).unwrap();
    let forms: BTreeMap<usize, String> = fields
        .find_iter(&body)
        .map(|tag| {
            // Of an attribute that is there twice, the first counts.
            let mut told: Vec<(&str, &str)> = Vec::new();
            for found in attribute.captures_iter(tag.as_str()) {
                let (_, [name, value]) = found.extract();
                if told.iter().all(|(known, _)| *known != name) {
                    told.push((name, value));
                }
            }
            (tag.start(), format!("{told:?}"))
        })
        .collect();
    let text = without(&body, r"(?s)<[^>]*>").split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{text} {}", forms.into_values().collect::<Vec<_>>().join(" / "))
}

/// What the echo received, in order of the headers' names; `None` if no echo answered.
fn received(body: &str) -> Option<Vec<String>> {
    let echo: Value = serde_json::from_str(body).ok()?;
    if echo["backend"] != "echo" {
        return None;
    }
    let mut lines: Vec<String> = echo["headers"]
        .as_array()?
        .iter()
        .filter_map(|header| Some((header[0].as_str()?, header[1].as_str()?)))
        .filter(|(name, _)| !UNCOMPARED.contains(name))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    lines.sort();
    lines.insert(0, echo["request_line"].as_str()?.to_owned());
    Some(lines)
}
