//! What was handed out at recording time, and what stands in its place now: cookies, codes, states, tokens.

use serde_json::Value;

use super::exchange::Answer;
use super::recording::Recorded;

/// Pairs of texts: recorded, now.
#[derive(Default)]
pub struct Substitution(Vec<(String, String)>);

/// How much of a recorded text must be there for its beginning to be replaced: tampered and cut values.
const BEGINNING: usize = 40;
const MEMBERS: [&str; 6] = ["access_token", "id_token", "refresh_token", "device_code", "user_code", "code"];

impl Substitution {
    /// Adds a pair, if it tells anything.
    pub fn put(&mut self, recorded: &str, now: &str) {
        if recorded.len() >= 9
            && !now.is_empty()
            && recorded != now
            && !self.0.iter().any(|(known, _)| known == recorded)
        {
            self.0.push((recorded.to_owned(), now.to_owned()));
        }
    }

    /// What stands now for a token whose beginning an application received: `Bearer beginning...(length)`.
    pub fn of_shortened(&self, recorded: &str) -> Option<String> {
        let end = format!("...({})", "Bearer ".len() + recorded.len());
        let is_it = |known: &str| known.strip_suffix(&end).is_some_and(|beginning| recorded.starts_with(beginning));
        self.0.iter().find(|(known, _)| is_it(known)).map(|(_, now)| now.clone())
    }

    /// Learns from a recorded answer and the one that came now.
    pub fn learn(&mut self, recorded: &Recorded, now: &Answer) {
        self.learn_cookies(&recorded.headers, &now.headers);
        for name in ["location", "authorization"] {
            let value = |headers: &[(String, String)]| {
                headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
            };
            if let (Some(before), Some(after)) = (value(&recorded.headers), value(&now.headers)) {
                self.learn_parameters(&before, &after);
            }
        }
        if let (Some(before), Some(after)) = (&recorded.backend, &now.backend) {
            let token = |headers: &[(String, String)]| {
                headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.clone())
            };
            if let (Some(before), Some(after)) = (token(&before.headers), token(&after.headers)) {
                let bare = |value: &str| value.rsplit(' ').next().unwrap_or_default().to_owned();
                self.put(&bare(&before), &bare(&after));
            }
        }
        let (before, after): (Value, Value) = (
            serde_json::from_str(&recorded.body).unwrap_or_default(),
            serde_json::from_str(&now.body).unwrap_or_default(),
        );
        for name in MEMBERS {
            if let (Some(before), Some(after)) = (before[name].as_str(), after[name].as_str()) {
                self.put(before, after);
            }
        }
    }

    fn learn_cookies(&mut self, before: &[(String, String)], after: &[(String, String)]) {
        let cookies = |headers: &[(String, String)]| {
            let lines = headers.iter().filter(|(name, _)| name == "set-cookie");
            let first = lines.filter_map(|(_, value)| value.split(';').next()?.split_once('='));
            first.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
        };
        let now = cookies(after);
        for (name, value) in cookies(before) {
            if let Some((_, new)) = now.iter().find(|(key, _)| *key == name) {
                self.put(&value, new);
            }
        }
    }

    fn learn_parameters(&mut self, before: &str, after: &str) {
        let parameters = |location: &str| {
            let query = location.split_once('?').map_or("", |(_, query)| query);
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
        };
        let now = parameters(after);
        for (name, value) in parameters(before) {
            if let Some((_, new)) = now.iter().find(|(key, _)| *key == name) {
                self.put(&value, new);
                for colon in [":", "%3A"] {
                    if let (Some((value, _)), Some((new, _))) = (value.split_once(colon), new.split_once(colon)) {
                        self.put(value, new);
                    }
                }
            }
        }
    }

    /// A recorded text as it would read now.
    pub fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (recorded, now) in &self.0 {
            text = text.replace(recorded.as_str(), now);
        }
        // What is left of recorded values was changed by the case: the unchanged beginning is replaced.
        for (recorded, now) in self.0.iter().rev().filter(|(recorded, _)| recorded.len() > BEGINNING) {
            if let Some(at) = text.find(&recorded[..BEGINNING]) {
                let same = text[at..].bytes().zip(recorded.bytes()).take_while(|(one, other)| one == other).count();
                text.replace_range(at..at + same, &now[..same.min(now.len())]);
            }
        }
        text
    }
}
