//! The applications of the workspaces: notebooks, volumes, tensorboards.
//!
//! The laboratory had no kubelet and no provisioner: its pods and claims were never more than accepted, but for those that
//! were written by hand. What a pod's or claim's status says is not compared, nor what an API server and controllers write
//! into a pod of their own.

use embedded::object::text;
use http::Method;
use serde_json::{Value, json};

use super::recorded::Recorded;
use super::{Application, Setup, replay};

const JUPYTER: Application = Application {
    name: "jupyter",
    service: "jupyter-web-app-service.kubeflow.svc.cluster.local:80",
    setup,
    objects,
    seed: |_| {},
    before: before_jupyter,
    comparable,
};
const VOLUMES: Application = Application {
    name: "volumes",
    service: "volumes-web-app-service.kubeflow.svc.cluster.local:80",
    setup,
    objects: with_notebooks,
    seed: |_| {},
    before: |_| Vec::new(),
    comparable,
};
const TENSORBOARDS: Application = Application {
    name: "tensorboards",
    service: "tensorboards-web-app-service.kubeflow.svc.cluster.local:80",
    setup,
    objects: with_tensorboard,
    seed: |_| {},
    before: |_| Vec::new(),
    comparable,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jupyter_answers_as_recorded() {
    replay(&JUPYTER, "v1.9.1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn volumes_answers_as_recorded() {
    replay(&VOLUMES, "v1.9.1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tensorboards_answers_as_recorded() {
    replay(&TENSORBOARDS, "v1.9.1").await;
}

fn setup(one: &Recorded) -> Setup {
    let is_after = one.label == "after";
    match (one.group.as_str(), one.label.as_str()) {
        ("apiserver-refuse" | "apiserver-reset" | "apiserver-hang", _) if !is_after => {
            Setup::LeftOut("the API server is never away here")
        }
        (_, "delete again" | "delete viewer again" | "delete again at once")
        | (_, "get after delete at once" | "get 2 s after delete") => {
            Setup::LeftOut("whether a deletion is done already is a race")
        }
        ("web app SA token invalid", _) => Setup::LeftOut("accounts need no token here"),
        ("real-front-end", _) => Setup::LeftOut("the front end's own files are not played"),
        _ if one.path.starts_with("/static/main.stub.js") => Setup::LeftOut("the front end's own files are not played"),
        ("USERID_PREFIX=accounts.google.com:", _) => Setup::Changed("prefix", |objects| {
            let found = objects.iter_mut().find(|object| object["metadata"]["name"] == "jupyter-web-app-deployment");
            let container = &mut found.unwrap()["spec"]["template"]["spec"]["containers"][0];
            for variable in container["env"].as_array_mut().unwrap() {
                if variable["name"] == "USERID_PREFIX" {
                    variable["value"] = json!("accounts.google.com:");
                }
            }
        }),
        ("traps", label) if label.starts_with("PodDefault without") || label.starts_with("PodDefault {} ") => {
            Setup::Changed("PodDefault that selects everything", |objects| {
                objects.push(pod_default(json!({})));
            })
        }
        ("traps", label) if label.starts_with("PodDefault") => {
            Setup::Changed("PodDefault with empty labels", |objects| {
                objects.push(pod_default(json!({"matchLabels": {}})));
            })
        }
        ("traps", label) if label.starts_with("kubectl notebook: no ") => {
            Setup::Changed("notebook without requests or mounts", |objects| {
                let mut odd = notebook("odd", &[]);
                odd["spec"]["template"]["spec"]["containers"][0] = json!({"name": "odd", "image": "busybox"});
                objects.push(odd);
            })
        }
        ("traps", label) if label.starts_with("kubectl notebook: gpu") => {
            Setup::Changed("notebook with a limit that is no number", |objects| {
                let mut odd = notebook("odd", &[]);
                odd["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = json!("1k");
                objects.push(odd);
            })
        }
        ("traps", "notebook without volumes key + one PVC") => Setup::Changed("notebook without volumes", |objects| {
            let mut odd = notebook("odd", &[]);
            odd["spec"]["template"]["spec"].as_object_mut().unwrap().remove("volumes");
            objects.push(odd);
        }),
        ("traps", label) if label.contains("app.kubernetes.io/name") => {
            Setup::Changed("a pod that counts as a viewer", |objects| {
                objects.push(json!({"apiVersion": "v1", "kind": "Pod",
                    "metadata": {"namespace": "wanda", "name": "chart", "labels": {"app.kubernetes.io/name": "chart"}},
                    "spec": {"containers": [{"name": "main", "image": "busybox"}],
                        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "vol2"}}]}}));
            })
        }
        ("traps", "delete pvc used by a notebook only (no pod yet)") => {
            Setup::Changed("a notebook uses the second volume", |objects| objects.push(notebook("tv3", &["vol2"])))
        }
        _ => Setup::Usual,
    }
}

fn pod_default(selector: Value) -> Value {
    json!({"apiVersion": "kubeflow.org/v1alpha1", "kind": "PodDefault",
        "metadata": {"namespace": "wanda", "name": "odd"}, "spec": {"desc": "odd", "selector": selector}})
}

/// What the laboratory's namespace held from the start.
fn objects() -> Vec<Value> {
    let claim = |name: &str, mode: &str, size: &str, class: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"namespace": "wanda", "name": name},
            "spec": {"accessModes": [mode], "storageClassName": class, "resources": {"requests": {"storage": size}}}})
    };
    vec![
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "labnode"},
            "spec": {"unschedulable": true}, "status": {"capacity": {"nvidia.com/gpu": "1"}}}),
        json!({"apiVersion": "kubeflow.org/v1alpha1", "kind": "PodDefault",
            "metadata": {"namespace": "wanda", "name": "access-ml-pipeline"},
            "spec": {"desc": "Allow access to Kubeflow Pipelines", "env": [{"name": "A", "value": "b"}],
                "selector": {"matchLabels": {"access-ml-pipeline": "true"}}}}),
        claim("vol1", "ReadWriteOnce", "1Gi", "standard"),
        claim("vol2", "ReadWriteMany", "2Gi", ""),
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": "wanda", "name": "user", "labels": {"app": "user"}},
            "spec": {"containers": [{"name": "main", "image": "busybox"}],
                "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "vol1"}}]}}),
    ]
}

/// A notebook as the form makes it, with claims of its own.
fn notebook(name: &str, claims: &[&str]) -> Value {
    let volumes: Vec<Value> =
        claims.iter().map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}})).collect();
    let mounts: Vec<Value> = claims.iter().map(|claim| json!({"name": claim, "mountPath": "/d"})).collect();
    json!({"apiVersion": "kubeflow.org/v1beta1", "kind": "Notebook", "metadata": {"namespace": "wanda", "name": name},
        "spec": {"template": {"spec": {"volumes": volumes, "containers": [{
            "name": name, "image": "busybox:1.36", "volumeMounts": mounts,
            "resources": {"requests": {"cpu": "0.5", "memory": "1Gi"}, "limits": {"cpu": "0.6", "memory": "1.2Gi"}}}]}}}})
}

/// What was left of the notebooks when the volumes were recorded.
fn with_notebooks() -> Vec<Value> {
    let claim = |name: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"namespace": "wanda", "name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
                "resources": {"requests": {"storage": "1Gi"}}}})
    };
    let mut all = objects();
    all.extend([claim("nb2-workspace"), claim("nb4-ngt78"), notebook("nb4", &["nb4-ngt78"])]);
    all
}

fn with_tensorboard() -> Vec<Value> {
    let mut all = objects();
    all.push(json!({"apiVersion": "tensorboard.kubeflow.org/v1alpha1", "kind": "Tensorboard",
        "metadata": {"namespace": "wanda", "name": "tb1"}, "spec": {"logspath": "s3://b/logs"}}));
    all.push(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"namespace": "otto", "name": "nsx"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "",
            "resources": {"requests": {"storage": "1Gi"}}}}));
    all
}

/// A change with the token of the double-submit check.
fn change(user: &str, method: Method, path: &str, body: &Value) -> Recorded {
    let mut request = Recorded::lacking(user, method, path, &body.to_string());
    request.headers.push(("cookie".to_owned(), "XSRF-TOKEN=a".to_owned()));
    request.headers.push(("x-xsrf-token".to_owned(), "a".to_owned()));
    request
}

fn before_jupyter(one: &Recorded) -> Vec<Recorded> {
    let notebooks = "/api/namespaces/wanda/notebooks";
    let form = |name: &str, more: Value| {
        let mut form = json!({
            "name": name, "namespace": "wanda", "image": "busybox:1.36", "imagePullPolicy": "IfNotPresent",
            "serverType": "jupyter", "cpu": "0.5", "memory": "1Gi", "gpus": {"num": "none"}, "tolerationGroup": "none",
            "affinityConfig": "none", "configurations": ["access-ml-pipeline"], "shm": false, "datavols": [],
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            form[field] = value.clone();
        }
        form
    };
    let workspace = json!({"workspace": {"mount": "/home/jovyan", "newPvc": {"metadata": {"name": "nb2-workspace"},
        "spec": {"resources": {"requests": {"storage": "1Gi"}}, "accessModes": ["ReadWriteOnce"]}}}});
    match (one.group.as_str(), one.label.as_str()) {
        ("life", "create again (409)") => vec![
            change("wanda@example.com", Method::POST, notebooks, &form("nb1", json!({}))),
            change("edna@example.com", Method::POST, notebooks, &form("nb2", workspace)),
            // Taken, as no schema forbids its number of devices, and the list stumbles over it.
            change("wanda@example.com", Method::DELETE, &format!("{notebooks}/t-gpus-3"), &json!({})),
        ],
        _ => Vec::new(),
    }
}

/// Names of what the stage or a case made, beside which the laboratory had others, and so has this platform.
const KNOWN: [&str; 8] = ["wanda", "otto", "kubeflow", "nb1", "vol1", "vol2", "nb2-workspace", "tbx"];

fn comparable(one: &Recorded, json: &mut Value) {
    if one.path == "/api/namespaces"
        && let Some(names) = json.get_mut("namespaces").and_then(Value::as_array_mut)
    {
        names.retain(|name| KNOWN.iter().any(|known| name == known));
    }
    for (list, fields) in [
        ("notebooks", &["age", "status", "metadata"][..]),
        ("pvcs", &["age", "status", "notebooks", "viewer"]),
        ("tensorboards", &["age", "status"]),
        ("poddefaults", &["metadata"]),
    ] {
        let Some(items) = json.get_mut(list).and_then(Value::as_array_mut) else { continue };
        items.retain(|item| list == "poddefaults" || !item.is_object() || KNOWN.contains(&text(item, "/name")));
        items.iter_mut().for_each(|item| strip(item, fields));
    }
    for (at, fields) in [
        ("/notebook", &["status", "processed_status"][..]),
        ("/pvc", &["status"]),
        ("/pod", &["status", "spec", "kind", "apiVersion"]),
    ] {
        strip_at(json, at, fields);
        let metadata = [
            "ownerReferences",
            "finalizers",
            "annotations",
            "deletionTimestamp",
            "generateName",
            "labels",
            "deletionGracePeriodSeconds",
        ];
        strip_at(json, &format!("{at}/metadata"), &metadata);
    }
    for item in json.get_mut("pods").and_then(Value::as_array_mut).into_iter().flatten() {
        *item = json!(text(item, "/metadata/name"));
    }
    // When events were seen, and how often, is new each time.
    if let Some(events) = json.get_mut("events") {
        let some = events.as_array().is_some_and(|events| !events.is_empty());
        *events = json!(some);
    }
    if let Some(config) = json.get_mut("config").and_then(Value::as_object_mut) {
        // The blueprint offers fewer images and vendors.
        for field in ["image", "imageGroupOne", "imageGroupTwo", "gpus"] {
            config.remove(field);
        }
    }
    if let Some(log) = json.get_mut("log") {
        // From here on it is the API server's own sentence.
        let said = log.as_str().unwrap_or_default();
        let ends = [" is invalid: ", " cannot be handled as "].into_iter().filter_map(|mark| said.find(mark)).min();
        *log = json!(said[..ends.unwrap_or(said.len())]);
    }
    rename(json);
}

/// The laboratory's storage class was called otherwise.
fn rename(json: &mut Value) {
    match json {
        Value::String(text) if text == "lab-standard" => "standard".clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(rename),
        Value::Object(members) => members.values_mut().for_each(rename),
        _ => {}
    }
}

fn strip_at(json: &mut Value, pointer: &str, fields: &[&str]) {
    if let Some(item) = json.pointer_mut(pointer) {
        strip(item, fields);
    }
}

fn strip(item: &mut Value, fields: &[&str]) {
    if let Some(members) = item.as_object_mut() {
        members.retain(|name, _| !fields.contains(&name.as_str()));
    }
}
