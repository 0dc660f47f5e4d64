//! What `jupyter-web-app` says about a notebook's state
//! (`components/crud-web-apps/jupyter/backend/apps/common/status.py`, kubeflow v1.9.2).

use std::time::Duration;

use serde_json::{Value, json};

use super::asked::Asked;
use super::flask::Refusal;
use super::jupyter;
use crate::object::{list, name, namespace, text};

/// The annotation that stops a notebook.
pub const STOPPED: &str = "kubeflow-resource-stopped";

/// How long a notebook of which nothing is known yet counts as beginning.
const BEGINNING: Duration = Duration::from_secs(10);

/// Phase and message.
pub async fn of(asked: &Asked<'_>, notebook: &Value) -> Result<Value, Refusal> {
    let ready = notebook.pointer("/status/readyReplicas").and_then(Value::as_u64).unwrap_or_default();
    if notebook["metadata"]["annotations"].get(STOPPED).is_some() {
        return Ok(match ready {
            0 => status("stopped", "No Pods are currently running for this Notebook Server."),
            _ => status("waiting", "Notebook Server is stopping."),
        });
    }
    if notebook.pointer("/metadata/deletionTimestamp").is_some() {
        return Ok(status("terminating", "Deleting this Notebook Server."));
    }
    if ready == 1 {
        return Ok(status("ready", "Running"));
    }
    let container = notebook.pointer("/status/containerState").and_then(Value::as_object);
    let conditions = list(notebook, "/status/conditions");
    if container.is_none_or(serde_json::Map::is_empty) && conditions.is_empty() && is_young(notebook) {
        return Ok(status("waiting", "Waiting for StatefulSet to create the underlying Pod."));
    }
    if let Some(waiting) = container.and_then(|container| container.get("waiting")) {
        return Ok(status("warning", &because(waiting)));
    }
    if let Some(condition) = conditions.iter().find(|condition| condition.get("reason").is_some()) {
        return Ok(status("warning", &because(condition)));
    }
    let mut events = jupyter::events_of(asked, namespace(notebook), "Notebook", name(notebook)).await?;
    let created = text(notebook, "/metadata/creationTimestamp");
    events.retain(|event| text(event, "/type") == "Warning" && text(event, "/metadata/creationTimestamp") >= created);
    events.sort_by(|a, b| text(a, "/metadata/creationTimestamp").cmp(text(b, "/metadata/creationTimestamp")));
    Ok(match events.last() {
        Some(event) => status("warning", text(event, "/message")),
        None => status("warning", "Couldn't find any information for the status of this notebook."),
    })
}

fn status(phase: &str, message: &str) -> Value {
    json!({"phase": phase, "message": message, "state": ""})
}

/// `reason: message`, or whichever there is.
fn because(state: &Value) -> String {
    let parts = [text(state, "/reason"), text(state, "/message")];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

fn is_young(notebook: &Value) -> bool {
    let created = text(notebook, "/metadata/creationTimestamp").parse::<jiff::Timestamp>();
    created.is_ok_and(|at| jiff::Timestamp::now().duration_since(at).unsigned_abs() <= BEGINNING)
}
