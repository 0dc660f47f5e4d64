//! The recorded exchanges of real Envoy, oidc-authservice and Dex (contract A), replayed over the wire.
//!
//! What a recorded answer invented (states, codes, cookies, tokens) is learned from the platform's answer to the same
//! request, and put in its place in all later requests. Switched on by `CONFORMANCE_RECORDINGS`, the folder with
//! `gateway-1.8.1.jsonl.xz`; `CONFORMANCE_RECORDINGS_GROUPS` narrows it to some groups of cases.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compare;
mod learned;
mod wire;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use embedded::access::tokens;
use embedded::recorded::{self, Listener, TrustedKeys};
use embedded::store::Key;
use embedded::{Options, Platform, Release, Start, blueprint};
use serde_json::{Value, json};

use learned::Learned;

/// Groups that are not replayed: tokens that another cluster signed; durations.
const LEFT_OUT: [&str; 2] = ["bearer-k8s", "timing"];

/// Cases whose first half is not among the recordings, and one that recorded an interim answer only.
const HALVES: [u64; 4] = [326, 478, 496, 1243];

/// Tokens of a service account that the recordings only name, and whom they are for.
const ACCOUNT_TOKENS: [(&str, &str); 1] =
    [("<k8s-sa-token:right>", "istio-ingressgateway.istio-system.svc.cluster.local")];

fn exchanges(file: &Path) -> Vec<Value> {
    let reader = lzma_rust2::XzReader::new(std::fs::File::open(file).unwrap(), true);
    BufReader::new(reader).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

async fn ready(gateway: SocketAddr) {
    for _ in 0..400 {
        let health = b"GET /dex/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        if wire::send(gateway, health).await.is_some_and(|answer| answer.status == 200) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("Dex is not reached through the gateway");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_a_answers_as_recorded() {
    let Ok(folder) = std::env::var("CONFORMANCE_RECORDINGS") else {
        eprintln!("skipped: CONFORMANCE_RECORDINGS names no folder with gateway-1.8.1.jsonl.xz");
        return;
    };
    let wanted = std::env::var("CONFORMANCE_RECORDINGS_GROUPS").unwrap_or_default();
    let platform = Platform::start(Options { start: Start::Blank, ..Options::default() }).await.unwrap();
    let objects = recorded::objects(Listener::Main, Release::V1_8_1, &TrustedKeys::default()).unwrap();
    blueprint::put(platform.world(), objects).unwrap();
    let gateway: SocketAddr = platform.gateway_url().trim_start_matches("http://").parse().unwrap();
    start_authservice(&platform);
    ready(gateway).await;
    let mut learned = Learned::default();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount"});
    platform.world().store.create(&Key::new("", "serviceaccounts", "alice", "default-editor"), account).unwrap();
    for (name, audience) in ACCOUNT_TOKENS {
        let asked = json!({"spec": {"audiences": [audience]}});
        let made = tokens::request(platform.world(), "alice", "default-editor", asked).unwrap();
        learned.pair(name, made["status"]["token"].as_str().unwrap());
    }
    let (mut agreed, mut differing) = (0, Vec::new());
    for case in exchanges(&Path::new(&folder).join("gateway-1.8.1.jsonl.xz")) {
        let group = case["group"].as_str().unwrap();
        let is_left_out = LEFT_OUT.contains(&group)
            || HALVES.contains(&case["n"].as_u64().unwrap())
            || case["listener"] != "main"
            || case["request"]["version"] == "HTTP/2.0";
        let is_wanted = wanted.is_empty() || wanted.split(',').any(|one| one == group);
        if is_left_out || !is_wanted {
            continue;
        }
        let request = learned.replace(&wire::request(&case["request"]));
        let now = wire::send(gateway, &request).await.unwrap_or_default();
        learned.learn(&case["response"], &now);
        let differences = compare::differences(&case, &now, &learned);
        if differences.is_empty() {
            agreed += 1;
        } else {
            differing.push(format!(
                "{} {group}/{}: {}",
                case["n"],
                case["case"].as_str().unwrap(),
                differences.join("; ")
            ));
        }
    }
    for one in &differing {
        eprintln!("{one}");
    }
    eprintln!("{agreed} of {} exchanges agree", agreed + differing.len());
    assert!(differing.is_empty(), "{} exchanges differ from the recordings", differing.len());
}

/// Makes the pod that the StatefulSet is for, as its controller would.
fn start_authservice(platform: &Platform) {
    let store = &platform.world().store;
    let set = Key::new("apps", "statefulsets", "istio-system", "oidc-authservice");
    let mut pod = store.get(&set).unwrap()["spec"]["template"].clone();
    for (pointer, value) in [("apiVersion", "v1"), ("kind", "Pod")] {
        pod[pointer] = value.into();
    }
    pod["metadata"]["name"] = "oidc-authservice-0".into();
    pod["metadata"]["namespace"] = "istio-system".into();
    pod["spec"]["volumes"] = Value::Null;
    // There already, if there is a controller.
    let _ = store.create(&Key::new("", "pods", "istio-system", "oidc-authservice-0"), pod);
}
