//! The embedded API beside a real kube-apiserver: a table of operations is run against the embedded API and compared
//! with what a real server answered to the same table.
//!
//! `tables/` holds the operations, `golden/` the answers of the real server, `differences.yaml` what differs and why. A
//! difference that is not listed fails, and so does a listed one that no longer occurs: the list may only shrink. What is
//! compared is all of an answer: code, media type, warnings, and the whole body, with what differs from run to run (uids,
//! versions, times, addresses, tokens) replaced by what it is.
//!
//! `./record KUBECONFIG [TOPIC…]` records the golden answers again, from any cluster whose administrator that is.
//! `UPDATE=1` strikes out what no longer differs. `API_DIFFERENTIAL_TOPIC` limits the comparison to a topic, or `all`, and
//! prints every difference, known ones too.
//! `docs/fidelity.md` shows the figures: after a change of list or answers, `UPDATE=1 cargo test --test replay page`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test that reports")]

mod compare;
mod mask;
mod runner;
mod streams;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use embedded::{Options, Platform, Start};
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use compare::{Known, covers, differences};
use runner::{Answers, Server};
use table::TOPICS;

const KNOWN: &str = include_str!("differences.yaml");

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/api_differential")
}

/// The golden answers of a topic and the version of the server that gave them.
fn golden(topic: &str) -> (String, Answers) {
    let path = folder().join(format!("golden/{topic}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let document: Value = serde_json::from_str(&text).unwrap();
    let answers = serde_json::from_value(document["answers"].clone()).unwrap();
    (document["version"].as_str().unwrap().to_owned(), answers)
}

async fn server(kubeconfig: Kubeconfig, patience: u64) -> Server {
    drop(rustls::crypto::ring::default_provider().install_default());
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Server::new(config, Duration::from_secs(patience))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_api_answers_as_a_real_one() {
    let known: Vec<Known> = serde_saphyr::from_str(KNOWN).unwrap();
    let listed: BTreeMap<(&str, &str), &str> = known
        .iter()
        .flat_map(|known| {
            known.at.iter().flat_map(|(id, at)| at.iter().map(|at| ((id.as_str(), at.as_str()), known.reason.as_str())))
        })
        .collect();
    let only = std::env::var("API_DIFFERENTIAL_TOPIC").ok();
    let platform = Platform::start(Options { start: Start::Blank, ..Options::default() }).await.unwrap();
    let server = server(Kubeconfig::from_yaml(&platform.kubeconfig()).unwrap(), 2).await;
    let (mut operations, mut alike, mut unlisted) = (0, 0, String::new());
    let mut occurred = BTreeSet::new();
    let mut reasons: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut versions = BTreeSet::new();
    let chosen = TOPICS.iter().filter(|(topic, _)| only.as_deref().is_none_or(|only| only == "all" || only == *topic));
    let run = chosen.map(|(topic, _)| {
        let server = &server;
        async move { (*topic, server.run(topic, "abcde").await) }
    });
    for (topic, answers) in futures::future::join_all(run).await {
        let (version, golden) = golden(topic);
        versions.insert(version);
        assert_eq!(
            golden.keys().collect::<Vec<_>>(),
            answers.keys().collect::<Vec<_>>(),
            "tables/{topic}.yaml has changed: record its golden answers again"
        );
        for (step, expected) in &golden {
            operations += 1;
            let id = format!("{topic}/{step}");
            let found = differences(expected, &answers[step]);
            alike += usize::from(found.is_empty());
            for (pointer, (expected, seen)) in found {
                let known: Vec<_> = listed.iter().filter(|((of, at), _)| *of == id && covers(at, &pointer)).collect();
                for ((of, at), reason) in &known {
                    occurred.insert((*of, *at));
                    reasons.entry(id.clone()).or_default().insert(reason);
                }
                if known.is_empty() || only.is_some() {
                    writeln!(unlisted, "{id} {pointer}\n    real     {expected}\n    embedded {seen}").unwrap();
                }
            }
        }
    }
    eprintln!("{operations} operations, {alike} alike, {} differ as listed", reasons.len());
    let gone: BTreeSet<(String, String)> = listed
        .keys()
        .filter(|known| !occurred.contains(*known))
        .map(|(id, at)| ((*id).to_owned(), (*at).to_owned()))
        .collect();
    assert!(unlisted.is_empty(), "differences that are not listed:\n{unlisted}");
    if std::env::var_os("UPDATE").is_some() && only.is_none() {
        compare::strike(&folder().join("differences.yaml"), known, &gone);
        return;
    }
    assert!(only.is_some() || gone.is_empty(), "listed differences that no longer occur; remove them: {gone:?}");
}

/// Run by `./record`.
#[tokio::test]
#[ignore = "records golden answers from a real API server"]
async fn record() {
    let path = std::env::var("API_DIFFERENTIAL_KUBECONFIG").expect("API_DIFFERENTIAL_KUBECONFIG names a kubeconfig");
    let chosen = std::env::var("API_DIFFERENTIAL_TOPICS").unwrap_or_default();
    let server = server(Kubeconfig::read_from(path).unwrap(), 60).await;
    let version = server.version().await;
    let suffix: String = uuid::Uuid::new_v4().simple().to_string().chars().take(5).collect();
    for (topic, _) in TOPICS.iter().filter(|(topic, _)| chosen.is_empty() || chosen.split(' ').any(|one| one == *topic))
    {
        let answers = server.run(topic, &suffix).await;
        let lines: Vec<String> =
            answers.iter().map(|(id, answer)| format!("{}: {}", json!(id), sorted(answer))).collect();
        let text = format!("{{\"version\": {}, \"answers\": {{\n{}\n}}}}\n", json!(version), lines.join(",\n"));
        std::fs::write(folder().join(format!("golden/{topic}.json")), text).unwrap();
        eprintln!("{topic}: {} operations", answers.len());
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries: BTreeMap<_, _> = map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            json!(entries)
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
