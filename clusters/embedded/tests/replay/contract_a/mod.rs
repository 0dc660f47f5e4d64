//! The recorded exchanges of real Envoy, oidc-authservice and Dex (contract A), replayed over the wire.
//!
//! What a recorded answer invented (states, codes, cookies, tokens) is learned from the platform's answer to the same
//! request, and put in its place in all later requests. Beside `gateway`, which compares what the gateway decided, this
//! compares whole answers: texts, pages, forms. `CONFORMANCE_RECORDINGS_GROUPS` narrows it to some groups of cases.

mod compare;
mod learned;
mod listeners;
mod wire;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fidelity::{self, Found};
use crate::recordings;
use learned::Learned;
use listeners::Listener;

/// Groups that are not replayed: they measure durations.
const LEFT_OUT: [&str; 1] = ["timing"];

/// Single cases that cannot be played, and why.
const NOT_PLAYED: [(u64, &str); 7] = [
    (326, FIRST_HALF),
    (478, FIRST_HALF),
    (496, FIRST_HALF),
    (1243, "only the interim answer was recorded"),
    (397, STORE),
    (398, STORE),
    (399, STORE),
];
const FIRST_HALF: &str = "the recording lacks the case's first half";
const STORE: &str = "the real oidc-authservice's store stood still after it was shown an expired session";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_answers_are_as_recorded() {
    let Some(file) = recordings::file("gateway-1.8.1") else { return };
    let wanted = std::env::var("CONFORMANCE_RECORDINGS_GROUPS").unwrap_or_default();
    let mut listeners: BTreeMap<String, Option<Listener>> = BTreeMap::new();
    let mut learned = Learned::default();
    let mut found = Found::default();
    for case in recordings::lines(&file) {
        let group = case["group"].as_str().unwrap();
        if !wanted.is_empty() && wanted.split(',').all(|one| one != group) {
            continue;
        }
        let name = case["listener"].as_str().unwrap();
        if !listeners.contains_key(name) {
            listeners.insert(name.to_owned(), Listener::start(name, &mut learned).await);
        }
        if let Some(reason) = left_out(&case, group) {
            found.leave_out(reason);
            continue;
        }
        let Some(listener) = &listeners[name] else {
            found.leave_out("the set-up cannot be played");
            continue;
        };
        let request = learned.replace(&wire::request(&case["request"]));
        let now = wire::send(listener.address, &request).await.unwrap_or_default();
        learned.learn(&case["response"], &now);
        let differences = compare::differences(&case, &now, &learned);
        found.note(&format!("{} {group}/{}", case["n"], case["case"].as_str().unwrap()), differences);
    }
    if wanted.is_empty() {
        fidelity::judge("contract-a-answers", "v1.8.1", &found);
    }
    assert!(found.different.is_empty(), "exchanges differ from the recordings: {:#?}", found.different);
}

fn left_out(case: &Value, group: &str) -> Option<&'static str> {
    if LEFT_OUT.contains(&group) {
        return Some("it measures a duration");
    }
    if let Some((_, reason)) = NOT_PLAYED.iter().find(|(number, _)| case["n"] == *number) {
        return Some(reason);
    }
    (case["request"]["version"] == "HTTP/2.0").then_some("HTTP/2")
}
