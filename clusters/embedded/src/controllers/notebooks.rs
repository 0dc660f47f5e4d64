//! Kubeflow's notebook-controller: a StatefulSet of one pod, a Service and a route for each Notebook, and a status that
//! mirrors the pod (`components/notebook-controller/controllers/notebook_controller.go`, kubeflow v1.8.0 to v1.10.0;
//! checked against what the real controller was seen to do). The culler that runs beside it is a controller of its own.

use serde_json::{Value, json};

use super::children::{self, Owner, ROUTES, Settings};
use super::events::{Severity, record};
use super::operators;
use super::owned::{is_leaving, write_status};
use super::reconciler::{Controller, Next};
use crate::kubelet::environment;
use crate::object::{label, list, name, namespace, text};
use crate::platform::World;
use crate::store::{Change, ChangeKind, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "notebook-controller", concerns, reconcile };

const GROUP: &str = "kubeflow.org";
pub(super) const IMAGES: &[&str] = &["notebook-controller"];
pub(super) const STOPPED: &str = "kubeflow-resource-stopped";
const REWRITE: &str = "notebooks.kubeflow.org/http-rewrite-uri";
const HEADERS: &str = "notebooks.kubeflow.org/http-headers-request-set";

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    if operators::begins(change, IMAGES) {
        return operators::all(world, GROUP, "notebooks");
    }
    match (change.key.group.as_str(), change.key.plural.as_str()) {
        (GROUP, "notebooks") => vec![change.key.clone()],
        ("apps", "statefulsets") | ("", "services") | (ROUTES, "virtualservices") => {
            children::owners(change, "Notebook", GROUP, "notebooks")
        }
        ("", "pods") => of_label(&change.object).into_iter().collect(),
        ("", "events") if change.kind != ChangeKind::Deleted => vec![change.key.clone()],
        _ => Vec::new(),
    }
}

/// The Notebook that a pod belongs to, as its label says.
fn of_label(pod: &Value) -> Option<Key> {
    label(pod, "notebook-name").map(|notebook| Key::new(GROUP, "notebooks", namespace(pod), notebook))
}

/// Says of the Notebook what happened to its StatefulSet or pod.
fn reissue(world: &World, event: &Value) {
    let about = |field: &str| text(event, &format!("/involvedObject/{field}"));
    let home = about("namespace");
    let notebook = match about("kind") {
        "StatefulSet" => Some(Key::new(GROUP, "notebooks", home, about("name"))),
        "Pod" => world.store.get(&Key::new("", "pods", home, about("name"))).and_then(|pod| of_label(&pod)),
        _ => None,
    };
    let Some(notebook) = notebook.and_then(|key| world.store.get(&key)) else { return };
    let severity = if text(event, "/type") == "Warning" { Severity::Warning } else { Severity::Normal };
    let source = format!("{}/{}", about("kind").to_lowercase(), about("name"));
    let message = format!("Reissued from {source}: {}", text(event, "/message"));
    record(world, "notebook-controller", &notebook, severity, text(event, "/reason"), &message);
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(notebook) = world.store.get(key) else { return Next::Wait };
    let Some(pod) = operators::running(world, IMAGES) else { return Next::Wait };
    if key.plural == "events" {
        reissue(world, &notebook);
        return Next::Wait;
    }
    // Without containers the real controller ends in a panic; nobody may ask that of a real one.
    let has_containers = !list(&notebook, "/spec/template/spec/containers").is_empty();
    if is_leaving(&notebook) || !has_containers || key.name.contains('.') || key.name.len() > 63 {
        return Next::Wait;
    }
    let container = operators::container(&pod, IMAGES).map(|container| text(container, "/name")).unwrap_or_default();
    let settings = Settings::of(&environment::variables(&world.store, &pod, container));
    let owner = Owner { object: &notebook, api_version: "kubeflow.org/v1beta1", kind: "Notebook" };
    owner.workload(world, "StatefulSet", "statefulsets", &key.name, stateful_set(&notebook));
    if children::serves(&notebook, "http-".len()) {
        let port = notebook.pointer("/spec/template/spec/containers/0/ports/0/containerPort");
        let port = port.cloned().unwrap_or_else(|| json!(8888));
        owner.service(world, &key.name, &format!("http-{}", key.name), &port, json!({"statefulset": key.name}));
        let route = format!("notebook-{}-{}", key.namespace, key.name);
        owner.route(world, &route, "networking.istio.io/v1alpha3", &settings, http(&notebook, &settings));
    }
    write_status(world, key, status(world, &notebook));
    Next::Wait
}

pub(super) fn annotation<'a>(notebook: &'a Value, key: &str) -> Option<&'a str> {
    notebook["metadata"]["annotations"].get(key)?.as_str()
}

fn stateful_set(notebook: &Value) -> Value {
    let name = name(notebook);
    let prefix = format!("/notebook/{}/{name}", namespace(notebook));
    let mut pod = notebook["spec"]["template"]["spec"].clone();
    let container = &mut pod["containers"][0];
    if text(container, "/workingDir").is_empty() {
        container["workingDir"] = json!("/home/jovyan");
    }
    if list(container, "/ports").is_empty() {
        container["ports"] = json!([{"containerPort": 8888, "name": "notebook-port", "protocol": "TCP"}]);
    }
    if !list(container, "/env").iter().any(|variable| text(variable, "/name") == "NB_PREFIX") {
        crate::access::pod_admission::push(container, "env", json!({"name": "NB_PREFIX", "value": prefix}));
    }
    if pod.get("securityContext").is_none_or(Value::is_null) {
        pod["securityContext"] = json!({"fsGroup": 100});
    }
    let mut labels = notebook["metadata"].get("labels").cloned().unwrap_or_else(|| json!({}));
    labels["statefulset"] = json!(name);
    labels["notebook-name"] = json!(name);
    let mut metadata = json!({"labels": labels});
    let mut annotations =
        notebook["metadata"].get("annotations").and_then(Value::as_object).cloned().unwrap_or_default();
    annotations.retain(|key, _| !key.contains("kubectl") && !key.contains("notebook"));
    if !annotations.is_empty() {
        metadata["annotations"] = json!(annotations);
    }
    let replicas = i32::from(annotation(notebook, STOPPED).is_none());
    json!({
        "replicas": replicas, "serviceName": "", "selector": {"matchLabels": {"statefulset": name}},
        "template": {"metadata": metadata, "spec": pod},
    })
}

fn http(notebook: &Value, settings: &Settings) -> Value {
    let prefix = format!("/notebook/{}/{}/", namespace(notebook), name(notebook));
    let rewrite = annotation(notebook, REWRITE).filter(|uri| !uri.is_empty()).unwrap_or(&prefix);
    let headers = annotation(notebook, HEADERS).and_then(|text| serde_json::from_str::<Value>(text).ok());
    json!({
        "match": [{"uri": {"prefix": prefix}}], "rewrite": {"uri": rewrite},
        "headers": {"request": {"set": headers.filter(Value::is_object).unwrap_or_else(|| json!({}))}},
        "route": settings.destination(notebook, name(notebook)),
    })
}

/// The pod's conditions, its container's state and the number of ready replicas.
fn status(world: &World, notebook: &Value) -> Value {
    let home = namespace(notebook);
    let set = world.store.get(&Key::new("apps", "statefulsets", home, name(notebook)));
    let ready = set.and_then(|set| set.pointer("/status/readyReplicas").cloned()).unwrap_or_else(|| json!(0));
    let pod = world.store.get(&Key::new("", "pods", home, &format!("{}-0", name(notebook))));
    let before = list(notebook, "/status/conditions");
    let mirrored = |condition: &Value| {
        let same = before
            .iter()
            .find(|old| ["type", "status", "reason", "message"].iter().all(|f| old.get(f) == condition.get(f)));
        let mut shown = condition.clone();
        let probed = same.and_then(|old| old.get("lastProbeTime").cloned());
        shown["lastProbeTime"] = probed.unwrap_or_else(|| json!(crate::store::now()));
        shown
    };
    let conditions: Vec<Value> = pod.iter().flat_map(|pod| list(pod, "/status/conditions")).map(mirrored).collect();
    let mut containers = pod.iter().flat_map(|pod| list(pod, "/status/containerStatuses"));
    let state = containers.find(|status| text(status, "/name") == name(notebook)).map(|status| status["state"].clone());
    json!({
        "conditions": conditions, "readyReplicas": ready, "containerState": state.unwrap_or_else(|| json!({})),
    })
}
