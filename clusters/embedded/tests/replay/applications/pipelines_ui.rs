//! The UI server of Kubeflow Pipelines: its own routes. What it passes on needs the pipelines API, its object store or
//! pods of runs.

use super::recorded::Recorded;
use super::{Application, Setup, replay};

const PIPELINES_UI: Application = Application {
    name: "kfp-ui",
    service: "ml-pipeline-ui.kubeflow.svc.cluster.local:80",
    setup,
    objects: Vec::new,
    before: |_| Vec::new(),
    comparable: |_, _| (),
};

/// Groups of cases that ask this server alone.
const OWN: [&str; 5] = ["index", "method", "misc", "refused", "header-size"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelines_ui_answers_as_recorded() {
    replay(&PIPELINES_UI, "v1.9.1").await;
}

fn setup(one: &Recorded) -> Setup {
    let path = one.path.to_ascii_lowercase();
    let passes_on = ["apis/v", "/artifacts/", "/k8s/", "/ml_metadata."].iter().any(|part| path.contains(part));
    if passes_on && !path.starts_with("/apis/v1beta1/runs") || !OWN.contains(&one.group.as_str()) {
        return Setup::LeftOut("the pipelines API, its object store and its runs are not played yet");
    }
    Setup::Usual
}
