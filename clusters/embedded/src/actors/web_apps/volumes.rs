//! The routes of `volumes-web-app` (`components/crud-web-apps/volumes/backend/apps`).

use http::Method;
use serde_json::{Value, json};

use super::asked::{Asked, said};
use super::flask::{Outcome, Refusal};
use super::jupyter::events_of;
use crate::actors::kubernetes::part;
use crate::kubelet::environment;
use crate::kubelet::volumes::claims;
use crate::object::{self, label, text};

const CLAIMS: &str = "v1/persistentvolumeclaims";
const VIEWERS: &str = "kubeflow.org/v1alpha1/pvcviewers";
const VIEWER_SPEC: &str = "/etc/config/viewer-spec.yaml";
/// A pod with this label counts as the viewer of that name, whoever made it.
const VIEWER_LABEL: &str = "app.kubernetes.io/name";

/// The route's outcome, if the request has one here.
pub async fn route(asked: &Asked<'_>) -> Option<Outcome> {
    let path = asked.path();
    let ["api", "namespaces", namespace, rest @ ..] = path.as_slice() else { return None };
    Some(match (&asked.method, rest) {
        (&Method::GET, ["pvcs"]) => all(asked, namespace).await,
        (&Method::POST, ["pvcs"]) => create(asked, namespace).await,
        (&Method::GET, ["pvcs", name]) => one(asked, namespace, name).await,
        (&Method::DELETE, ["pvcs", name]) => delete(asked, namespace, name).await,
        (&Method::GET, ["pvcs", name, "pods"]) => {
            pods_using(asked, namespace, name).await.map(|pods| json!({"pods": pods}))
        }
        (&Method::GET, ["pvcs", name, "events"]) => events(asked, namespace, name).await,
        (&Method::POST, ["viewers"]) => create_viewer(asked, namespace).await,
        (&Method::DELETE, ["viewers", name]) => delete_viewer(asked, namespace, name).await,
        _ => return None,
    })
}

fn claims_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{}/persistentvolumeclaims", part(namespace))
}

fn viewers_path(namespace: &str) -> String {
    format!("/apis/kubeflow.org/v1alpha1/namespaces/{}/pvcviewers", part(namespace))
}

/// The table. A notebook without a list of volumes breaks it as soon as there is a claim, as it does for the real
/// program.
async fn all(asked: &Asked<'_>, namespace: &str) -> Outcome {
    asked.allowed("list", CLAIMS, Some(namespace)).await?;
    let found = asked.api.items(&claims_path(namespace)).await.map_err(said)?;
    asked.allowed("list", "kubeflow.org/v1beta1/notebooks", Some(namespace)).await?;
    let notebooks = asked.api.items(&super::jupyter::collection(namespace)).await.map_err(said)?;
    asked.allowed("list", VIEWERS, Some(namespace)).await?;
    let viewers = asked.api.items(&viewers_path(namespace)).await.map_err(said)?;
    let mut rows = Vec::with_capacity(found.len());
    for claim in &found {
        let name = object::name(claim);
        let mut users = Vec::new();
        for notebook in &notebooks {
            let pod = &notebook["spec"]["template"];
            pod.pointer("/spec/volumes").ok_or_else(Refusal::backend)?;
            if claims(pod).iter().any(|claim| claim == name) {
                users.push(object::name(notebook));
            }
        }
        let capacity = ["/status/capacity/storage", "/spec/resources/requests/storage"];
        let capacity = capacity.iter().map(|at| text(claim, at)).find(|size| !size.is_empty());
        rows.push(json!({
            "name": name, "namespace": namespace, "status": status(asked, claim).await?,
            "age": http_date(text(claim, "/metadata/creationTimestamp")), "capacity": capacity,
            "modes": claim["spec"]["accessModes"], "class": claim["spec"]["storageClassName"], "notebooks": users,
            "viewer": viewer_status(viewers.iter().find(|viewer| object::name(viewer) == name)),
        }));
    }
    Ok(json!({"pvcs": rows}))
}

/// A time as Flask writes it: RFC 1123.
fn http_date(created: &str) -> String {
    let at = created.parse::<jiff::Timestamp>().unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn viewer_status(viewer: Option<&Value>) -> Value {
    let Some(viewer) = viewer else { return json!({"status": "uninitialized", "url": null}) };
    let ready = viewer.pointer("/status/ready") == Some(&Value::Bool(true));
    let status = match viewer.pointer("/metadata/deletionTimestamp") {
        Some(_) => "terminating",
        None if ready => "ready",
        None => "waiting",
    };
    json!({"status": status, "url": viewer["status"]["url"]})
}

async fn status(asked: &Asked<'_>, claim: &Value) -> Result<Value, Refusal> {
    let status = |phase: &str, message: &str, state: &str| json!({"phase": phase, "message": message, "state": state});
    if claim.pointer("/metadata/deletionTimestamp").is_some() {
        return Ok(status("terminating", "Deleting Volume...", ""));
    }
    if text(claim, "/status/phase") == "Bound" {
        return Ok(status("ready", "Bound", ""));
    }
    let mut events = events_of(asked, object::namespace(claim), "PersistentVolumeClaim", object::name(claim)).await?;
    events.sort_by(|a, b| text(a, "/metadata/creationTimestamp").cmp(text(b, "/metadata/creationTimestamp")));
    let Some(event) = events.last() else { return Ok(status("waiting", "Provisioning Volume...", "")) };
    let (reason, message) = (text(event, "/reason"), format!("Pending: {}", text(event, "/message")));
    Ok(match (reason, text(event, "/type")) {
        ("WaitForFirstConsumer", _) => status(
            "unavailable",
            "Pending: This volume will be bound when its first consumer is created. E.g., when you first browse its \
             contents, or attach it to a notebook server",
            reason,
        ),
        ("Provisioning", _) => status("waiting", &message, reason),
        ("FailedBinding", _) | (_, "Warning") => status("warning", &message, reason),
        _ => status("ready", &message, reason),
    })
}

async fn one(asked: &Asked<'_>, namespace: &str, name: &str) -> Outcome {
    asked.allowed("get", CLAIMS, Some(namespace)).await?;
    let claim = asked.api.read(&format!("{}/{}", claims_path(namespace), part(name))).await.map_err(said)?;
    Ok(json!({"pvc": claim}))
}

async fn pods_using(asked: &Asked<'_>, namespace: &str, name: &str) -> Result<Vec<Value>, Refusal> {
    asked.allowed("list", "v1/pods", Some(namespace)).await?;
    let mut pods = asked.api.items(&format!("/api/v1/namespaces/{}/pods", part(namespace))).await.map_err(said)?;
    pods.retain(|pod| claims(pod).iter().any(|claim| claim == name));
    Ok(pods)
}

async fn events(asked: &Asked<'_>, namespace: &str, name: &str) -> Outcome {
    asked.allowed("list", "v1/events", Some(namespace)).await?;
    Ok(json!({"events": events_of(asked, namespace, "PersistentVolumeClaim", name).await?}))
}

/// Makes a claim. The class `{none}` asks for none, `{empty}` and null for the default one; `type` is not looked at.
async fn create(asked: &Asked<'_>, namespace: &str) -> Outcome {
    let form = asked.form(&["name", "mode", "class", "size", "type"])?;
    let mut claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": form["name"], "namespace": namespace},
        "spec": {"accessModes": [form["mode"]], "resources": {"requests": {"storage": form["size"]}}},
    });
    match &form["class"] {
        Value::Null => {}
        class if class == "{empty}" => {}
        class if class == "{none}" => claim["spec"]["storageClassName"] = json!(""),
        class => claim["spec"]["storageClassName"] = class.clone(),
    }
    asked.allowed("create", CLAIMS, Some(namespace)).await?;
    asked.api.write(Method::POST, &claims_path(namespace), &claim).await.map_err(said)?;
    Ok(json!({"message": "PVC created successfully."}))
}

/// Deletes a claim that no pod uses; viewers of it go first.
async fn delete(asked: &Asked<'_>, namespace: &str, name: &str) -> Outcome {
    let pods = pods_using(asked, namespace, name).await?;
    let (viewers, others): (Vec<&Value>, Vec<&Value>) = pods.iter().partition(|pod| label(pod, VIEWER_LABEL).is_some());
    if !others.is_empty() {
        let names: Vec<String> = others.iter().map(|pod| format!("'{}'", object::name(pod))).collect();
        let why = format!("Cannot delete PVC '{name}' because it is being used by pods: [{}]", names.join(", "));
        return Err(Refusal::new(409, why));
    }
    for viewer in viewers.iter().filter_map(|pod| label(pod, VIEWER_LABEL)) {
        asked.allowed("delete", VIEWERS, Some(namespace)).await?;
        let path = format!("{}/{}", viewers_path(namespace), part(viewer));
        asked.api.write(Method::DELETE, &path, &json!({})).await.map_err(said)?;
    }
    asked.allowed("delete", CLAIMS, Some(namespace)).await?;
    let path = format!("{}/{}", claims_path(namespace), part(name));
    asked.api.write(Method::DELETE, &path, &json!({})).await.map_err(said)?;
    Ok(json!({"message": format!("PVC {name} successfully deleted.")}))
}

/// Makes a viewer of a claim: its pod as a file of the program says, with variables of the environment filled in.
async fn create_viewer(asked: &Asked<'_>, namespace: &str) -> Outcome {
    let form = asked.form(&["name"])?;
    let visit = asked.visit;
    let store = &visit.world.store;
    let mut variables = environment::variables(store, &visit.pod, &visit.container);
    let name = form["name"].as_str().unwrap_or_default().to_owned();
    variables.extend([("PVC_NAME", &name), ("NAME", &name)].map(|(key, value)| (key.to_owned(), value.clone())));
    variables.insert("NAMESPACE".to_owned(), namespace.to_owned());
    let file = environment::file(store, &visit.pod, &visit.container, VIEWER_SPEC).unwrap_or_default();
    let mut spec: Value = serde_saphyr::from_str(&file).map_err(|_| Refusal::backend())?;
    fill_in(&mut spec, &variables);
    let viewer = json!({
        "apiVersion": "kubeflow.org/v1alpha1", "kind": "PVCViewer",
        "metadata": {"name": form["name"], "namespace": namespace}, "spec": spec,
    });
    asked.allowed("create", VIEWERS, Some(namespace)).await?;
    asked.api.write(Method::POST, &viewers_path(namespace), &viewer).await.map_err(said)?;
    Ok(json!({"message": "PVCViewer created successfully."}))
}

/// `$NAME` and `${NAME}` in every text, as Python's `string.Template` does; longer names first.
fn fill_in(value: &mut Value, variables: &std::collections::BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            for (name, content) in variables.iter().rev() {
                *text = text.replace(&format!("${{{name}}}"), content).replace(&format!("${name}"), content);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill_in(item, variables)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill_in(field, variables)),
        _ => {}
    }
}

async fn delete_viewer(asked: &Asked<'_>, namespace: &str, name: &str) -> Outcome {
    asked.allowed("delete", VIEWERS, Some(namespace)).await?;
    let path = format!("{}/{}", viewers_path(namespace), part(name));
    asked.api.write(Method::DELETE, &path, &json!({"propagationPolicy": "Foreground"})).await.map_err(said)?;
    Ok(json!({"message": format!("Viewer {name} successfully deleted.")}))
}
