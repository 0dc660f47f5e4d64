//! The routes of `jupyter-web-app` (`components/crud-web-apps/jupyter/backend/apps`).

use http::Method;
use serde_json::{Value, json};

use super::asked::{Asked, said};
use super::flask::{Outcome, Refusal, truthy};
use super::notebook_status::{self, STOPPED};
use super::{everywhere, spawner};
use crate::actors::kubernetes::part;
use crate::object::{self, list, text};
use crate::store::now;

const NOTEBOOKS: &str = "kubeflow.org/v1beta1/notebooks";

/// The route's outcome, if the request has one here.
pub async fn route(asked: &Asked<'_>) -> Option<Outcome> {
    let path = asked.path();
    if let ["api", name] = path.as_slice()
        && asked.method == Method::GET
    {
        return match *name {
            "config" => Some(spawner::defaults(asked).map(|defaults| json!({"config": defaults}))),
            "gpus" => Some(gpus(asked).await),
            _ => None,
        };
    }
    let ["api", "namespaces", namespace, rest @ ..] = path.as_slice() else { return None };
    Some(match (&asked.method, rest) {
        (&Method::GET, ["notebooks"]) => notebooks(asked, namespace).await,
        (&Method::POST, ["notebooks"]) => spawner::create(asked, namespace).await,
        (&Method::GET, ["notebooks", name]) => notebook(asked, namespace, name).await,
        (&Method::PATCH, ["notebooks", name]) => patch(asked, namespace, name).await,
        (&Method::DELETE, ["notebooks", name]) => delete(asked, namespace, name).await,
        (&Method::GET, ["notebooks", name, "pod"]) => pod(asked, namespace, name).await,
        (&Method::GET, ["notebooks", name, "pod", pod, "logs"]) => logs(asked, namespace, name, pod).await,
        (&Method::GET, ["notebooks", name, "events"]) => events(asked, namespace, name).await,
        (&Method::GET, ["pvcs"]) => claims(asked, namespace).await,
        (&Method::GET, ["poddefaults"]) => everywhere::pod_defaults(asked, namespace).await,
        _ => return None,
    })
}

/// Where the API keeps a namespace's notebooks.
pub fn collection(namespace: &str) -> String {
    format!("/apis/kubeflow.org/v1beta1/namespaces/{}/notebooks", part(namespace))
}

fn place(namespace: &str, name: &str) -> String {
    format!("{}/{}", collection(namespace), part(name))
}

/// Which of the configured vendors' devices any node has.
async fn gpus(asked: &Asked<'_>) -> Outcome {
    let nodes = asked.api.items("/api/v1/nodes").await.map_err(said)?;
    let defaults = spawner::defaults(asked)?;
    let vendors = list(&defaults, "/gpus/value/vendors").iter().map(|vendor| text(vendor, "/limitsKey"));
    let installed = |key: &&str| nodes.iter().any(|node| node["status"]["capacity"].get(*key).is_some());
    Ok(json!({"vendors": vendors.filter(installed).collect::<Vec<_>>()}))
}

async fn notebooks(asked: &Asked<'_>, namespace: &str) -> Outcome {
    asked.allowed("list", NOTEBOOKS, Some(namespace)).await?;
    let found = asked.api.items(&collection(namespace)).await.map_err(said)?;
    let defaults = spawner::defaults(asked)?;
    let mut shown = Vec::with_capacity(found.len());
    for notebook in &found {
        shown.push(row(notebook, &defaults, notebook_status::of(asked, notebook).await?)?);
    }
    Ok(json!({"notebooks": shown}))
}

/// A row of the table. A notebook without requests for CPU and memory, or without mounts, breaks the whole list, as it
/// does for the real program.
fn row(notebook: &Value, defaults: &Value, status: Value) -> Result<Value, Refusal> {
    let container = notebook.pointer("/spec/template/spec/containers/0").ok_or_else(Refusal::backend)?;
    let needed = |pointer: &str| container.pointer(pointer).ok_or_else(Refusal::backend);
    let image = text(container, "/image");
    let mut count = 0;
    let mut devices = Vec::new();
    for vendor in list(defaults, "/gpus/value/vendors") {
        let Some(number) = container.pointer("/resources/limits").and_then(|all| all.get(text(vendor, "/limitsKey")))
        else {
            continue;
        };
        let shown = number.as_str().map_or_else(|| number.to_string(), str::to_owned);
        count += shown.parse::<i64>().map_err(|_| Refusal::backend())?;
        devices.push(format!("{shown} {}", text(vendor, "/uiName")));
    }
    needed("/volumeMounts")?;
    let volumes: Vec<&str> = list(container, "/volumeMounts").iter().map(|mount| text(mount, "/name")).collect();
    let annotation = |key: &str| notebook["metadata"]["annotations"].get(key).cloned();
    Ok(json!({
        "name": object::name(notebook), "namespace": object::namespace(notebook),
        "serverType": annotation("notebooks.kubeflow.org/server-type"),
        "age": text(notebook, "/metadata/creationTimestamp"),
        "last_activity": annotation("notebooks.kubeflow.org/last-activity").unwrap_or_else(|| json!("")),
        "image": image, "shortImage": image.rsplit('/').next(),
        "cpu": needed("/resources/requests/cpu")?, "memory": needed("/resources/requests/memory")?,
        "gpus": {"count": count, "message": devices.join(", ")},
        "volumes": volumes, "status": status, "metadata": notebook["metadata"],
    }))
}

async fn read(asked: &Asked<'_>, namespace: &str, name: &str) -> Result<Value, Refusal> {
    asked.allowed("get", NOTEBOOKS, Some(namespace)).await?;
    asked.api.read(&place(namespace, name)).await.map_err(said)
}

async fn notebook(asked: &Asked<'_>, namespace: &str, name: &str) -> Outcome {
    let mut notebook = read(asked, namespace, name).await?;
    notebook["processed_status"] = notebook_status::of(asked, &notebook).await?;
    Ok(json!({"notebook": notebook}))
}

/// Stops or starts; a stop looks first whether it is stopped already.
async fn patch(asked: &Asked<'_>, namespace: &str, name: &str) -> Outcome {
    let body = asked.json()?;
    if body.is_null() {
        return Err(Refusal::bad_request("Request doesn't have a body."));
    }
    let Some(stop) = body.as_object().ok_or_else(Refusal::backend)?.get("stopped") else {
        return Err(Refusal::bad_request("Request body must include at least one supported key: ['stopped']"));
    };
    let mark = if truthy(stop) {
        let notebook = read(asked, namespace, name).await?;
        if notebook["metadata"]["annotations"].get(STOPPED).is_some() {
            return Err(Refusal::new(409, format!("Notebook {namespace}/{name} is already stopped.")));
        }
        json!(now())
    } else {
        Value::Null
    };
    asked.allowed("patch", NOTEBOOKS, Some(namespace)).await?;
    let change = json!({"metadata": {"annotations": {STOPPED: mark}}});
    asked.api.write(Method::PATCH, &place(namespace, name), &change).await.map_err(said)?;
    Ok(json!({}))
}

async fn delete(asked: &Asked<'_>, namespace: &str, name: &str) -> Outcome {
    asked.allowed("delete", NOTEBOOKS, Some(namespace)).await?;
    let options = json!({"propagationPolicy": "Foreground"});
    asked.api.write(Method::DELETE, &place(namespace, name), &options).await.map_err(said)?;
    Ok(json!({"message": format!("Notebook {name} successfully deleted.")}))
}

async fn pod(asked: &Asked<'_>, namespace: &str, name: &str) -> Outcome {
    asked.allowed("list", "v1/pods", Some(namespace)).await?;
    let selector = part(&format!("notebook-name={name}"));
    let path = format!("/api/v1/namespaces/{}/pods?labelSelector={selector}", part(namespace));
    let pods = asked.api.items(&path).await.map_err(said)?;
    match pods.into_iter().next() {
        Some(pod) => Ok(json!({"pod": pod})),
        None => Err(Refusal::new(404, "No pod detected.")),
    }
}

/// The log of any container of any pod in the namespace: what stands for the notebook is the container's name.
async fn logs(asked: &Asked<'_>, namespace: &str, container: &str, pod: &str) -> Outcome {
    asked.allowed("get", "v1/pods/log", Some(namespace)).await?;
    let container = part(container);
    let path = format!("/api/v1/namespaces/{}/pods/{}/log?container={container}", part(namespace), part(pod));
    let log = asked.api.ask(Method::GET, &path, None).await.map_err(said)?;
    Ok(json!({"logs": log.split('\n').collect::<Vec<_>>()}))
}

async fn events(asked: &Asked<'_>, namespace: &str, name: &str) -> Outcome {
    asked.allowed("list", "v1/events", Some(namespace)).await?;
    Ok(json!({"events": events_of(asked, namespace, "Notebook", name).await?}))
}

/// The events about an object.
pub async fn events_of(asked: &Asked<'_>, namespace: &str, kind: &str, name: &str) -> Result<Vec<Value>, Refusal> {
    let mut events = asked.api.items(&format!("/api/v1/namespaces/{}/events", part(namespace))).await.map_err(said)?;
    events.retain(|event| text(event, "/involvedObject/kind") == kind && text(event, "/involvedObject/name") == name);
    Ok(events)
}

async fn claims(asked: &Asked<'_>, namespace: &str) -> Outcome {
    asked.allowed("list", "v1/persistentvolumeclaims", Some(namespace)).await?;
    let path = format!("/api/v1/namespaces/{}/persistentvolumeclaims", part(namespace));
    let found = asked.api.items(&path).await.map_err(said)?;
    let shown = found.iter().map(|claim| {
        let size = text(claim, "/spec/resources/requests/storage");
        json!({"name": object::name(claim), "size": size, "mode": claim["spec"]["accessModes"][0]})
    });
    Ok(json!({"pvcs": shown.collect::<Vec<_>>()}))
}
