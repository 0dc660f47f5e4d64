//! Every release boots: all workloads become ready, every Service that selects pods has endpoints, every certificate is
//! issued and every webhook knows its CA.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use embedded::object::{list, name, namespace, text};
use embedded::platform::{Options, Platform, Release, Start, World};
use embedded::store::Key;
use serde_json::Value;

const LONG: Duration = Duration::from_secs(20);

async fn booted(release: Release) -> (Platform, Duration) {
    let begun = Instant::now();
    let platform = Platform::start(Options { start: Start::Release(release), ..Options::default() }).await.unwrap();
    let world = platform.world().clone();
    let mut revisions = world.store.revisions();
    let settled = async {
        while !unready(&world).is_empty() {
            revisions.changed().await.unwrap();
        }
    };
    let waited = tokio::time::timeout(LONG, settled).await;
    assert!(waited.is_ok(), "{release:?}: not ready after {LONG:?}: {:#?}", unready(&world));
    (platform, begun.elapsed())
}

/// What is not as it should be once a platform is up, in words.
fn unready(world: &World) -> Vec<String> {
    let store = &world.store;
    let number = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
    let mut unready = Vec::new();
    for (plural, wanted, ready) in [
        ("deployments", "/spec/replicas", "/status/availableReplicas"),
        ("statefulsets", "/spec/replicas", "/status/readyReplicas"),
        ("daemonsets", "/status/desiredNumberScheduled", "/status/numberReady"),
    ] {
        for object in store.list("apps", plural, None) {
            let wanted = number(&object, wanted).unwrap_or(1);
            let observed = number(&object, "/status/observedGeneration");
            if number(&object, ready).unwrap_or(0) != wanted || observed != number(&object, "/metadata/generation") {
                unready.push(format!("{plural} {}/{}", namespace(&object), name(&object)));
            }
        }
    }
    for service in store.list("", "services", None) {
        let (home, name) = (namespace(&service), name(&service));
        let selects = service.pointer("/spec/selector").and_then(Value::as_object).is_some_and(|one| !one.is_empty());
        let endpoints = store.get(&Key::new("", "endpoints", home, name));
        let served = endpoints.is_some_and(|found| !list(&found, "/subsets/0/addresses").is_empty());
        if selects && !served && !is_scaled_down(world, &service) {
            unready.push(format!("service {home}/{name} has no endpoints"));
        }
        if text(&service, "/spec/clusterIP").is_empty() {
            unready.push(format!("service {home}/{name} has no address"));
        }
    }
    for (group, plural) in [("cert-manager.io", "certificates"), ("cert-manager.io", "issuers")] {
        for object in store.list(group, plural, None) {
            if text(&object, "/status/conditions/0/status") != "True" {
                unready.push(format!("{plural} {}", name(&object)));
            }
        }
    }
    for plural in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        for object in store.list("admissionregistration.k8s.io", plural, None) {
            for hook in list(&object, "/webhooks") {
                if text(hook, "/clientConfig/caBundle").is_empty() {
                    unready.push(format!("{plural} {} {} has no CA", name(&object), text(hook, "/name")));
                }
            }
        }
    }
    unready
}

fn is_scaled_down(world: &World, service: &Value) -> bool {
    world.store.list("apps", "deployments", Some(namespace(service))).iter().any(|deployment| {
        let labels = deployment.pointer("/spec/template/metadata/labels");
        let wanted = service.pointer("/spec/selector").and_then(Value::as_object);
        deployment["spec"]["replicas"] == 0
            && wanted.is_some_and(|wanted| {
                wanted.iter().all(|(key, value)| labels.and_then(|all| all.get(key)) == Some(value))
            })
    })
}

fn pods(world: &World, home: &str) -> Vec<Arc<Value>> {
    world.store.list("", "pods", Some(home))
}

fn has(pod: &Value, kind: &str, container: &str) -> bool {
    list(pod, kind).iter().any(|one| text(one, "/name") == container)
}

#[tokio::test]
async fn every_release_comes_to_rest_with_all_workloads_ready() {
    for release in [Release::V1_8_1, Release::V1_9_1, Release::V1_10_2] {
        let (platform, took) = booted(release).await;
        let world = platform.world();
        let count = world.store.list("", "pods", None).len();
        println!("{release:?}: {count} pods ready after {took:?}, {} changes", world.store.revision());
        assert!(count > 40);
        let restarts = world
            .store
            .list("", "pods", None)
            .iter()
            .any(|pod| list(pod, "/status/containerStatuses").iter().any(|status| status["restartCount"] != 0));
        assert!(!restarts, "{release:?}: containers were restarted");
    }
}

#[tokio::test]
async fn pods_of_the_mesh_have_a_sidecar_and_others_do_not() {
    for (release, place) in [(Release::V1_9_1, "/spec/containers"), (Release::V1_10_2, "/spec/initContainers")] {
        let (platform, _) = booted(release).await;
        let world = platform.world();
        let dashboard =
            pods(world, "kubeflow").into_iter().find(|pod| name(pod).starts_with("centraldashboard")).unwrap();
        assert!(has(&dashboard, place, "istio-proxy"), "{release:?}");
        let katib = pods(world, "kubeflow").into_iter().find(|pod| name(pod).starts_with("katib-controller")).unwrap();
        let none = ["/spec/containers", "/spec/initContainers"].iter().all(|kind| !has(&katib, kind, "istio-proxy"));
        assert!(none, "{release:?}: katib-controller is kept out of the mesh");
    }
}

#[tokio::test]
async fn the_default_profile_has_its_namespace_and_rights() {
    let (platform, _) = booted(Release::V1_9_1).await;
    let world = platform.world();
    let home = "kubeflow-user-example-com";
    let namespace = world.store.get(&Key::new("", "namespaces", "", home)).unwrap();
    assert_eq!(namespace["metadata"]["annotations"]["owner"], "user@example.com");
    assert_eq!(namespace["metadata"]["labels"]["istio-injection"], "enabled");
    let bindings = world.store.list("rbac.authorization.k8s.io", "rolebindings", Some(home));
    let names: Vec<&str> = bindings.iter().map(|binding| name(binding)).collect();
    assert_eq!(names, ["default-editor", "default-viewer", "namespaceAdmin"]);
    let policy = Key::new("security.istio.io", "authorizationpolicies", home, "ns-owner-access-istio");
    assert_eq!(list(&world.store.get(&policy).unwrap(), "/spec/rules").len(), 4);
}
