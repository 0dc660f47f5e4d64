//! The recorded exchanges of real Envoy, oidc-authservice and Dex (contract A), replayed over the wire.
//!
//! What a recorded answer invented (states, codes, cookies, tokens) is learned from the platform's answer to the same
//! request, and put in its place in all later requests. Switched on by `CONFORMANCE_RECORDINGS`, the folder with
//! `gateway-1.8.1.jsonl.xz`; `CONFORMANCE_RECORDINGS_GROUPS` narrows it to some groups of cases.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compare;
mod learned;
mod listeners;
mod wire;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use learned::Learned;
use listeners::Listener;

/// Groups that are not replayed: they measure durations.
const LEFT_OUT: [&str; 1] = ["timing"];

/// Cases whose first half is not among the recordings, one that recorded an interim answer only, and the store of the
/// real oidc-authservice that stands still when it is shown an expired session.
const NOT_PLAYED: [u64; 7] = [326, 478, 496, 1243, 397, 398, 399];

fn exchanges(file: &Path) -> Vec<Value> {
    let reader = lzma_rust2::XzReader::new(std::fs::File::open(file).unwrap(), true);
    BufReader::new(reader).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_a_answers_as_recorded() {
    let Ok(folder) = std::env::var("CONFORMANCE_RECORDINGS") else {
        eprintln!("skipped: CONFORMANCE_RECORDINGS names no folder with gateway-1.8.1.jsonl.xz");
        return;
    };
    let wanted = std::env::var("CONFORMANCE_RECORDINGS_GROUPS").unwrap_or_default();
    let mut listeners: BTreeMap<String, Option<Listener>> = BTreeMap::new();
    let mut learned = Learned::default();
    let (mut agreed, mut left_out, mut differing) = (0, 0, Vec::new());
    for case in exchanges(&Path::new(&folder).join("gateway-1.8.1.jsonl.xz")) {
        let group = case["group"].as_str().unwrap();
        if !wanted.is_empty() && wanted.split(',').all(|one| one != group) {
            continue;
        }
        let name = case["listener"].as_str().unwrap();
        if !listeners.contains_key(name) {
            listeners.insert(name.to_owned(), Listener::start(name, &mut learned).await);
        }
        let is_played = !LEFT_OUT.contains(&group)
            && !NOT_PLAYED.contains(&case["n"].as_u64().unwrap())
            && case["request"]["version"] != "HTTP/2.0";
        let Some(listener) = listeners[name].as_ref().filter(|_| is_played) else {
            left_out += 1;
            continue;
        };
        let request = learned.replace(&wire::request(&case["request"]));
        let now = wire::send(listener.address, &request).await.unwrap_or_default();
        learned.learn(&case["response"], &now);
        let differences = compare::differences(&case, &now, &learned);
        if differences.is_empty() {
            agreed += 1;
        } else {
            let title = case["case"].as_str().unwrap();
            differing.push(format!("{} {group}/{title}: {}", case["n"], differences.join("; ")));
        }
    }
    for one in &differing {
        eprintln!("{one}");
    }
    eprintln!("{agreed} of {} exchanges agree, {left_out} are not played", agreed + differing.len());
    assert!(differing.is_empty(), "{} exchanges differ from the recordings", differing.len());
}
