//! What recorded answers invented, and what this platform invented in its place.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::Value;

use super::wire::Answer;

/// Texts shorter than this are never taken for inventions.
const SHORTEST: usize = 12;
const CLIENT: &str = "kubeflow-oidc-authservice";
const RECORDED_SECRET: &str = "pUBnBOY80SnXgjibTYM9ZWNzY2xreNGQok";
const SECRET: &str = "blueprint-client-secret";

/// Recorded texts and this platform's.
pub struct Learned(BTreeMap<String, String>);

impl Default for Learned {
    fn default() -> Self {
        let mut learned = Self(BTreeMap::new());
        learned.pair(RECORDED_SECRET, SECRET);
        let basic = |secret: &str| STANDARD.encode(format!("{CLIENT}:{secret}"));
        learned.pair(&basic(RECORDED_SECRET), &basic(SECRET));
        learned
    }
}

impl Learned {
    /// Notes a pair of texts that stand for each other.
    pub fn pair(&mut self, recorded: &str, own: &str) {
        if recorded != own && recorded.len() >= SHORTEST && !own.is_empty() {
            self.0.insert(recorded.to_owned(), own.to_owned());
            self.0.entry(escape(recorded)).or_insert_with(|| escape(own));
        }
    }

    /// A request with this platform's texts for the recorded ones.
    pub fn replace(&self, request: &[u8]) -> Vec<u8> {
        let text: String = request.iter().map(|byte| char::from(*byte)).collect();
        let pairs = self.0.iter().map(|(recorded, own)| (recorded.as_str(), own.as_str()));
        let replaced: Vec<u8> = substitute(&text, pairs).chars().map(|character| character as u32 as u8).collect();
        with_length(request, replaced)
    }

    /// A text of this platform with the recorded texts for its own.
    pub fn recorded(&self, text: &str) -> String {
        substitute(text, self.0.iter().map(|(recorded, own)| (own.as_str(), recorded.as_str())))
    }

    /// Learns from two answers to one request.
    pub fn learn(&mut self, recorded: &Value, own: &Answer) {
        for (name, own_name) in [("set-cookie", "set-cookie"), ("location", "location")] {
            let theirs = recorded_headers(recorded, name);
            for (theirs, ours) in theirs.iter().zip(own.all(own_name)) {
                let (theirs, ours) = (values(theirs), values(ours));
                for (name, value) in theirs {
                    if let Some(ours) = ours.get(&name) {
                        self.pair(&value, ours);
                    }
                }
            }
        }
        let body = recorded["body"].as_str().unwrap_or_default();
        if let (Ok(Value::Object(theirs)), Ok(ours)) =
            (serde_json::from_str(body), serde_json::from_str::<Value>(&own.body))
        {
            for name in ["id_token", "access_token", "refresh_token", "device_code", "user_code"] {
                if let (Some(theirs), Some(ours)) = (theirs.get(name).and_then(Value::as_str), ours[name].as_str()) {
                    self.pair(theirs, ours);
                }
            }
        }
    }
}

/// Replaces texts at once: what was put in is not looked at again, and of two that overlap the longer one counts.
fn substitute<'a>(text: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut found: Vec<(usize, &str, &str)> = pairs
        .flat_map(|(from, to)| text.match_indices(from).map(move |(at, _)| (at, from, to)).collect::<Vec<_>>())
        .collect();
    found.sort_by_key(|(at, from, _)| (*at, std::cmp::Reverse(from.len())));
    let (mut whole, mut end) = (String::new(), 0);
    for (at, from, to) in found {
        if at >= end {
            whole += &text[end..at];
            whole += to;
            end = at + from.len();
        }
    }
    whole + &text[end..]
}

/// A header of a recorded answer.
pub fn recorded_headers(recorded: &Value, name: &str) -> Vec<String> {
    let headers = recorded["headers"].as_array().into_iter().flatten();
    headers
        .filter(|header| header[0].as_str().is_some_and(|known| known.eq_ignore_ascii_case(name)))
        .map(|header| header[1].as_str().unwrap().to_owned())
        .collect()
}

/// The named values in a redirect's query or of a cookie.
fn values(text: &str) -> BTreeMap<String, String> {
    let pattern = Regex::new(r"([a-z_]+)=([^&;\s]+)").unwrap();
    let text = text.split("; ").next().unwrap();
    pattern.captures_iter(text).map(|found| (found[1].to_owned(), found[2].to_owned())).collect()
}

fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('=', "%3D").replace('|', "%7C").replace('+', "%2B").replace('/', "%2F")
}

/// Corrects the length of a body that the replacement changed.
fn with_length(before: &[u8], after: Vec<u8>) -> Vec<u8> {
    let body = |bytes: &[u8]| bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|end| bytes.len() - end - 4);
    let (Some(old), Some(new)) = (body(before), body(&after)) else { return after };
    if old == new {
        return after;
    }
    let text: String = after.iter().map(|byte| char::from(*byte)).collect();
    let text = text.replacen(&format!("Content-Length: {old}\r\n"), &format!("Content-Length: {new}\r\n"), 1);
    text.chars().map(|character| character as u32 as u8).collect()
}
