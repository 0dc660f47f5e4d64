//! The PodDefaults webhook, as the API server meets it: what a namespace's PodDefaults give to its new pods
//! (`components/admission-webhook/main.go`, kubeflow v1.8.0 to v1.10.0; checked against what the real webhook was seen to
//! do).
//!
//! Whether a pod is asked about follows from the webhook configuration whose path is `/apply-poddefault`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::pod_admission::push;
use super::sidecar_injection::{call_problem, concerns};
use crate::api::Status;
use crate::controllers::label_selector;
use crate::object::{list, name, namespace, text};
use crate::platform::World;

const PREFIX: &str = "poddefault.admission.kubeflow.org";

/// Lists of the pod that are merged: field of the PodDefault, place in the pod, what names an item.
const OF_POD: [(&str, &str, &str); 5] = [
    ("volumes", "volumes", "/name"),
    ("tolerations", "tolerations", "/key"),
    ("imagePullSecrets", "imagePullSecrets", "/name"),
    ("initContainers", "initContainers", "/name"),
    ("sidecars", "containers", "/name"),
];
/// Lists of every container that are merged.
const OF_CONTAINERS: [(&str, &str, &str); 2] =
    [("env", "env", "/name"), ("volumeMounts", "volumeMounts", "/mountPath")];

/// Applies the PodDefaults that select a new pod, if a webhook says so.
///
/// # Errors
/// 500 when the webhook cannot be called and its `failurePolicy` is `Fail`; 400 for PodDefaults that contradict one
/// another or the pod.
pub fn admit(world: &World, pod: &mut Value) -> Result<(), Status> {
    for configuration in world.store.list("admissionregistration.k8s.io", "mutatingwebhookconfigurations", None) {
        for webhook in list(&configuration, "/webhooks") {
            if text(webhook, "/clientConfig/service/path") != "/apply-poddefault" || !concerns(world, webhook, pod) {
                continue;
            }
            let hook = text(webhook, "/name");
            match (call_problem(world, webhook), text(webhook, "/failurePolicy")) {
                (None, _) => apply(world, pod).map_err(|why| denied(hook, &why))?,
                (Some(_), "Ignore") => {}
                (Some(problem), _) => {
                    return Err(Status::internal(format!("failed calling webhook \"{hook}\": {problem}")));
                }
            }
        }
    }
    Ok(())
}

fn denied(hook: &str, why: &str) -> Status {
    let message =
        format!("admission webhook \"{hook}\" denied the request: conflict occurred while applying poddefaults: {why}");
    Status::new(400, "", message)
}

/// All that select the pod, or none.
fn apply(world: &World, pod: &mut Value) -> Result<(), String> {
    let excluded = pod["metadata"]["annotations"].get(format!("{PREFIX}/exclude")).and_then(Value::as_str);
    if excluded == Some("true") {
        return Ok(());
    }
    let all = world.store.list("kubeflow.org", "poddefaults", Some(namespace(pod)));
    let selects = |default: &Arc<Value>| {
        label_selector::matches(default.pointer("/spec/selector"), pod.pointer("/metadata/labels"))
    };
    let chosen: Vec<Arc<Value>> = all.into_iter().filter(selects).collect();
    let mut changed = pod.clone();
    for default in &chosen {
        give(&mut changed, default).map_err(|why| {
            let names: Vec<&str> = chosen.iter().map(|default| name(default)).collect();
            format!("{} on pod: {} err: {why}", names.join(","), name(pod))
        })?;
    }
    *pod = changed;
    Ok(())
}

fn give(pod: &mut Value, default: &Value) -> Result<(), String> {
    let spec = &default["spec"];
    for (field, place, named) in OF_POD {
        merge(&mut pod["spec"], place, list(spec, &format!("/{field}")), named, default)?;
    }
    let containers = pod.pointer_mut("/spec/containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        for (field, place, named) in OF_CONTAINERS {
            merge(container, place, list(spec, &format!("/{field}")), named, default)?;
        }
        for source in list(spec, "/envFrom") {
            push(container, "envFrom", source.clone());
        }
        let is_proxy = text(container, "/name") == "istio-proxy";
        for field in ["command", "args"] {
            let wanted = list(spec, &format!("/{field}"));
            if !wanted.is_empty() && !is_proxy && list(container, &format!("/{field}")).is_empty() {
                container[field] = json!(wanted);
            }
        }
    }
    for field in ["labels", "annotations"] {
        for (key, value) in spec.get(field).and_then(Value::as_object).into_iter().flatten() {
            let there = pod["metadata"][field].get(key);
            if there.is_some_and(|there| there != value) {
                return Err(format!("merging {field} for {} has a conflict on {key}", name(default)));
            }
            pod["metadata"][field][key] = value.clone();
        }
    }
    for field in ["serviceAccountName", "automountServiceAccountToken"] {
        if let Some(value) = spec.get(field).filter(|value| !value.is_null()) {
            pod["spec"][field] = value.clone();
        }
    }
    let mark = format!("{PREFIX}/poddefault-{}", name(default));
    pod["metadata"]["annotations"][mark] = json!(text(default, "/metadata/resourceVersion"));
    Ok(())
}

/// Adds what is missing. The same item again is none too many; another one of the same name is a conflict.
fn merge(target: &mut Value, place: &str, items: &[Value], named: &str, default: &Value) -> Result<(), String> {
    for item in items {
        let there = list(target, &format!("/{place}")).iter().find(|one| text(one, named) == text(item, named));
        match there {
            Some(there) if there == item => {}
            Some(_) => {
                let (of, on) = (name(default), text(item, named));
                return Err(format!("merging {place} for {of} has a conflict on {on}"));
            }
            None => push(target, place, item.clone()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default(name: &str, spec: Value) -> Value {
        json!({"metadata": {"name": name, "namespace": "a", "resourceVersion": "7"}, "spec": spec})
    }

    #[test]
    fn what_is_missing_is_given_and_marked() {
        let mut pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}});
        let given = json!({"env": [{"name": "A", "value": "b"}], "volumes": [{"name": "v"}],
            "volumeMounts": [{"name": "v", "mountPath": "/v"}], "labels": {"l": "1"}});
        give(&mut pod, &default("d", given.clone())).unwrap();
        assert_eq!(pod["spec"]["containers"][0]["env"], given["env"]);
        assert_eq!(pod["spec"]["volumes"], given["volumes"]);
        assert_eq!(pod["metadata"]["annotations"]["poddefault.admission.kubeflow.org/poddefault-d"], "7");
        let once = pod.clone();
        give(&mut pod, &default("d", given)).unwrap();
        assert_eq!(pod, once);
    }

    #[test]
    fn another_value_is_a_conflict() {
        let mut pod = json!({"spec": {"containers": [{"env": [{"name": "A", "value": "x"}]}]}});
        let conflict = give(&mut pod, &default("d", json!({"env": [{"name": "A", "value": "b"}]})));
        assert_eq!(conflict.unwrap_err(), "merging env for d has a conflict on A");
    }
}
