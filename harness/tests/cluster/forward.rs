//! A port of this machine is forwarded through the API server to the gateway's pod, also when the pod is replaced.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use harness::evidence::Recorder;
use harness::forward::Forward;
use harness::http::{Gateway, Limits, Session};
use harness::redact::Redactor;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde_json::json;

use super::place::{Place, everywhere};

const SPACE: &str = "istio-system";
const GATEWAY: &str = "istio-ingressgateway";

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_is_reached_through_a_forwarded_port() {
    everywhere(|place| forwarded(place).boxed()).await;
}

async fn forwarded(place: &Place) {
    let services: Api<Service> = Api::namespaced(place.client.clone(), SPACE);
    let stand_in = services.get_opt(GATEWAY).await.unwrap().is_none();
    if stand_in {
        make_stand_in(place).await;
    }
    pod_but(place, &[]).await;
    let forward = Forward::to_gateway(place.client.clone()).await.unwrap();
    // More at once than a port-forward has streams: each connection has one of its own.
    let answers = join_all((0..20).map(|_| status(&forward))).await;
    assert!(answers.iter().all(|status| *status == answers[0] && *status < 500), "{answers:?}");

    // The gateway of somebody's real platform is not replaced for a test.
    if stand_in || !place.real {
        let pods: Api<Pod> = Api::namespaced(place.client.clone(), SPACE);
        let before = names(&pods).await;
        for name in &before {
            pods.delete(name, &DeleteParams::default().grace_period(0)).await.unwrap();
        }
        pod_but(place, &before).await;
        assert_eq!(status(&forward).await, answers[0], "{:?}", forward.trouble());
    }
    if stand_in {
        let spaces: Api<Namespace> = Api::all(place.client.clone());
        spaces.delete(SPACE, &DeleteParams::default()).await.unwrap();
    }
}

/// The status of the gateway's answer; 0 if there is none.
async fn status(forward: &Forward) -> u16 {
    let way = Gateway::new(forward.url().clone(), Limits::default()).unwrap();
    let recorder = Recorder::new(tokio::time::Instant::now(), Redactor::new());
    let answer = Session::new(way, recorder, harness::user_agent("test", "test")).get("/").await;
    answer.map_or(0, |answer| answer.status.as_u16())
}

async fn names(pods: &Api<Pod>) -> Vec<String> {
    let list = pods.list(&ListParams::default().labels("istio=ingressgateway")).await.unwrap();
    list.items.into_iter().filter_map(|pod| pod.metadata.name).collect()
}

/// Waits until a gateway pod is ready that is none of some.
async fn pod_but(place: &Place, old: &[String]) {
    let pods: Api<Pod> = Api::namespaced(place.client.clone(), SPACE);
    let ready = async {
        loop {
            let list = pods.list(&ListParams::default().labels("istio=ingressgateway")).await.unwrap();
            if list.items.iter().any(|pod| is_ready(pod) && !names_one(old, pod)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(90), ready).await.expect("a gateway pod gets ready");
}

fn names_one(names: &[String], pod: &Pod) -> bool {
    pod.metadata.name.as_ref().is_some_and(|name| names.contains(name))
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|one| one.type_ == "Ready" && one.status == "True")
}

/// A web server in the gateway's place, for a cluster without a platform.
async fn make_stand_in(place: &Place) {
    let labels: BTreeMap<&str, &str> = [("app", GATEWAY), ("istio", "ingressgateway")].into();
    let space = json!({ "metadata": { "name": SPACE } });
    let service = json!({ "metadata": { "name": GATEWAY }, "spec": { "selector": labels,
        "ports": [{ "name": "http2", "port": 80, "targetPort": 8080 }] } });
    let serve = "mkdir /tmp/www; echo ok >/tmp/www/index.html; exec busybox httpd -f -p 8080 -h /tmp/www";
    let deployment = json!({ "metadata": { "name": GATEWAY }, "spec": { "selector": { "matchLabels": labels },
        "template": { "metadata": { "labels": labels }, "spec": { "terminationGracePeriodSeconds": 0,
            "containers": [{ "name": "istio-proxy", "image": Place::image(), "imagePullPolicy": "IfNotPresent",
                "command": ["sh", "-c", serve], "readinessProbe": { "tcpSocket": { "port": 8080 }, "periodSeconds": 1 } }] } } } });
    let create = PostParams::default();
    let spaces: Api<Namespace> = Api::all(place.client.clone());
    spaces.create(&create, &serde_json::from_value(space).unwrap()).await.unwrap();
    let services: Api<Service> = Api::namespaced(place.client.clone(), SPACE);
    services.create(&create, &serde_json::from_value(service).unwrap()).await.unwrap();
    let deployments: Api<Deployment> = Api::namespaced(place.client.clone(), SPACE);
    deployments.create(&create, &serde_json::from_value(deployment).unwrap()).await.unwrap();
}
