//! The Kubernetes client of a check, against a scripted API server.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use harness::evidence::Recorder;
use harness::kubernetes::{Kubernetes, describe};
use harness::redact::Redactor;
use kube::api::ListParams;
use reports::model::EventKind;
use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn kubernetes(server: &MockServer) -> Kubernetes {
    Kubernetes::new(kube::Config::new(server.uri().parse().unwrap())).unwrap()
}

fn recorder() -> Recorder {
    Recorder::new(tokio::time::Instant::now(), Redactor::default())
}

fn json(status: u16, body: &serde_json::Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

fn calls(recorder: &Recorder) -> Vec<(String, u16)> {
    let call = |event| match event {
        EventKind::Kubernetes { call, status, .. } => Some((call, status)),
        _ => None,
    };
    recorder.close().evidence.into_iter().filter_map(|event| call(event.what)).collect()
}

#[tokio::test]
async fn every_call_is_evidence_and_none_is_repeated() {
    let server = MockServer::start().await;
    let agent = harness::user_agent("run-1", "GWY-001");
    let unavailable = serde_json::json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 503,
        "reason": "ServiceUnavailable", "message": "overloaded"});
    let mock = Mock::given(path("/api/v1/pods")).and(header("user-agent", agent.as_str()));
    mock.respond_with(json(503, &unavailable)).expect(1).mount(&server).await;
    let recorder = recorder();
    let client = kubernetes(&server).client(&agent, recorder.clone());
    let pods: kube::Api<k8s_openapi::api::core::v1::Pod> = kube::Api::all(client);
    let error = pods.list(&ListParams::default()).await.unwrap_err();
    assert_eq!(describe(&error), "503 ServiceUnavailable: overloaded");
    assert_eq!(calls(&recorder), [("GET /api/v1/pods?".to_owned(), 503)]);
}

#[tokio::test]
async fn a_dead_server_is_told_in_one_sentence() {
    let address = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let recorder = recorder();
    let kubernetes = Kubernetes::new(kube::Config::new(format!("http://{address}").parse().unwrap())).unwrap();
    let pods: kube::Api<k8s_openapi::api::core::v1::Pod> = kube::Api::all(kubernetes.client("test", recorder.clone()));
    let said = describe(&pods.list(&ListParams::default()).await.unwrap_err());
    assert!(said.to_lowercase().contains("connection refused") && !said.contains('\n'), "{said}");
    assert_eq!(calls(&recorder)[0].1, 0);
}

#[tokio::test]
async fn kinds_are_asked_once_and_again_when_missing() {
    let server = MockServer::start().await;
    let list = |kinds: &[&str]| {
        let resource = |kind: &&str| {
            let plural = format!("{}s", kind.to_lowercase());
            serde_json::json!({"name": plural, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get"]})
        };
        let resources: Vec<_> = kinds.iter().map(resource).collect();
        serde_json::json!({"kind": "APIResourceList", "groupVersion": "kubeflow.org/v1", "resources": resources})
    };
    let at = "/apis/kubeflow.org/v1";
    Mock::given(path(at)).respond_with(json(200, &list(&["Notebook"]))).up_to_n_times(1).mount(&server).await;
    Mock::given(path(at)).respond_with(json(200, &list(&["Notebook", "Profile"]))).expect(1).mount(&server).await;
    let kubernetes = kubernetes(&server);
    for _ in 0..3 {
        let served = kubernetes.find("kubeflow.org/v1", "Notebook").await.unwrap().unwrap();
        assert_eq!((served.resource.plural.as_str(), served.namespaced), ("notebooks", true));
    }
    assert!(kubernetes.find("kubeflow.org/v1", "Profile").await.unwrap().is_some());
    assert!(kubernetes.find("kubeflow.org/v1", "Profile").await.unwrap().is_some());
    assert!(kubernetes.find("nowhere.org/v1", "Nothing").await.unwrap().is_none());
}
