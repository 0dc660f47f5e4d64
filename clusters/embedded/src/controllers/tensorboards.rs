//! Kubeflow's tensorboard-controller: a Deployment, a Service and a route for each Tensorboard
//! (`components/tensorboard-controller/controllers/tensorboard_controller.go`, kubeflow v1.8.0 to v1.10.0; checked against
//! what the real controller was seen to do).
//!
//! As there, nothing is made, and no status says so, for logs on a claim that does not exist. Where pods are put for a
//! claim that one node has is not played.

use serde_json::{Value, json};

use super::children::{self, Owner, ROUTES, Settings};
use super::operators;
use super::owned::{is_leaving, key_of, write_status};
use super::reconciler::{Controller, Next};
use crate::kubelet::environment;
use crate::object::{list, namespace, text};
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "tensorboard-controller", concerns, reconcile };

const GROUP: &str = "tensorboard.kubeflow.org";
const IMAGES: &[&str] = &["tensorboard-controller"];
const IMAGE: &str = "tensorflow/tensorflow:2.5.1";
/// The claim that a path without a scheme means.
const CLAIM: &str = "tb-volume";

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    if operators::begins(change, IMAGES) {
        return operators::all(world, GROUP, "tensorboards");
    }
    match (change.key.group.as_str(), change.key.plural.as_str()) {
        (GROUP, "tensorboards") => vec![change.key.clone()],
        ("apps", "deployments") | ("", "services") | (ROUTES, "virtualservices") => {
            children::owners(change, "Tensorboard", GROUP, "tensorboards")
        }
        // Tensorboards may wait for it.
        ("", "persistentvolumeclaims") => {
            let home = world.store.list(GROUP, "tensorboards", Some(&change.key.namespace));
            home.iter().map(|tensorboard| key_of(GROUP, "tensorboards", tensorboard)).collect()
        }
        _ => Vec::new(),
    }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(tensorboard) = world.store.get(key) else { return Next::Wait };
    let Some(pod) = operators::running(world, IMAGES) else { return Next::Wait };
    if is_leaving(&tensorboard) {
        return Next::Wait;
    }
    let container = operators::container(&pod, IMAGES).map(|container| text(container, "/name")).unwrap_or_default();
    let variables = environment::variables(&world.store, &pod, container);
    let settings = Settings::of(&variables);
    let image = variables.get("TENSORBOARD_IMAGE").map_or(IMAGE, String::as_str);
    let Some(pod) = pod_of(world, &tensorboard, image) else { return Next::Wait };
    let owner = Owner { object: &tensorboard, api_version: "tensorboard.kubeflow.org/v1alpha1", kind: "Tensorboard" };
    let mut labels = tensorboard["metadata"].get("labels").cloned().unwrap_or_else(|| json!({}));
    labels["app"] = json!(key.name);
    let spec = json!({
        "replicas": 1, "selector": {"matchLabels": {"app": key.name}},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    });
    owner.workload(world, "Deployment", "deployments", &key.name, spec);
    if children::serves(&tensorboard, "http-".len()) {
        owner.service(world, &key.name, &format!("http-{}", key.name), &json!(6006), json!({"app": key.name}));
        let http = json!({
            "match": [{"uri": {"prefix": format!("/tensorboard/{}/{}/", key.namespace, key.name)}}],
            "rewrite": {"uri": "/"}, "route": settings.destination(&tensorboard, &key.name), "timeout": "300s",
        });
        owner.route(world, &key.name, "networking.istio.io/v1beta1", &settings, http);
    }
    status(world, key, &tensorboard);
    Next::Wait
}

/// The pod that shows the logs, or nothing while the claim that they are on is not there.
fn pod_of(world: &World, tensorboard: &Value, image: &str) -> Option<Value> {
    let path = text(tensorboard, "/spec/logspath");
    let claim = |claim: &str, within: &str| {
        world.store.get(&Key::new("", "persistentvolumeclaims", namespace(tensorboard), claim))?;
        let mut mount = json!({"name": "tbpd", "mountPath": "/tensorboard_logs/", "readOnly": true});
        if !within.is_empty() {
            mount["subPath"] = json!(within);
        }
        let volume = json!({"name": "tbpd", "persistentVolumeClaim": {"claimName": claim}});
        Some(("/tensorboard_logs/".to_owned(), vec![volume], vec![mount]))
    };
    let (logs, volumes, mounts) = match path.split_once("://") {
        Some(("pvc", place)) => {
            let (name, within) = place.split_once('/').unwrap_or((place, ""));
            claim(name, within)?
        }
        Some(("gs", _)) => {
            let volume = json!({"name": "gcp-creds", "secret": {"secretName": "user-gcp-sa"}});
            (
                path.to_owned(),
                vec![volume],
                vec![json!({"name": "gcp-creds", "mountPath": "/secret/gcp", "readOnly": true})],
            )
        }
        Some(_) => (path.to_owned(), Vec::new(), Vec::new()),
        None => claim(CLAIM, path.trim_start_matches('/'))?,
    };
    let mut pod = json!({
        "affinity": {},
        "containers": [{
            "name": "tensorboard", "image": image, "imagePullPolicy": "IfNotPresent", "workingDir": "/",
            "command": ["/usr/local/bin/tensorboard"], "args": [format!("--logdir={logs}"), "--bind_all"],
            "ports": [{"containerPort": 6006, "protocol": "TCP"}],
        }],
    });
    if !volumes.is_empty() {
        pod["volumes"] = json!(volumes);
        pod["containers"][0]["volumeMounts"] = json!(mounts);
    }
    Some(pod)
}

/// Copies what the Deployment says; a state is added when it differs from the last.
fn status(world: &World, key: &Key, tensorboard: &Value) {
    let Some(deployment) = world.store.get(&Key::new("apps", "deployments", &key.namespace, &key.name)) else { return };
    let mut conditions = list(tensorboard, "/status/conditions").to_vec();
    if let Some(newest) = list(&deployment, "/status/conditions").first() {
        let state = text(newest, "/type");
        if conditions.last().is_none_or(|last| text(last, "/deploymentState") != state) {
            conditions.push(json!({"deploymentState": state, "lastProbeTime": crate::store::now()}));
        }
    }
    let ready = deployment.pointer("/status/readyReplicas").cloned().unwrap_or_else(|| json!(0));
    write_status(world, key, json!({"conditions": conditions, "readyReplicas": ready}));
}
