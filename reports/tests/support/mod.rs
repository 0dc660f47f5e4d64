//! Runs to render.

#![allow(dead_code, missing_docs, clippy::unwrap_used, reason = "shared by several test programs")]

use reports::matrix::{Cell, Matrix};
use reports::model::*;

pub fn check(id: &str, level: Level, outcome: Outcome) -> Check {
    let suite = if id.starts_with("GWY") { "gateway" } else { "identity" };
    Check {
        id: id.into(),
        suite: suite.into(),
        test: format!("{suite}::{id}::probe"),
        title: format!("Requirement {id} holds"),
        level,
        source: "kubeflow/manifests v1.9.1: common/istio".into(),
        profiles: vec!["core".into()],
        after: Vec::new(),
        outcome,
        started_ms: 10,
        duration_ms: 120,
        findings: Vec::new(),
        leaked: Vec::new(),
        matrices: Vec::new(),
        evidence: Vec::new(),
        explain: Explain {
            what: "what".into(),
            why: "why".into(),
            fix: "fix".into(),
            reproduce: "curl $GATEWAY/".into(),
        },
    }
}

pub fn failure(expected: &str, actual: &str) -> Outcome {
    Outcome::Failed(Failure {
        expected: expected.into(),
        actual: actual.into(),
        at: Some("GET http://localhost:8080/debug".into()),
        cause: Some("RequestAuthentication istio-system/dex-jwt copies no claim".into()),
        fix: Some("restore outputClaimToHeaders".into()),
    })
}

pub fn run(checks: Vec<Check>) -> Results {
    Results {
        schema: SCHEMA.into(),
        run: Run {
            id: "20261125-032113-ab12".into(),
            started: "2026-11-25T03:21:13Z".into(),
            duration_ms: 4_212,
            checks_ms: 3_100,
            critical_path_ms: 2_900,
            tool_version: "0.1.0".into(),
            profiles: Vec::new(),
            shard: None,
            joined: Vec::new(),
            interrupted: false,
            recovered: false,
        },
        target: Target {
            mode: TargetMode::Simulated,
            provider: "embedded".into(),
            name: "embedded".into(),
            gateway_url: "http://127.0.0.1:8080".into(),
            kubernetes_version: Some("v1.34.1".into()),
            kubeflow_version: "1.9.1".into(),
            contract: "B".into(),
            version_from: "given".into(),
            manifests: Some(Manifests { name: "example.yaml".into(), sha256: "00".repeat(32) }),
        },
        install: Some(Install {
            objects: 569,
            duration_ms: 1_900,
            requests: 571,
            retries: 2,
            workloads: vec![Workload {
                kind: "Deployment".into(),
                namespace: "kubeflow".into(),
                name: "katib-ui".into(),
                ready: 0,
                wanted: 1,
                reason: Some("ImagePullBackOff".into()),
            }],
        }),
        checks,
        notes: Vec::new(),
    }
}

/// One failure that blocks another check, a finding, an error, and every kind of evidence.
pub fn failed() -> Results {
    let mut spoof = check(
        "IDN-004",
        Level::Must,
        failure("kubeflow-userid: user@example.com", "kubeflow-userid: mallory@example.com"),
    );
    spoof.evidence = vec![
        Event {
            at_ms: 12,
            what: EventKind::Http(HttpExchange {
                method: "GET".into(),
                url: "http://127.0.0.1:8080/debug".into(),
                request_headers: vec![("kubeflow-userid".into(), "mallory@example.com".into())],
                request_body: None,
                status: 200,
                headers: vec![("content-type".into(), "application/json".into())],
                body: "{}".into(),
                body_bytes: 2,
                duration_ms: 3,
                error: None,
                curl: "curl -H 'kubeflow-userid: mallory@example.com' http://127.0.0.1:8080/debug".into(),
            }),
        },
        Event { at_ms: 15, what: EventKind::Kubernetes { call: "GET /api".into(), status: 200, duration_ms: 1 } },
        Event {
            at_ms: 16,
            what: EventKind::Wait {
                name: "route".into(),
                attempts: 3,
                duration_ms: 9,
                reached: false,
                last: "404".into(),
            },
        },
        Event { at_ms: 30, what: EventKind::Object { action: "created".into(), object: "Pod a/b".into() } },
        Event { at_ms: 31, what: EventKind::Remark { text: "looked twice".into() } },
    ];
    spoof.leaked = vec!["Pod a/b".into()];
    spoof.matrices = vec![people(3), people(40)];
    let mut weak = check("GWY-001", Level::Must, Outcome::Passed);
    weak.findings = vec![Finding {
        severity: Severity::High,
        title: "The published password works".into(),
        detail: "Change it.".into(),
    }];
    let mut blocked = check("IDN-005", Level::Must, Outcome::Skipped(Skip::BlockedBy { id: "IDN-004".into() }));
    blocked.after = vec!["IDN-004".into()];
    let lost = check(
        "IDN-006",
        Level::Should,
        Outcome::Errored(Problem {
            class: "timeout".into(),
            message: "no answer in 20 s".into(),
            next: Some("look at the gateway's pod".into()),
        }),
    );
    let absent = check("IDN-007", Level::May, Outcome::Skipped(Skip::FeatureAbsent { feature: "katib-ui".into() }));
    let mut results = run(vec![
        weak,
        check("GWY-002", Level::Must, Outcome::Skipped(Skip::NotSelected)),
        spoof,
        blocked,
        lost,
        absent,
    ]);
    results.notes = vec![Note { topic: "restarts".into(), text: "kubeflow/ml-pipeline restarted once".into() }];
    results
}

/// People in one another's namespaces: one reaches too much, one too little, one could not be told.
pub fn people(count: usize) -> Matrix {
    let names = |before: &str, after: &str| (0..count).map(|n| format!("{before}{n:02}{after}")).collect();
    let whats = vec!["list notebooks".into(), "delete a notebook".into()];
    let seen = |layer, row, column| match (layer, row, column) {
        (1, 2, 0) => Some(true),
        (1, 1, 1) => Some(false),
        (1, 0, 2) => None,
        _ => Some(row == column),
    };
    let cell = |layer, row, column| Cell::Tried { expected: row == column, seen: seen(layer, row, column) };
    let title = format!("{count} people in one another's namespaces");
    Matrix::of(title, names("user-", "@example.com"), names("home-", ""), whats, cell)
}

/// Text that means something to every format that it could end up in.
pub const HOSTILE: &str = "</script><script>alert(1)</script>&amp;\"'`|\n# h\r\n]]>\u{1b}[31m\u{0}\u{202e}<img src=x onerror=alert(2)>{{ 7*7 }}${x}@all [l](javascript:alert(3))";

/// A run in which every text is hostile.
pub fn hostile() -> Results {
    let text = serde_json::to_value(failed()).unwrap();
    let mut hostile = text;
    poison(&mut hostile);
    serde_json::from_value(hostile).unwrap()
}

fn poison(value: &mut serde_json::Value) {
    const KEPT: [&str; 11] =
        ["schema", "status", "reason", "level", "mode", "severity", "event", "id", "after", "contract", "suite"];
    match value {
        serde_json::Value::String(text) => *text = HOSTILE.into(),
        serde_json::Value::Array(items) => items.iter_mut().for_each(poison),
        serde_json::Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                if !(value.is_string() || value.is_array()) || !KEPT.contains(&key.as_str()) {
                    poison(value);
                }
            }
        }
        _ => {}
    }
}
