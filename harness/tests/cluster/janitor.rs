//! The janitor removes what a run that died left behind, once it has expired, and nothing else.

use futures::FutureExt;
use harness::engine::Environment;
use harness::own::{CHECK_LABEL, EXPIRES_ANNOTATION, NEVER, RUN_LABEL};
use kube::api::{DeleteParams, PostParams};

use super::place::{Place, everywhere, left_behind, results, suite};

const PAST: &str = "2020-01-01T00:00:00Z";
const FUTURE: &str = "2999-01-01T00:00:00Z";

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_removed_and_nothing_else() {
    everywhere(|place| expired(place).boxed()).await;
}

async fn expired(place: &Place) {
    let environment = Environment { housekeeping: true, ..place.environment() };
    let tail = environment.run_id[..8].to_owned();
    let name = |what: &str| format!("conformance-{what}-{tail}");
    let left = [
        ("expired", RUN_LABEL, Some(PAST), false),
        ("young", RUN_LABEL, Some(FUTURE), true),
        ("kept", RUN_LABEL, Some(NEVER), true),
        ("unreadable", RUN_LABEL, Some("last year"), true),
        ("unmarked", RUN_LABEL, None, true),
        ("foreign", "app", Some(PAST), true),
    ];
    let maps = place.config_maps();
    for (what, label, expires, _) in left {
        let labels = [(label, "a-run-that-died"), (CHECK_LABEL, "TST-001")];
        let annotations = expires.map(|expires| (EXPIRES_ANNOTATION, expires));
        let map = left_behind(&name(what), &labels, annotations.as_slice());
        maps.create(&PostParams::default(), &map).await.unwrap();
    }
    let ran = results(suite(&[("TST-001", |_| async { Ok(()) }.boxed())]), environment).await;
    for (what, _, _, stays) in left {
        let found = maps.get_opt(&name(what)).await.unwrap();
        assert_eq!(found.is_some(), stays, "{what}: {:?}", ran.notes);
    }
    assert!(ran.notes.iter().any(|note| note.text.contains(&name("expired"))), "{:?}", ran.notes);
    for (what, ..) in left.iter().filter(|(.., stays)| *stays) {
        maps.delete(&name(what), &DeleteParams::default()).await.unwrap();
    }
}
