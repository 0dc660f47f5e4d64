//! What checks create carries their label and is gone after the run, however they ended.

use std::time::Duration;

use futures::FutureExt;
use harness::engine::Environment;
use harness::own::{CHECK_LABEL, EXPIRES_ANNOTATION, NEVER};
use harness::{Ctx, Level, Seconds, Stop, check};
use kube::api::{DeleteParams, Patch, PatchParams};
use reports::model::{EventKind, Outcome, Skip};
use serde_json::json;

use super::place::{Place, entry, everywhere, object, results, suite, suite_of};

/// A name that no other run has.
fn unique(cx: &Ctx, what: &str) -> String {
    format!("conformance-{what}-{}", &cx.environment().run_id[..8])
}

async fn config_map(cx: &Ctx, what: &str) -> Result<(), Stop> {
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": unique(cx, what), "namespace": "default" }, "data": { "a": "b" } });
    let created = cx.own(object(map)).await?;
    assert_eq!(created.metadata.labels.unwrap()[CHECK_LABEL], cx.check().id);
    Ok(())
}

/// A namespace with objects in it, made in order and removed in reverse.
async fn name_space(cx: &Ctx) -> Result<(), Stop> {
    let space = unique(cx, "space");
    cx.own(object(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": space } }))).await?;
    for (api_version, kind, rest) in [
        ("v1", "ServiceAccount", json!({})),
        ("v1", "Secret", json!({ "stringData": { "a": "b" } })),
        ("v1", "Service", json!({ "spec": { "ports": [{ "port": 80 }], "selector": { "app": "none" } } })),
        ("rbac.authorization.k8s.io/v1", "Role", json!({ "rules": [] })),
    ] {
        let mut content = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "generateName": "a-", "namespace": space } });
        content.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let created = cx.own(object(content)).await?;
        assert!(created.metadata.name.unwrap().starts_with("a-"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_checks_create_is_gone_however_they_end() {
    everywhere(|place| however_they_end(place).boxed()).await;
}

async fn however_they_end(place: &Place) {
    let source = harness::check::source("tests", "here");
    let late = check("TST-005", "It works", Level::Must, source, |cx| {
        Box::pin(async {
            config_map(cx, "late").await?;
            std::future::pending().await
        })
    });
    let mut checks: Vec<harness::Check> = [
        check("TST-001", "It works", Level::Must, source, |cx| Box::pin(config_map(cx, "passes"))),
        check("TST-002", "It works", Level::Must, source, |cx| Box::pin(name_space(cx))),
        check("TST-003", "It works", Level::Must, source, |cx| {
            Box::pin(async {
                config_map(cx, "fails").await?;
                Err(Stop::failed("white", "black"))
            })
        }),
        check("TST-004", "It works", Level::Must, source, |cx| {
            Box::pin(async {
                config_map(cx, "panics").await?;
                panic!("the sky fell")
            })
        }),
    ]
    .map(|check| check.within(Seconds(60)))
    .into();
    checks.push(late.within(Seconds(3)));
    let environment = place.environment();
    let run_id = environment.run_id.clone();
    let results = results(suite_of(checks), environment).await;
    let outcome = |id: &str| &entry(&results, id).outcome;
    assert_eq!((outcome("TST-001"), outcome("TST-002")), (&Outcome::Passed, &Outcome::Passed));
    assert!(matches!(outcome("TST-003"), Outcome::Failed(_)), "{:?}", outcome("TST-003"));
    for (id, class) in [("TST-004", "panic"), ("TST-005", "timeout")] {
        assert!(matches!(outcome(id), Outcome::Errored(problem) if problem.class == class), "{:?}", outcome(id));
    }
    for check in &results.checks {
        assert_eq!(check.leaked, Vec::<String>::new(), "{}", check.id);
        let count = |wanted: &str| {
            let events = check.evidence.iter();
            events.filter(|event| matches!(&event.what, EventKind::Object { action, .. } if action == wanted)).count()
        };
        let made = if check.id == "TST-002" { 5 } else { 1 };
        assert_eq!((count("created"), count("removed")), (made, made), "{}", check.id);
    }
    assert_eq!(place.objects_of(&run_id).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_removes_what_its_check_could_not() {
    everywhere(|place| swept(place).boxed()).await;
}

/// Longer than a check's own clean-up may take, shorter than the sweep.
const CLINGS: Duration = Duration::from_secs(22);

async fn swept(place: &Place) {
    let clinging = suite(&[("TST-001", |cx| {
        Box::pin(async {
            let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "namespace": "default",
                "name": unique(cx, "clings"), "finalizers": ["example.org/clings"] } });
            cx.own(object(map)).await.map(drop)
        })
    })]);
    let environment = place.environment();
    let run_id = environment.run_id.clone();
    let name = format!("conformance-clings-{}", &run_id[..8]);
    let let_go = async {
        tokio::time::sleep(CLINGS).await;
        let patch = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
        place.config_maps().patch(&name, &PatchParams::default(), &patch).await.unwrap();
    };
    let (ran, ()) = tokio::join!(results(clinging, environment), let_go);
    let check = entry(&ran, "TST-001");
    let leaked =
        |event: &reports::model::Event| matches!(&event.what, EventKind::Object { action, .. } if action == "leaked");
    assert!(check.evidence.iter().any(leaked), "{:?}", check.evidence);
    assert_eq!(check.leaked, Vec::<String>::new(), "it is gone after all");
    let swept = format!("the sweep removed ConfigMap default/{name}");
    assert!(ran.notes.iter().any(|note| note.text.contains(&swept)), "{:?}", ran.notes);
    assert_eq!(place.objects_of(&run_id).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_kept_stays_and_never_expires() {
    everywhere(|place| kept(place).boxed()).await;
}

async fn kept(place: &Place) {
    let keeping = suite(&[("TST-001", |cx| Box::pin(config_map(cx, "kept")))]);
    let environment = Environment { keep: true, ..place.environment() };
    let run_id = environment.run_id.clone();
    let ran = results(keeping, environment).await;
    assert_eq!(entry(&ran, "TST-001").outcome, Outcome::Passed);
    let name = format!("conformance-kept-{}", &run_id[..8]);
    let kept = place.config_maps().get(&name).await.unwrap();
    assert_eq!(kept.metadata.annotations.unwrap()[EXPIRES_ANNOTATION], NEVER);
    place.config_maps().delete(&name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_run_creates_nothing() {
    everywhere(|place| read_only(place).boxed()).await;
}

async fn read_only(place: &Place) {
    let source = harness::check::source("tests", "here");
    let run: harness::check::Run = |cx| Box::pin(config_map(cx, "forbidden"));
    let checks = vec![
        check("TST-001", "It says that it writes", Level::Must, source, run).writes(),
        check("TST-002", "It does not say so", Level::Must, source, run),
        check("TST-003", "It reads", Level::Must, source, |cx| {
            Box::pin(async {
                let api = cx.objects("v1", "Namespace", "").await?;
                api.get("kube-system").await?;
                Ok(())
            })
        }),
    ];
    let environment = Environment { read_only: true, housekeeping: true, ..place.environment() };
    let run_id = environment.run_id.clone();
    let ran = results(suite_of(checks), environment).await;
    for id in ["TST-001", "TST-002"] {
        assert_eq!(entry(&ran, id).outcome, Outcome::Skipped(Skip::ReadOnly), "{id}");
    }
    assert_eq!(entry(&ran, "TST-003").outcome, Outcome::Passed);
    assert_eq!(place.objects_of(&run_id).await, Vec::<String>::new());
}
