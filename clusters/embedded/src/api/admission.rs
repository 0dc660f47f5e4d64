//! What every write passes before it is stored: namespace life cycle, pruning, defaults, validation.
//!
//! Admission webhooks, ResourceQuota, LimitRange and Pod Security are to be called from [`admit`] (they are not yet).

use serde_json::Value;

use super::Status;
use super::call::Call;
use super::crd;
use crate::actors;
use crate::object::text;
use crate::store::Key;

/// Admits a new object (`old` is `None`) or a changed one.
///
/// # Errors
/// The refusal.
pub async fn admit(
    call: &Call,
    old: Option<&Value>,
    new: &mut Value,
    warnings: &mut Vec<String>,
) -> Result<(), Status> {
    let _ = &warnings;
    if old.is_none() {
        namespace_lives(call, text(new, "/metadata/name"))?;
        definition_lives(call, text(new, "/metadata/name"))?;
        starting_status(call, new);
    }
    if call.resource.group.is_empty() && call.route.subresource.is_empty() {
        match call.resource.plural.as_str() {
            "pods" if old.is_none() => crate::access::pod_admission::admit(&call.world, new)?,
            "services" => crate::controllers::services::complete(&call.world, old, new),
            _ => {}
        }
    }
    if call.resource.group == crd::GROUP && call.resource.plural == crd::PLURAL && call.route.subresource.is_empty() {
        crd::accept(new);
    }
    let experiment = call.resource.group == actors::katib::GROUP && call.resource.plural == "experiments";
    if experiment && call.route.subresource.is_empty() {
        crate::access::katib::admit(&call.world, old, new)?;
    }
    Ok(())
}

/// Nothing is made in a namespace that is not there (404) or is leaving (403).
fn namespace_lives(call: &Call, object: &str) -> Result<(), Status> {
    if !call.resource.namespaced {
        return Ok(());
    }
    let name = &call.route.namespace;
    let namespace = call.world.store.get(&Key::new("", "namespaces", "", name));
    let Some(namespace) = namespace else { return Err(Status::not_found("", "namespaces", name)) };
    if namespace.pointer("/metadata/deletionTimestamp").is_none() {
        return Ok(());
    }
    let resource = &call.resource;
    let why = format!("unable to create new content in namespace {name} because it is being terminated");
    let mut status = Status::forbidden(&resource.group, &resource.plural, object, &why);
    if let Some(details) = &mut status.details {
        details["causes"] = serde_json::json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {name} is being terminated"),
            "field": "metadata.namespace",
        }]);
    }
    Err(status)
}

/// Nothing is made of a definition that is leaving.
fn definition_lives(call: &Call, object: &str) -> Result<(), Status> {
    let resource = &call.resource;
    let key = Key::new(crd::GROUP, crd::PLURAL, "", &resource.qualified());
    let definition = resource.definition.as_ref().and_then(|_| call.world.store.get(&key));
    if definition.is_none_or(|definition| definition.pointer("/metadata/deletionTimestamp").is_none()) {
        return Ok(());
    }
    let why = "create not allowed while custom resource definition is terminating";
    Err(Status::forbidden(&resource.group, &resource.plural, object, why))
}

/// Status is the system's: what a client sends with a new object is dropped where there is a status subresource.
fn starting_status(call: &Call, object: &mut Value) {
    if call.resource.has("status")
        && let Some(map) = object.as_object_mut()
    {
        map.shift_remove("status");
    }
    match (call.resource.group.as_str(), call.resource.plural.as_str()) {
        ("", "namespaces") => {
            object["spec"]["finalizers"] = serde_json::json!(["kubernetes"]);
            object["status"] = serde_json::json!({ "phase": "Active" });
            let name = text(object, "/metadata/name").to_owned();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = serde_json::json!(name);
        }
        ("", "persistentvolumes") => {
            let since = crate::store::now();
            object["status"] = serde_json::json!({ "phase": "Pending", "lastPhaseTransitionTime": since });
        }
        ("", "persistentvolumeclaims") => {
            object["status"] = serde_json::json!({ "phase": "Pending" });
            protect(object, "kubernetes.io/pvc-protection");
        }
        ("", "pods") => {
            object["status"] = serde_json::json!({ "phase": "Pending" });
        }
        ("", "services") | ("networking.k8s.io", "ingresses") => {
            object["status"] = serde_json::json!({ "loadBalancer": {} });
        }
        (group, plural) => {
            if let Some(status) = zero_status(group, plural) {
                object["status"] = status;
            }
        }
    }
    if call.resource.plural == "pods" && call.resource.group.is_empty() {
        object["status"]["qosClass"] = serde_json::json!(crate::kubelet::quality_of_service(object));
    }
}

/// Holds what may be in use (admission plug-in `StorageObjectInUseProtection`).
fn protect(object: &mut Value, finalizer: &str) {
    let finalizers = &mut object["metadata"]["finalizers"];
    if finalizers.is_null() {
        *finalizers = serde_json::json!([]);
    }
    if let Some(finalizers) = finalizers.as_array_mut()
        && !finalizers.iter().any(|known| known == finalizer)
    {
        finalizers.push(finalizer.into());
    }
}

/// What Go writes of an empty status: the numbers that are not left out when they are 0.
fn zero_status(group: &str, plural: &str) -> Option<Value> {
    use serde_json::json;
    Some(match (group, plural) {
        ("apps", "deployments") | ("batch", "jobs" | "cronjobs") | ("", "resourcequotas") => json!({}),
        ("apps", "statefulsets") => json!({ "replicas": 0, "availableReplicas": 0 }),
        ("apps", "replicasets") | ("", "replicationcontrollers") => json!({ "replicas": 0 }),
        ("apps", "daemonsets") => json!({
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
        }),
        ("policy", "poddisruptionbudgets") => json!({
            "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0,
        }),
        ("autoscaling", "horizontalpodautoscalers") => json!({ "desiredReplicas": 0, "currentMetrics": null }),
        _ => return None,
    })
}
