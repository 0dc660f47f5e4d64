//! The UI server of Kubeflow Pipelines: its own routes, and what it passes on to the API server. Artifacts, pods and
//! TensorBoards need an object store, pods of runs and viewers.

use http::Method;
use serde_json::{Value, json};

use super::recorded::Recorded;
use super::{Application, Setup, replay};

const PIPELINES_UI: Application = Application {
    name: "kfp-ui",
    service: "ml-pipeline-ui.kubeflow.svc.cluster.local:80",
    setup,
    objects: Vec::new,
    before,
    comparable,
};

/// Groups of cases that ask this server, and the API server behind it.
const OWN: [&str; 8] = ["index", "method", "misc", "refused", "header-size", "api", "healthz", "report-through-ui"];
/// The experiment that the recording found in each namespace, its owner, and what it was called.
const EXPERIMENTS: [(&str, &str); 2] = [("wanda", "exp-wanda"), ("otto", "exp-otto")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelines_ui_answers_as_recorded() {
    replay(&PIPELINES_UI, "v1.9.1").await;
}

/// The recording began with an experiment in each namespace.
fn before(one: &Recorded) -> Vec<Recorded> {
    if !one.path.contains("/v2beta1/experiments") {
        return Vec::new();
    }
    let create = |(namespace, name): (&str, &str)| {
        let body = json!({"display_name": name, "namespace": namespace}).to_string();
        Recorded::lacking(&format!("{namespace}@example.com"), Method::POST, "/apis/v2beta1/experiments", &body)
    };
    // A second time each is refused, as it is there.
    EXPERIMENTS.into_iter().map(create).collect()
}

fn comparable(_: &Recorded, json: &mut Value) {
    // The laboratory's build had no version.
    for name in ["apiServerTagName", "tag_name"] {
        if json.get(name).is_some() {
            json[name] = json!("unknown");
        }
    }
}

fn setup(one: &Recorded) -> Setup {
    let path = one.path.to_ascii_lowercase();
    // What only the platform's own programs send; refused at the root by the UI server itself.
    let internal = matches!(one.group.as_str(), "refused" | "report-through-ui") && path.contains("apis/v");
    if internal && !path.starts_with("/apis/v1beta1/runs") {
        return Setup::LeftOut("calls of the persistence agent are not played as requests");
    }
    let elsewhere = ["/artifacts/", "/k8s/", "/ml_metadata.", "/_proxy/"].iter().any(|part| path.contains(part));
    if elsewhere || !OWN.contains(&one.group.as_str()) {
        return Setup::LeftOut("artifacts, pods of runs, viewers and the forward proxy are not played");
    }
    Setup::Usual
}
