//! Recorded exchanges of real Envoy, Dex, oauth2-proxy and oidc-authservice, sent again to the embedded gateway with an
//! echo behind it.

mod exchange;
mod forged;
mod recording;
mod situations;
mod situations_a;
mod substitution;
mod view;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use embedded::recorded::{Listener, TrustedKeys, changed, objects};
use embedded::{Options, Platform, Release, blueprint};
use serde_json::{Value, json};

use crate::fidelity::{self, Found};
use crate::recordings;
use recording::Recorded;
use substitution::Substitution;
use view::view;

/// Listeners that are played here. The prober plays more: those whose recordings hold tokens of keys that are gone, or
/// wait for an expiry.
const CONTRACT_A: [(&str, Listener); 4] = [
    ("main", Listener::Main),
    ("down", Listener::ProviderDown),
    ("groups", Listener::GroupsAllowed),
    ("notready", Listener::IssuerDown),
];
const CONTRACT_B: [(&str, Listener); 5] = [
    ("main", Listener::Main),
    ("other_secret", Listener::OtherSecret),
    ("other_version", Listener::OtherVersion),
    ("provider_down", Listener::ProviderDown),
    ("echo_everywhere", Listener::EchoEverywhere),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v1_8_1_answers_as_recorded() {
    replay("gateway-1.8.1", Release::V1_8_1, &CONTRACT_A).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v1_9_1_answers_as_recorded() {
    replay("gateway-1.9.1", Release::V1_9_1, &CONTRACT_B).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v1_10_2_answers_as_recorded() {
    replay("gateway-1.10.2", Release::V1_10_2, &CONTRACT_B).await;
}

async fn replay(name: &str, release: Release, listeners: &[(&str, Listener)]) {
    let Some(path) = recordings::file(name) else { return };
    let manifests = upstreams_manifests(name);
    let mut found = Found::default();
    let recorded = recording::read(&path, &mut found);
    let mut platforms = HashMap::new();
    for (listener, kind) in listeners {
        let objects = match &manifests {
            Some(manifests) => changed(manifests.clone(), *kind, release, &TrustedKeys::default()),
            None => objects(*kind, release, &TrustedKeys::default()),
        };
        platforms.insert((*listener).to_owned(), start(*kind, objects.unwrap()).await);
    }
    let mut substitution = Substitution::default();
    if manifests.is_none() {
        client_secret(&mut substitution);
    }
    accounts(&platforms["main"], &mut substitution);
    for one in &recorded {
        match platforms.get(&one.listener) {
            Some(platform) => {
                let differences = compare(one, platform, &mut substitution).await;
                found.note(&one.name, differences);
            }
            None => found.leave_out("the listener is not played here"),
        }
    }
    fidelity::judge("gateway", &name.replace("gateway-", "v"), &found);
    assert!(found.alike * 100 >= (found.alike + found.different.len()) * 98, "fewer than 98 % alike");
}

/// The client's published secret, which the laboratory used; the blueprint has its own.
fn client_secret(substitution: &mut Substitution) {
    substitution.put("pUBnBOY80SnXgjibTYM9ZWNzY2xreNGQok", "blueprint-client-secret");
    substitution.put(
        "a3ViZWZsb3ctb2lkYy1hdXRoc2VydmljZTpwVUJuQk9ZODBTblhnamliVFlNOVpXTnpZMnhyZU5HUW9r",
        "a3ViZWZsb3ctb2lkYy1hdXRoc2VydmljZTpibHVlcHJpbnQtY2xpZW50LXNlY3JldA==",
    );
}

/// Tokens of a service account that the recordings only name, and whom they are for.
fn accounts(platform: &Platform, substitution: &mut Substitution) {
    for (name, audience) in [
        ("right", "istio-ingressgateway.istio-system.svc.cluster.local"),
        ("default", ""),
        ("both", "istio-ingressgateway.istio-system.svc.cluster.local,https://kubernetes.default.svc.cluster.local"),
        ("pipelines", "pipelines.kubeflow.org"),
    ] {
        substitution.put(&format!("<k8s-sa-token:{name}>"), &account_token(platform, audience));
    }
}

async fn start(listener: Listener, mut all: Vec<Value>) -> Platform {
    let platform = Platform::start(Options::default()).await.unwrap();
    let account = |kind: &str, metadata| json!({"apiVersion": "v1", "kind": kind, "metadata": metadata});
    all.push(account("Namespace", json!({"name": "alice"})));
    all.push(account("ServiceAccount", json!({"namespace": "alice", "name": "default-editor"})));
    blueprint::put(platform.world(), all).unwrap();
    let address = address(&platform);
    let is_up = async {
        // Any answer: which one depends on the listener.
        while exchange::send(&address, "GET /dex/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.status
            == 0
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        while listener != Listener::ProviderDown
            && listener != Listener::IssuerDown
            && exchange::send(&address, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.body.is_empty()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), is_up).await.unwrap();
    platform
}

/// Upstream's manifests of a recording's release, if `CONFORMANCE_TEST_MANIFESTS` names their folder; else the built-in
/// blueprint is used.
fn upstreams_manifests(name: &str) -> Option<Vec<Value>> {
    let folder = std::env::var_os("CONFORMANCE_TEST_MANIFESTS")?;
    let file = PathBuf::from(folder).join(format!("{}.yaml.xz", name.replace("gateway-", "example-v")));
    let text = recordings::unpacked(&file);
    let documents = text.split("\n---\n").map(|document| serde_saphyr::from_str::<Value>(document).unwrap());
    let objects: Vec<_> = documents.filter(|document| document["kind"].is_string()).collect();
    eprintln!("{name}: with {} of upstream's objects", objects.len());
    Some(objects)
}

fn address(platform: &Platform) -> String {
    platform.gateway_url().trim_start_matches("http://").to_owned()
}

fn account_token(platform: &Platform, audience: &str) -> String {
    let audiences: Vec<_> = audience.split(',').filter(|one| !one.is_empty()).collect();
    let request = json!({"spec": {"audiences": audiences, "expirationSeconds": 3600}});
    let made = embedded::access::tokens::request(platform.world(), "alice", "default-editor", request).unwrap();
    made["status"]["token"].as_str().unwrap().to_owned()
}

/// What is different, as lines `recorded …` and `now …`.
async fn compare(one: &Recorded, platform: &Platform, substitution: &mut Substitution) -> Vec<String> {
    let request = with_length(substitution.apply(&one.request));
    let mut now = exchange::send(&address(platform), &request).await;
    if one.method == "HEAD" {
        now.body.clear();
    }
    substitution.learn(one, &now);
    let before: Vec<_> = view(one.status, &one.headers, &one.body, one.backend.as_ref(), one.shortened)
        .iter()
        .map(|line| substitution.apply(line))
        .collect();
    let mut after = view(now.status, &now.headers, &now.body, now.backend.as_ref(), one.shortened);
    if one.shortened && !before.iter().any(|line| line.starts_with("received host")) {
        // Some recordings kept only the headers that tell who somebody is.
        after.retain(|line| !line.starts_with("received host"));
    }
    let lacks = |of: &[String], line: &String| of.iter().filter(|other| *other == line).count();
    let missing =
        before.iter().filter(|line| lacks(&after, line) < lacks(&before, line)).map(|line| format!("recorded {line}"));
    let new =
        after.iter().filter(|line| lacks(&before, line) < lacks(&after, line)).map(|line| format!("now      {line}"));
    missing.chain(new).collect()
}

/// The request with the length that its body has after the substitution.
fn with_length(request: String) -> String {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return request };
    if head.contains("chunked") || request.contains("\r\n\r\nGET ") {
        return request;
    }
    let lines: Vec<_> = head
        .split("\r\n")
        .map(|line| {
            if line.starts_with("Content-Length:") {
                format!("Content-Length: {}", body.len())
            } else {
                line.to_owned()
            }
        })
        .collect();
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}
