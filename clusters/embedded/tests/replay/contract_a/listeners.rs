//! The set-ups behind which was recorded: each is a platform of its own.

use std::net::SocketAddr;
use std::time::Duration;

use embedded::access::tokens;
use embedded::recorded::{self, TrustedKeys};
use embedded::store::Key;
use embedded::{Options, Platform, Release, Start, blueprint};
use serde_json::json;

use super::learned::Learned;
use super::wire;

/// Tokens of a service account that the recordings only name, and whom they are for.
const ACCOUNT_TOKENS: [(&str, &[&str]); 4] = [
    ("<k8s-sa-token:right>", &[GATEWAY]),
    ("<k8s-sa-token:both>", &[GATEWAY, "pipelines.kubeflow.org"]),
    ("<k8s-sa-token:default>", &["https://kubernetes.default.svc.cluster.local"]),
    ("<k8s-sa-token:pipelines>", &["pipelines.kubeflow.org"]),
];
const GATEWAY: &str = "istio-ingressgateway.istio-system.svc.cluster.local";

/// A running platform.
pub struct Listener {
    /// Where its gateway listens.
    pub address: SocketAddr,
    _platform: Platform,
}

impl Listener {
    /// Starts the platform of a listener; `None` for set-ups that cannot be played: another provider in Dex' place, an API
    /// server that is away, a program that hangs.
    pub async fn start(name: &str, learned: &mut Learned) -> Option<Self> {
        let (parameter, value) = match name {
            "main" | "down" | "exclecho" => ("X", ""),
            "short" => ("SESSION_MAX_AGE", "3"),
            "groups" => ("GROUPS_ALLOWLIST", "admins"),
            "notready" => ("OIDC_PROVIDER", "http://nobody.auth.svc.cluster.local:5556/dex"),
            _ => return None,
        };
        let mut objects =
            recorded::objects(recorded::Listener::Main, Release::V1_8_1, &TrustedKeys::default()).unwrap();
        for object in &mut objects {
            if object["metadata"]["name"] == "oidc-authservice-parameters" {
                object["data"][parameter] = json!(value);
            }
            if name == "down" && object["kind"] == "StatefulSet" && object["metadata"]["name"] == "oidc-authservice" {
                object["spec"]["replicas"] = json!(0);
            }
            if name == "exclecho" && object["kind"] == "VirtualService" && object["metadata"]["namespace"] == "auth" {
                let echo = json!({"host": "centraldashboard.kubeflow.svc.cluster.local", "port": {"number": 80}});
                object["spec"]["http"][0]["route"][0]["destination"] = echo;
            }
        }
        let platform = Platform::start(Options { start: Start::Blank, ..Options::default() }).await.unwrap();
        blueprint::put(platform.world(), objects).unwrap();
        let address = platform.gateway_url().trim_start_matches("http://").parse().unwrap();
        // The first request that the gateway answers as the set-up should.
        let (path, status) = if name == "down" { ("/", 403) } else { ("/dex/healthz", 200) };
        ready(address, path, status).await;
        if name == "main" {
            learn_accounts(&platform, learned);
        }
        Some(Self { address, _platform: platform })
    }
}

async fn ready(gateway: SocketAddr, path: &str, status: u64) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for _ in 0..400 {
        if wire::send(gateway, request.as_bytes()).await.is_some_and(|answer| answer.status == status) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{path} is not answered with {status}");
}

fn learn_accounts(platform: &Platform, learned: &mut Learned) {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount"});
    platform.world().store.create(&Key::new("", "serviceaccounts", "alice", "default-editor"), account).unwrap();
    for (name, audiences) in ACCOUNT_TOKENS {
        let asked = json!({"spec": {"audiences": audiences}});
        let made = tokens::request(platform.world(), "alice", "default-editor", asked).unwrap();
        let token = made["status"]["token"].as_str().unwrap();
        learned.pair(name, token);
        let unsigned = token.rsplit_once('.').unwrap().0;
        learned.pair(&name.replace('>', ":head.payload>"), unsigned);
    }
}
