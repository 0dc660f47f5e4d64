//! How fast the data suites are where Kubernetes takes its time, and how much they ask where it takes none. Nothing here
//! depends on how fast the machine is: runs are compared with each other, and questions are counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects")]
#![cfg(feature = "embedded")]

mod judged;

use reports::model::{Event, EventKind, Outcome, Results};
use serde_json::json;
use suites::SUITES;

use judged::Judged;

/// What runs, experiments and their rows are checked by.
const DATA_SUITES: &[&str] = &["pipelines", "katib", "data", "durability", "retired"];
/// Checks that do little but wait for pods of their own.
const WAIT_FOR_PODS: &[&str] = &["KFP-040", "KFP-043", "KAT-011", "KAT-032", "KAT-033"];
/// How long a pod takes to start, in milliseconds.
const POD: u64 = 250;
/// The bound on wall time over critical path, in hundredths.
const BOUND: u64 = 125;

struct Platform(Judged);

impl Platform {
    /// From now on pods take their time.
    async fn slow_down(&self) {
        let client = self.0.client();
        for (path, object) in [
            ("/api/v1/namespaces", json!({"metadata": {"name": "embedded-reference-platform"}})),
            (
                "/api/v1/namespaces/embedded-reference-platform/configmaps",
                json!({"metadata": {"name": "switches"}, "data": {"pods-start-after-milliseconds": POD.to_string()}}),
            ),
        ] {
            let request = http::Request::post(path).header("content-type", "application/json");
            client.request::<serde_json::Value>(request.body(object.to_string().into_bytes()).unwrap()).await.unwrap();
        }
    }

    /// Runs these suites or checks alone; all pass.
    fn run(&self, wanted: &[&str], options: &[&str]) -> Results {
        let mut command = self.0.command();
        command.args(["--may-restart", "embedded"]);
        let others = SUITES
            .iter()
            .flat_map(|suite| suite.checks().map(|check| (suite.name, check.id)))
            .filter(|(suite, id)| !wanted.contains(suite) && !wanted.contains(id));
        command.args(others.flat_map(|(_, id)| ["--skip", id]));
        command.args(options);
        // The platform is in this process: it needs its threads.
        let output = tokio::task::block_in_place(|| command.output().unwrap());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let results = std::fs::read(self.0.path("reports/latest/results.json")).unwrap();
        serde_json::from_slice(&results).unwrap()
    }
}

/// How many calls of the Kubernetes API a look of a wait may make on average, and the question what is wrong, for which each
/// half second is long enough.
const CALLS: (usize, usize) = (2, 14);

/// How many calls of the Kubernetes API were made in waits, and how many are enough for them.
fn calls(results: &Results) -> (usize, usize) {
    let (mut made, mut enough) = (0, 0);
    for evidence in results.checks.iter().map(|check| &check.evidence) {
        for event in evidence {
            let EventKind::Wait { attempts, duration_ms, .. } = &event.what else { continue };
            let (began, looks) = (event.at_ms - duration_ms, usize::try_from(*attempts).unwrap());
            let within = |other: &&Event| (began..=event.at_ms).contains(&other.at_ms);
            let is_call = |other: &&Event| matches!(other.what, EventKind::Kubernetes { .. });
            made += evidence.iter().filter(within).filter(is_call).count();
            enough += CALLS.0 * looks + CALLS.1 * usize::try_from(duration_ms / 500).unwrap();
        }
    }
    (made, enough)
}

/// Wall time over critical path, in hundredths.
fn pace(results: &Results) -> u64 {
    results.run.checks_ms * 100 / results.run.critical_path_ms
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_kubernetes_overlaps() {
    let platform = Platform(Judged::start().await);
    platform.slow_down().await;

    let whole = platform.run(DATA_SUITES, &[]);
    assert!(whole.checks.iter().filter(|check| check.outcome == Outcome::Passed).count() > 90);
    assert!(pace(&whole) <= BOUND, "{} ms, {} ms", whole.run.checks_ms, whole.run.critical_path_ms);
    let (made, enough) = calls(&whole);
    assert!(made <= enough, "{made} calls of the Kubernetes API in waits, {enough} are enough");

    // That the bound can be missed: one after another these take as long as all together, and each is on its own path.
    let one_by_one = platform.run(WAIT_FOR_PODS, &["--jobs", "1"]);
    assert!(pace(&one_by_one) > BOUND, "{} ms, {} ms", one_by_one.run.checks_ms, one_by_one.run.critical_path_ms);
    // A check's own time tells nothing of what it waits for within: only the comparison shows that it waits for no other.
    let side_by_side = platform.run(WAIT_FOR_PODS, &[]);
    let (slow, fast) = (one_by_one.run.checks_ms, side_by_side.run.checks_ms);
    assert!(fast >= 3 * POD, "{fast} ms: a run of a pipeline has three pods one after the other");
    assert!(fast * 3 < slow * 2, "{fast} ms side by side, {slow} ms one by one");
}
