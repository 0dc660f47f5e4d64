//! Stores that are slow, or used in a way of the site's own: what is right all the same is no fault.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use reports::model::Outcome;
use serde_json::json;

use crate::own_platform::Platform;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_half_a_second_for_each_call_raises_no_alarm() {
    let platform = Platform::start().await;
    let deployments: Api<Deployment> = Api::namespaced(platform.client.clone(), "kubeflow");
    let slow = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "mysql", "resources": {"limits": {"cpu": "100m"}}},
    ]}}}});
    deployments.patch("mysql", &PatchParams::default(), &Patch::Strategic(slow)).await.unwrap();
    let ran = platform.judged("", "pipelines::KFP-04");
    assert_eq!(ran.code, 0, "{ran:#?}");
    let results = ran.results();
    let passed = |id: &str| {
        let found = results.checks.iter().find(|check| check.id == id).unwrap();
        assert!(matches!(found.outcome, Outcome::Passed), "{id}: {:?}", found.outcome);
        found.duration_ms
    };
    for id in ["KFP-040", "KFP-041", "KFP-042", "KFP-043", "KFP-044", "KFP-045", "KFP-046", "KFP-047", "KFP-048"] {
        let took = passed(id);
        assert!(took >= 400 || id == "KFP-041", "{id} took {took} ms: nothing was slow");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_found_where_the_site_keeps_them() {
    let platform = Platform::start().await;
    let maps: Api<ConfigMap> = Api::namespaced(platform.client.clone(), "kubeflow");
    let change = |format: &str| {
        let repository = format!(
            "archiveLogs: true\ns3:\n  endpoint: minio-service.kubeflow:9000\n  bucket: mlpipeline\n  insecure: true\n  \
             keyFormat: {format:?}\n"
        );
        Patch::Merge(json!({"data": {"artifactRepository": repository}}))
    };
    for (format, code, word) in [
        ("private-artifacts/{{workflow.namespace}}/{{workflow.name}}/{{pod.name}}", 0, ""),
        ("{{workflow.parameters.team}}/{{pod.name}}", 6, "does not know {{workflow.parameters.team}}"),
    ] {
        maps.patch("workflow-controller-configmap", &PatchParams::default(), &change(format)).await.unwrap();
        let ran = platform.judged("", "DAT-024");
        assert_eq!(ran.code, code, "{ran:#?}");
        assert!(ran.stdout.contains(word), "{ran:#?}");
    }
}
