//! Kubeflow's pvcviewer-controller: a Deployment, a Service and a route for each PVCViewer, which let its owner browse a
//! volume (`components/pvcviewer-controller/controllers/pvcviewer_controller.go`, kubeflow v1.8.0 to v1.10.0).

use serde_json::{Value, json};

use super::children::{self, Owner, ROUTES, Settings};
use super::operators;
use super::owned::{is_leaving, write_status};
use super::reconciler::{Controller, Next};
use crate::kubelet::environment;
use crate::object::text;
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "pvcviewer-controller", concerns, reconcile };

const GROUP: &str = "kubeflow.org";
const IMAGES: &[&str] = &["pvcviewer-controller"];

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    if operators::begins(change, IMAGES) {
        return operators::all(world, GROUP, "pvcviewers");
    }
    match (change.key.group.as_str(), change.key.plural.as_str()) {
        (GROUP, "pvcviewers") => vec![change.key.clone()],
        ("apps", "deployments") | ("", "services") | (ROUTES, "virtualservices") => {
            children::owners(change, "PVCViewer", GROUP, "pvcviewers")
        }
        _ => Vec::new(),
    }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(viewer) = world.store.get(key) else { return Next::Wait };
    let Some(pod) = operators::running(world, IMAGES) else { return Next::Wait };
    if is_leaving(&viewer) {
        return Next::Wait;
    }
    let container = operators::container(&pod, IMAGES).map(|container| text(container, "/name")).unwrap_or_default();
    let settings = Settings::of(&environment::variables(&world.store, &pod, container));
    let owner = Owner { object: &viewer, api_version: "kubeflow.org/v1alpha1", kind: "PVCViewer" };
    let child = format!("pvcviewer-{}", key.name);
    let labels = json!({
        "app.kubernetes.io/name": key.name, "app.kubernetes.io/instance": child, "app.kubernetes.io/part-of": "pvcviewer",
    });
    let spec = json!({
        "replicas": 1, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": viewer["spec"]["podSpec"]},
    });
    owner.workload(world, "Deployment", "deployments", &child, spec);
    let networking = &viewer["spec"]["networking"];
    let prefix = format!("{}/{}/{}/", text(networking, "/basePrefix"), key.namespace, key.name);
    if networking.is_object() && children::serves(&viewer, "pvcviewer-".len()) {
        owner.service(world, &child, "http", &networking["targetPort"], labels);
        let rewrite = match text(networking, "/rewrite") {
            "" => prefix.as_str(),
            rewrite => rewrite,
        };
        let mut http = json!({
            "match": [{"uri": {"prefix": prefix}}], "rewrite": {"uri": rewrite},
            "route": settings.destination(&viewer, &child),
        });
        if !text(networking, "/timeout").is_empty() {
            http["timeout"] = networking["timeout"].clone();
        }
        owner.route(world, &child, "networking.istio.io/v1beta1", &settings, http);
    }
    let deployment = world.store.get(&Key::new("apps", "deployments", &key.namespace, &child));
    let ready = deployment.and_then(|found| found.pointer("/status/readyReplicas").and_then(Value::as_u64));
    let mut status = json!({"ready": ready.unwrap_or_default() > 0});
    if networking.is_object() {
        status["url"] = json!(prefix);
    }
    write_status(world, key, status);
    Next::Wait
}
