//! Recordings of special situations in contract A: sessions and tokens that expire, authservice and Dex that restart or
//! come late. Times that only had to pass are shortened.

use std::collections::HashMap;
use std::time::Duration;

use embedded::recorded::{Listener, TrustedKeys, objects};
use embedded::store::Key;
use embedded::{Platform, Release};
use serde_json::json;

use super::situations::{CHANGED_WITHIN, find, keep_in_memory, scale_dex};
use super::substitution::Substitution;
use super::{accounts, address, client_secret, compare, exchange, recording, start};
use crate::fidelity::{self, Found};
use crate::recordings;

/// How long sessions and ID tokens live in these set-ups, and a little more.
const EXPIRED_AFTER: Duration = Duration::from_millis(4200);
const FAILED_LOGIN: &str = "the laboratory's login failed; it was recorded again with tokens that live longer";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn special_situations_of_contract_a_are_as_recorded() {
    let mut found = Found::default();
    let mut played = 0;
    for name in ["shorttoken", "restart-expiry", "expired-session", "h2c"] {
        let Some(file) = recordings::file(&format!("gateway-1.8.1-{name}")) else { continue };
        played += 1;
        let mut platforms: HashMap<String, Platform> = HashMap::new();
        let mut substitution = Substitution::default();
        client_secret(&mut substitution);
        let mut begun = Vec::new();
        for one in recording::read(&file, &mut found) {
            let case = one.name.split_once('/').map_or("", |(_, case)| case).to_owned();
            if let Some(reason) = left_out(name, &one.name, &one.request) {
                found.leave_out(reason);
                continue;
            }
            if begun.contains(&(case.clone(), one.status)) && case.starts_with("poll") {
                found.leave_out("the same was asked again until the answer changed");
                continue;
            }
            if !platforms.contains_key(&one.listener) {
                let platform = set_up(&one.listener).await;
                accounts(&platform, &mut substitution);
                platforms.insert(one.listener.clone(), platform);
            }
            let platform = &platforms[&one.listener];
            prepare(platform, &case, one.status, &begun).await;
            let until = tokio::time::Instant::now() + patience(&case, one.status);
            let mut differences = compare(&one, platform, &mut substitution).await;
            while !differences.is_empty() && tokio::time::Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(100)).await;
                differences = compare(&one, platform, &mut substitution).await;
            }
            found.note(&one.name, differences);
            begun.push((case, one.status));
        }
    }
    if played == 4 {
        fidelity::judge("gateway-situations", "v1.8.1", &found);
    }
}

fn left_out(recording: &str, name: &str, request: &str) -> Option<&'static str> {
    if recording == "restart-expiry" && name.starts_with("shorttok/") {
        return Some(FAILED_LOGIN);
    }
    request.contains("<k8s-sa-token:short").then_some("no token of an account lives less than ten minutes here")
}

fn patience(case: &str, status: u64) -> Duration {
    if case.starts_with("poll") && status != 403 { CHANGED_WITHIN } else { Duration::ZERO }
}

/// A platform as the listener of that name was set up.
async fn set_up(name: &str) -> Platform {
    let (parameter, listener) = match name {
        "short" => (Some(("SESSION_MAX_AGE", "3")), Listener::Main),
        "strict" => (Some(("STRICT_SESSION_VALIDATION", "true")), Listener::ShortToken),
        "shorttok" => (None, Listener::ShortToken),
        _ => (None, Listener::Main),
    };
    let mut all = objects(listener, Release::V1_8_1, &TrustedKeys::default()).unwrap();
    keep_in_memory(&mut all);
    if let Some((parameter, value)) = parameter {
        find(&mut all, "ConfigMap", "oidc-authservice-parameters")["data"][parameter] = json!(value);
    }
    start(listener, all).await
}

/// What happened before a case.
async fn prepare(platform: &Platform, case: &str, status: u64, begun: &[(String, u64)]) {
    let is_first = |start: &str| case.starts_with(start) && !begun.iter().any(|(case, _)| case.starts_with(start));
    if case.ends_with("expired cookie") || case == "ID token expired 1 s ago" {
        tokio::time::sleep(EXPIRED_AFTER).await;
    } else if is_first("authservice gone") {
        scale_authservice(platform, 0).await;
    } else if is_first("session after restart") {
        scale_authservice(platform, 1).await;
    } else if is_first("Dex down") {
        scale_dex(platform, 0).await;
    } else if is_first("Dex back") {
        scale_dex(platform, 1).await;
    } else if is_first("authservice up before Dex") {
        scale_dex(platform, 0).await;
        scale_authservice(platform, 0).await;
        scale_authservice(platform, 1).await;
    } else if case.starts_with("poll") && status != 403 {
        scale_dex(platform, 1).await;
    }
}

/// Sets authservice's replicas and waits until it answers, as it does to every OPTIONS, or no longer does.
async fn scale_authservice(platform: &Platform, replicas: u32) {
    let key = Key::new("apps", "statefulsets", "istio-system", "oidc-authservice");
    let changed = platform.world().store.update(&key, None, |set| {
        set["spec"]["replicas"] = json!(replicas);
        true
    });
    changed.unwrap();
    let address = address(platform);
    let answers = async {
        let request = "OPTIONS / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        while (exchange::send(&address, request).await.status == 403) != (replicas == 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(CHANGED_WITHIN, answers).await.unwrap();
}
