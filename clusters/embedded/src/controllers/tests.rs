//! The controllers together, on a store without an API.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{bootstrap, settle};
use crate::access::credentials::Credentials;
use crate::kubelet::lifecycle::is_ready;
use crate::object::{list, name, text};
use crate::platform::{Memory, World};
use crate::store::{Key, Store};

fn world() -> Arc<World> {
    let world = Arc::new(World {
        store: Store::default(),
        credentials: Credentials::generate().unwrap(),
        memory: Memory::default(),
        gateway_delay: std::time::Duration::ZERO,
    });
    bootstrap::load(&world);
    settle(&world);
    world
}

fn deployment(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "x"}},
            "template": {
                "metadata": {"labels": {"app": "x"}},
                "spec": {"containers": [{"name": "main", "image": image, "ports": [{"name": "web", "containerPort": 8080}]}]},
            },
        },
    })
}

fn deployments() -> Key {
    Key::new("apps", "deployments", "default", "x")
}

fn pods(world: &World) -> Vec<Arc<Value>> {
    world.store.list("", "pods", Some("default"))
}

fn condition<'a>(object: &'a Value, kind: &str) -> (&'a str, &'a str) {
    list(object, "/status/conditions")
        .iter()
        .find(|condition| text(condition, "/type") == kind)
        .map(|condition| (text(condition, "/status"), text(condition, "/reason")))
        .unwrap_or_default()
}

#[test]
fn a_deployment_becomes_ready_pods_and_its_service_gets_endpoints() {
    let world = world();
    let service =
        json!({"spec": {"selector": {"app": "x"}, "ports": [{"name": "http", "port": 80, "targetPort": "web"}]}});
    world.store.create(&Key::new("", "services", "default", "x"), service).unwrap();
    world.store.create(&deployments(), deployment("a/b:1")).unwrap();
    settle(&world);
    let pods = pods(&world);
    assert_eq!(pods.len(), 2);
    assert!(pods.iter().all(|pod| is_ready(pod) && text(pod, "/status/phase") == "Running"));
    assert_ne!(text(&pods[0], "/status/podIP"), text(&pods[1], "/status/podIP"));
    let deployment = world.store.get(&deployments()).unwrap();
    assert_eq!(deployment["status"]["availableReplicas"], 2);
    assert_eq!(deployment["status"]["observedGeneration"], deployment["metadata"]["generation"]);
    assert_eq!(condition(&deployment, "Available"), ("True", "MinimumReplicasAvailable"));
    assert_eq!(condition(&deployment, "Progressing"), ("True", "NewReplicaSetAvailable"));
    let endpoints = world.store.get(&Key::new("", "endpoints", "default", "x")).unwrap();
    assert_eq!(list(&endpoints, "/subsets/0/addresses").len(), 2);
    assert_eq!(endpoints["subsets"][0]["ports"][0]["port"], 8080);
    assert!(
        text(&world.store.get(&Key::new("", "services", "default", "x")).unwrap(), "/spec/clusterIP")
            .starts_with("10.96.")
    );
}

#[test]
fn a_new_template_rolls_over_and_a_broken_one_leaves_the_old_pods() {
    let world = world();
    world.store.create(&deployments(), deployment("a/b:1")).unwrap();
    settle(&world);
    let image = |image: &str| {
        let image = image.to_owned();
        world.store.update(&deployments(), None, |object| {
            object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
            true
        })
    };
    image("a/b:2").unwrap();
    settle(&world);
    assert!(pods(&world).iter().all(|pod| text(pod, "/spec/containers/0/image") == "a/b:2"));
    assert_eq!(pods(&world).len(), 2);
    image("registry.invalid/b:3").unwrap();
    settle(&world);
    let ready = pods(&world).iter().filter(|pod| is_ready(pod)).count();
    assert_eq!((ready, pods(&world).len()), (2, 3));
    let stuck = pods(&world).into_iter().find(|pod| !is_ready(pod)).unwrap();
    assert_eq!(text(&stuck, "/status/containerStatuses/0/state/waiting/reason"), "ImagePullBackOff");
    assert_eq!(text(&stuck, "/status/phase"), "Pending");
    let deployment = world.store.get(&deployments()).unwrap();
    assert_eq!(condition(&deployment, "Progressing"), ("True", "ReplicaSetUpdated"));
    assert_eq!(condition(&deployment, "Available"), ("True", "MinimumReplicasAvailable"));
    assert_eq!(deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
}

#[test]
fn a_pod_waits_for_its_configuration_and_says_so() {
    let world = world();
    let mut object = deployment("a/b:1");
    object["spec"]["replicas"] = json!(1);
    object["spec"]["template"]["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "late"}}]);
    world.store.create(&deployments(), object).unwrap();
    settle(&world);
    let waiting = |world: &World| text(&pods(world)[0], "/status/containerStatuses/0/state/waiting/reason").to_owned();
    assert_eq!(waiting(&world), "CreateContainerConfigError");
    let events = world.store.list("", "events", Some("default"));
    assert!(events.iter().any(|event| text(event, "/message") == "Error: configmap \"late\" not found"));
    world.store.create(&Key::new("", "configmaps", "default", "late"), json!({"data": {}})).unwrap();
    settle(&world);
    assert!(is_ready(&pods(&world)[0]));
}

#[test]
fn a_missing_service_account_keeps_pods_from_being_made() {
    let world = world();
    let mut object = deployment("a/b:1");
    object["spec"]["template"]["spec"]["serviceAccountName"] = json!("nobody");
    world.store.create(&deployments(), object).unwrap();
    settle(&world);
    assert!(pods(&world).is_empty());
    assert_eq!(condition(&world.store.get(&deployments()).unwrap(), "ReplicaFailure"), ("True", "FailedCreate"));
}

#[test]
fn a_namespace_ends_after_its_content() {
    let world = world();
    world.store.create(&Key::new("", "namespaces", "", "a"), json!({})).unwrap();
    settle(&world);
    let held = Key::new("", "configmaps", "a", "held");
    world.store.create(&held, json!({"metadata": {"finalizers": ["x/y"]}})).unwrap();
    assert!(!world.store.delete(&Key::new("", "namespaces", "", "a")).unwrap().1);
    settle(&world);
    let namespace = world.store.get(&Key::new("", "namespaces", "", "a")).unwrap();
    assert_eq!(text(&namespace, "/status/phase"), "Terminating");
    assert_eq!(condition(&namespace, "NamespaceFinalizersRemaining"), ("True", "SomeFinalizersRemain"));
    assert!(world.store.list("", "serviceaccounts", Some("a")).is_empty());
    world
        .store
        .update(&held, None, |object| object["metadata"].as_object_mut().unwrap().remove("finalizers").is_some())
        .unwrap();
    settle(&world);
    assert!(world.store.get(&Key::new("", "namespaces", "", "a")).is_none());
}

#[test]
fn aggregated_roles_collect_their_rules() {
    let world = world();
    let role = |name: &str| world.store.get(&Key::new("rbac.authorization.k8s.io", "clusterroles", "", name)).unwrap();
    let has = |role: &Value, resource: &str| role["rules"].to_string().contains(&format!("\"{resource}\""));
    assert!(has(&role("view"), "endpoints") && !has(&role("view"), "secrets"));
    assert!(has(&role("edit"), "endpoints") && has(&role("edit"), "secrets"));
    assert!(has(&role("admin"), "rolebindings") && has(&role("admin"), "secrets"));
    let names: Vec<_> = world.store.list("", "namespaces", None).iter().map(|one| name(one).to_owned()).collect();
    assert_eq!(names, ["default", "kube-node-lease", "kube-public", "kube-system"]);
}

#[test]
fn services_that_are_not_stored_yet_get_addresses_and_ports_of_their_own() {
    let world = world();
    let offered = || {
        let mut service = json!({"spec": {"type": "NodePort", "ports": [{"port": 80}, {"port": 81}]}});
        super::services::allocate(&world, &mut service);
        service
    };
    let (one, other) = (offered(), offered());
    assert_ne!(text(&one, "/spec/clusterIP"), text(&other, "/spec/clusterIP"));
    let ports = |service: &Value| [0, 1].map(|index| service["spec"]["ports"][index]["nodePort"].as_u64().unwrap());
    let all: std::collections::BTreeSet<u64> = ports(&one).into_iter().chain(ports(&other)).collect();
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|port| (30_000..=32_767).contains(port)));
}
