//! Recordings of special situations at a gateway that istiod 1.26.1 configured from manifests v1.10.2: tokens of service
//! accounts with and without the overlay that accepts them, Dex away when istiod starts, new keys in Dex.
//!
//! Where the recorder asked again and again until something changed, this asks until it has changed, too: istiod's
//! refresh interval is shortened by its own variable.

use std::time::Duration;

use embedded::access::tokens;
use embedded::recorded::{Listener, TrustedKeys, objects};
use embedded::store::Key;
use embedded::{Platform, Release};
use serde_json::{Value, json};

use super::forged::{self, Forger};
use super::recording::{self, Recorded};
use super::substitution::Substitution;
use super::{compare, exchange, start};
use crate::fidelity::{self, Found};
use crate::recordings;

/// How long a change may take to arrive at the gateway.
pub const CHANGED_WITHIN: Duration = Duration::from_secs(20);
/// The name of the laboratory's key for service accounts.
const CLUSTER_KEY: &str = "k8s-key-1";
const HOME: &str = "kubeflow-user-example-com";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn special_situations_are_as_recorded() {
    let mut found = Found::default();
    let forger = Forger::new();
    let cluster = TrustedKeys { cluster: Some(forger.public(CLUSTER_KEY)), ..TrustedKeys::default() };
    let mut played = 0;
    for (name, listener) in [
        ("phase2-m2m-off", Listener::Main),
        ("phase2-m2m-on", Listener::Machines),
        ("phase2-real-sa-tokens", Listener::Machines),
        ("phase2-dex-down-at-start", Listener::Main),
        ("phase2-jwks-rotation", Listener::Main),
    ] {
        let Some(file) = recordings::file(name) else { continue };
        played += 1;
        let mut all = objects(listener, Release::V1_10_2, &cluster).unwrap();
        refresh_keys_every(&mut all, "2s");
        fetch_provider_keys(&mut all);
        match name {
            "phase2-dex-down-at-start" => dex(&mut all)["spec"]["replicas"] = json!(0),
            "phase2-jwks-rotation" => keep_in_memory(&mut all),
            _ => {}
        }
        let platform = start(listener, all).await;
        if name == "phase2-real-sa-tokens" {
            trust_own_accounts(&platform);
        }
        let plain = start(Listener::Main, objects(Listener::Main, Release::V1_10_2, &cluster).unwrap()).await;
        let recorded = recording::read(&file, &mut found);
        play(&recorded, [&platform, &plain], &forger, &mut found).await;
    }
    if played == 5 {
        fidelity::judge("gateway-situations", "v1.10.2", &found);
    }
}

/// Sends the exchanges; of a row of equal ones the first, and the last is that which brings the change.
async fn play(recorded: &[Recorded], [main, plain]: [&Platform; 2], forger: &Forger, found: &mut Found) {
    let stranger = Forger::new();
    let mut substitution = Substitution::default();
    let mut asked: Vec<(&str, u64)> = Vec::new();
    for one in recorded {
        let case = one.name.split_once('/').map_or("", |(_, case)| case);
        if case.starts_with("Dex down") {
            scale_dex(main, 0).await;
        } else if case.starts_with("after restart") || case.starts_with("login: GET /oauth2/start") {
            scale_dex(main, 1).await;
        }
        if asked.contains(&(case, one.status)) {
            found.leave_out("the same was asked again until the answer changed");
            continue;
        }
        let platform = if one.listener == "plain" { plain } else { main };
        for token in tokens_in(&one.request) {
            let signer = if case == "SA wrong key" { &stranger } else { forger };
            let now = in_place_of(main, &token, signer, &stranger).or_else(|| substitution.of_shortened(&token));
            if let Some(now) = now {
                substitution.put(&token, &now);
            }
        }
        let changes = asked.iter().any(|(known, _)| *known == case);
        let until = tokio::time::Instant::now() + if changes { CHANGED_WITHIN } else { Duration::ZERO };
        let mut differences = compare(one, platform, &mut substitution).await;
        while !differences.is_empty() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(50)).await;
            differences = compare(one, platform, &mut substitution).await;
        }
        found.note(&one.name, differences);
        asked.push((case, one.status));
    }
}

fn tokens_in(request: &str) -> Vec<String> {
    let bearer = request.lines().filter_map(|line| line.strip_prefix("Authorization: Bearer "));
    bearer.filter(|token| forged::parts(token).is_some()).map(|token| token.trim().to_owned()).collect()
}

/// A token of today with the recorded one's claims; `None` for those that Dex gives.
fn in_place_of(platform: &Platform, token: &str, signer: &Forger, stranger: &Forger) -> Option<String> {
    let (header, claims) = forged::parts(token)?;
    let issued = claims["iat"].as_i64()?;
    let seconds = jiff::Timestamp::now().as_second() - issued;
    if claims["kubernetes.io"].is_object() {
        let asked = json!({"spec": {"audiences": claims["aud"]}});
        let made = tokens::request(platform.world(), HOME, "default-editor", asked).unwrap();
        return made["status"]["token"].as_str().map(str::to_owned);
    }
    match header["kid"].as_str()? {
        CLUSTER_KEY | "nope" => Some(signer.sign_again(token, seconds)),
        "lab-key-1" | "x" => Some(stranger.sign_again(token, seconds)),
        _ => None,
    }
}

pub fn find<'a>(objects: &'a mut [Value], kind: &str, name: &str) -> &'a mut Value {
    objects.iter_mut().find(|object| object["kind"] == kind && object["metadata"]["name"] == name).unwrap()
}

fn dex(objects: &mut [Value]) -> &mut Value {
    find(objects, "Deployment", "dex")
}

fn refresh_keys_every(objects: &mut [Value], interval: &str) {
    let container = &mut find(objects, "Deployment", "istiod")["spec"]["template"]["spec"]["containers"][0];
    let mut variables = container["env"].as_array().cloned().unwrap_or_default();
    variables.push(json!({"name": "PILOT_JWT_PUB_KEY_REFRESH_INTERVAL", "value": interval}));
    container["env"] = json!(variables);
}

/// Dex' keys come from Dex, at every listener.
fn fetch_provider_keys(objects: &mut [Value]) {
    let rule = &mut find(objects, "RequestAuthentication", "dex-jwt")["spec"]["jwtRules"][0];
    rule.as_object_mut().unwrap().remove("jwks");
}

/// The laboratory's Dex kept its records in memory: its keys are new after a restart.
pub fn keep_in_memory(objects: &mut [Value]) {
    let config = &mut find(objects, "ConfigMap", "dex")["data"]["config.yaml"];
    let text = config.as_str().unwrap().replace("{type: kubernetes, config: {inCluster: true}}", "{type: memory}");
    assert!(text.contains("type: memory"));
    *config = json!(text);
}

/// The overlay's rule with the keys of the platform's own API server.
fn trust_own_accounts(platform: &Platform) {
    let store = &platform.world().store;
    let keys = tokens::jwks(&platform.world().credentials).to_string();
    for rule in store.list("security.istio.io", "requestauthentications", Some("istio-system")) {
        let key =
            Key::new("security.istio.io", "requestauthentications", "istio-system", embedded::object::name(&rule));
        if key.name.starts_with("m2m") {
            store
                .update(&key, None, |rule| {
                    rule["spec"]["jwtRules"][0]["jwks"] = json!(keys);
                    true
                })
                .unwrap();
        }
    }
}

/// Sets Dex' replicas and waits until it answers, or no longer does.
pub async fn scale_dex(platform: &Platform, replicas: u32) {
    let key = Key::new("apps", "deployments", "auth", "dex");
    let changed = platform.world().store.update(&key, None, |dex| {
        let changes = dex["spec"]["replicas"] != json!(replicas);
        dex["spec"]["replicas"] = json!(replicas);
        changes
    });
    changed.unwrap();
    let address = super::address(platform);
    let answers = async {
        let request = "GET /dex/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        while (exchange::send(&address, request).await.status == 200) != (replicas > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(CHANGED_WITHIN, answers).await.unwrap();
}
