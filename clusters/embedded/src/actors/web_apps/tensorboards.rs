//! The routes of `tensorboards-web-app` (`components/crud-web-apps/tensorboards/backend/app`).

use http::Method;
use serde_json::{Value, json};

use super::asked::{Asked, said};
use super::everywhere;
use super::flask::{Outcome, Refusal, printed};
use crate::actors::kubernetes::part;
use crate::object::{self, text};

const TENSORBOARDS: &str = "tensorboard.kubeflow.org/v1alpha1/tensorboards";

/// The route's outcome, if the request has one here.
pub async fn route(asked: &Asked<'_>) -> Option<Outcome> {
    Some(match (&asked.method, asked.path().as_slice()) {
        (&Method::GET, ["api", "namespaces", namespace, "tensorboards"]) => list(asked, namespace).await,
        (&Method::POST, ["api", "namespaces", namespace, "tensorboards"]) => create(asked, namespace).await,
        (&Method::DELETE, ["api", "namespaces", namespace, "tensorboards", name]) => {
            delete(asked, namespace, name).await
        }
        (&Method::GET, ["api", "namespaces", namespace, "pvcs"]) => claims(asked, namespace).await,
        (&Method::GET, ["api", "namespaces", namespace, "poddefaults"]) => {
            everywhere::pod_defaults(asked, namespace).await
        }
        _ => return None,
    })
}

fn path(namespace: &str) -> String {
    format!("/apis/tensorboard.kubeflow.org/v1alpha1/namespaces/{}/tensorboards", part(namespace))
}

async fn list(asked: &Asked<'_>, namespace: &str) -> Outcome {
    asked.allowed("list", TENSORBOARDS, Some(namespace)).await?;
    let found = asked.api.items(&path(namespace)).await.map_err(said)?;
    Ok(json!({"tensorboards": found.iter().map(shown).collect::<Vec<_>>()}))
}

fn shown(tensorboard: &Value) -> Value {
    let ready = tensorboard.pointer("/status/readyReplicas").and_then(Value::as_u64) == Some(1);
    let (phase, message) = if ready {
        ("ready", "The Tensorboard server is ready to connect")
    } else {
        ("unavailable", "The Tensorboard server is currently unavailble")
    };
    json!({
        "name": object::name(tensorboard), "namespace": object::namespace(tensorboard),
        "logspath": tensorboard["spec"]["logspath"], "age": text(tensorboard, "/metadata/creationTimestamp"),
        "status": {"phase": phase, "message": message, "state": ""},
    })
}

/// Nothing looks at the path of the logs here.
async fn create(asked: &Asked<'_>, namespace: &str) -> Outcome {
    let form = asked.form(&["name", "logspath"])?;
    let configurations = form.get("configurations").cloned().unwrap_or_default();
    let Some(labels) = configurations.as_array() else {
        let why = format!("Labels for PodDefaults are not list: {}", printed(&configurations));
        return Err(Refusal::bad_request(why));
    };
    let labels: serde_json::Map<String, Value> = labels.iter().map(|label| (key(label), json!("true"))).collect();
    let tensorboard = json!({
        "apiVersion": "tensorboard.kubeflow.org/v1alpha1", "kind": "Tensorboard",
        "metadata": {"name": form["name"], "namespace": namespace, "labels": labels},
        "spec": {"logspath": form["logspath"]},
    });
    asked.allowed("create", TENSORBOARDS, Some(namespace)).await?;
    asked.api.write(Method::POST, &path(namespace), &tensorboard).await.map_err(said)?;
    Ok(json!({"message": "Tensorboard created successfully."}))
}

/// A key of a JSON object as Python writes one.
pub fn key(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

async fn delete(asked: &Asked<'_>, namespace: &str, name: &str) -> Outcome {
    asked.allowed("delete", TENSORBOARDS, Some(namespace)).await?;
    let options = json!({"propagationPolicy": "Foreground"});
    asked.api.write(Method::DELETE, &format!("{}/{}", path(namespace), part(name)), &options).await.map_err(said)?;
    Ok(json!({"message": "Tensorboard deleted successfully."}))
}

async fn claims(asked: &Asked<'_>, namespace: &str) -> Outcome {
    asked.allowed("list", "v1/persistentvolumeclaims", Some(namespace)).await?;
    let path = format!("/api/v1/namespaces/{}/persistentvolumeclaims", part(namespace));
    let found = asked.api.items(&path).await.map_err(said)?;
    Ok(json!({"pvcs": found.iter().map(object::name).collect::<Vec<_>>()}))
}
