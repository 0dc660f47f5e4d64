//! Pods that workloads make from their templates.

use std::sync::Arc;

use serde_json::{Value, json};

use super::events::{Severity, record};
use super::owned::{controller_reference, is_leaving, suffix};
use crate::access::pod_admission;
use crate::object::{list, namespace, text};
use crate::platform::World;
use crate::store::{Key, StoreError};

/// How a workload names its pods.
pub enum Name<'a> {
    /// A stem and five random characters.
    Generated(&'a str),
    /// Exactly this.
    Exactly(&'a str),
}

/// Makes a pod from `owner`'s template, with further labels; records an event at the owner either way.
///
/// # Errors
/// Why the API would refuse the pod, in its words.
pub fn create(
    world: &World,
    owner: &Value,
    template: &Value,
    name: &Name<'_>,
    labels: &[(&str, &str)],
) -> Result<Arc<Value>, String> {
    let (api_version, kind) = (text(owner, "/apiVersion"), text(owner, "/kind"));
    let component = format!("{}-controller", kind.to_lowercase());
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": template.get("metadata").cloned()
        .filter(Value::is_object).unwrap_or_else(|| json!({})), "spec": template.get("spec").cloned().unwrap_or_else(|| json!({}))});
    for (key, value) in labels {
        pod["metadata"]["labels"][*key] = json!(value);
    }
    pod["metadata"]["ownerReferences"] = json!([controller_reference(owner, api_version, kind)]);
    if let Name::Generated(stem) = name {
        pod["metadata"]["generateName"] = json!(format!("{stem}-"));
    }
    let made = store(world, namespace(owner), name, pod);
    match &made {
        Ok(pod) => {
            let message = format!("Created pod: {}", crate::object::name(pod));
            record(world, &component, owner, Severity::Normal, "SuccessfulCreate", &message);
        }
        Err(reason) => {
            record(world, &component, owner, Severity::Warning, "FailedCreate", &format!("Error creating: {reason}"));
        }
    }
    made
}

fn store(world: &World, namespace: &str, name: &Name<'_>, mut pod: Value) -> Result<Arc<Value>, String> {
    pod["metadata"]["namespace"] = json!(namespace);
    if let Name::Exactly(name) = name {
        pod["metadata"]["name"] = json!(name);
    }
    pod_admission::admit(world, &mut pod).map_err(|status| status.message)?;
    loop {
        let chosen = match name {
            Name::Generated(stem) => format!("{stem}-{}", suffix()),
            Name::Exactly(name) => (*name).to_owned(),
        };
        match (world.store.create(&Key::new("", "pods", namespace, &chosen), pod.clone()), name) {
            (Ok(pod), _) => return Ok(pod),
            (Err(StoreError::Exists(_)), Name::Generated(_)) => {}
            (Err(error), _) => return Err(error.to_string()),
        }
    }
}

/// Removes a pod and records it at the owner.
pub fn delete(world: &World, owner: &Value, pod: &Value) {
    let name = crate::object::name(pod);
    if world.store.delete(&Key::new("", "pods", namespace(pod), name)).is_ok() {
        let component = format!("{}-controller", text(owner, "/kind").to_lowercase());
        record(world, &component, owner, Severity::Normal, "SuccessfulDelete", &format!("Deleted pod: {name}"));
    }
}

/// Whether a pod still counts for its workload: not ended, not on its way out.
#[must_use]
pub fn is_active(pod: &Value) -> bool {
    !is_leaving(pod) && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// The number of a container's port by name.
#[must_use]
pub fn named_port(pod: &Value, wanted: &str) -> Option<u64> {
    list(pod, "/spec/containers")
        .iter()
        .chain(list(pod, "/spec/initContainers"))
        .flat_map(|container| list(container, "/ports"))
        .find(|port| text(port, "/name") == wanted)
        .and_then(|port| port.get("containerPort"))
        .and_then(Value::as_u64)
}
