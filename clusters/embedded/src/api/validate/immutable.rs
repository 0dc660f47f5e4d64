//! What cannot be changed once an object is there.

use serde_json::{Value, json};

use super::Problem;
use crate::api::kinds::Resource;

const FIELD: &str = "field is immutable";

/// Fields that keep their value, by group and plural.
fn fixed(group: &str, plural: &str) -> &'static [&'static str] {
    match (group, plural) {
        ("apps", "deployments" | "daemonsets" | "replicasets") => &["spec.selector"],
        ("batch", "jobs") => &["spec.selector", "spec.template", "spec.completionMode"],
        ("", "secrets") => &["type"],
        ("storage.k8s.io", "storageclasses") => &["provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"],
        ("scheduling.k8s.io", "priorityclasses") => &["value"],
        ("apiextensions.k8s.io", "customresourcedefinitions") => &["spec.group", "spec.names.plural", "spec.scope"],
        _ => &[],
    }
}

/// What was changed that cannot be.
pub(super) fn problems(resource: &Resource, old: &Value, new: &Value) -> Vec<Problem> {
    let (group, plural) = (resource.group.as_str(), resource.plural.as_str());
    let differs = |path: &str| {
        let pointer = format!("/{}", path.replace('.', "/"));
        old.pointer(&pointer) != new.pointer(&pointer)
    };
    let mut problems: Vec<Problem> = fixed(group, plural)
        .iter()
        .filter(|path| differs(path))
        .map(|path| {
            let pointer = format!("/{}", path.replace('.', "/"));
            Problem::invalid(*path, new.pointer(&pointer).unwrap_or(&Value::Null), FIELD)
        })
        .collect();
    match (group, plural) {
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") if differs("roleRef") => {
            let to = &new["roleRef"];
            let shown = json!({ "APIGroup": to["apiGroup"], "Kind": to["kind"], "Name": to["name"] });
            problems.push(Problem::invalid("roleRef", &shown, "cannot change roleRef"));
        }
        ("", "services") if old["spec"]["clusterIP"].is_string() && differs("spec.clusterIP") => {
            let from = |object: &Value| object["spec"]["type"].as_str().map(str::to_owned);
            // Becoming or having been an ExternalName may change the address.
            if from(old).as_deref() != Some("ExternalName") && from(new).as_deref() != Some("ExternalName") {
                let rule = "may not change once set";
                problems.push(Problem::invalid("spec.clusterIPs[0]", &json!([new["spec"]["clusterIP"]]), rule));
            }
        }
        ("", "configmaps" | "secrets") if old["immutable"] == true => {
            let rule = "field is immutable when `immutable` is set";
            let kept = ["data", "binaryData", "immutable"];
            problems.extend(kept.iter().filter(|field| differs(field)).map(|field| Problem::forbidden(*field, rule)));
        }
        ("", "persistentvolumeclaims") => {
            let bound = old["spec"]["volumeName"].is_string();
            let free: &[&str] = if bound { &["resources", "volumeAttributesClassName"] } else { &["volumeName"] };
            let part = |object: &Value| without(object, free);
            if part(old) != part(new) {
                let rule = "spec is immutable after creation except resources.requests and \
                            volumeAttributesClassName for bound claims";
                problems.push(Problem::forbidden("spec", rule));
            }
        }
        ("apps", "statefulsets") => {
            let free = [
                "replicas",
                "ordinals",
                "template",
                "updateStrategy",
                "revisionHistoryLimit",
                "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds",
            ];
            if without(old, &free) != without(new, &free) {
                let rule = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                            'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                            'minReadySeconds' are forbidden";
                problems.push(Problem::forbidden("spec", rule));
            }
        }
        ("", "pods") => problems.extend(pod(old, new)),
        _ => {}
    }
    problems
}

/// A pod may change its images, deadline and tolerations, and be placed on a node.
fn pod(old: &Value, new: &Value) -> Option<Problem> {
    let part = |object: &Value| {
        let mut spec = without(
            object,
            &[
                "activeDeadlineSeconds",
                "terminationGracePeriodSeconds",
                "tolerations",
                "nodeName",
                "schedulingGates",
                "ephemeralContainers",
            ],
        );
        for containers in ["containers", "initContainers"] {
            for container in spec.get_mut(containers).and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(container) = container.as_object_mut() {
                    container.remove("image");
                    container.remove("resources");
                }
            }
        }
        spec
    };
    (part(old) != part(new)).then(|| {
        Problem::forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`, \
             `spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to existing \
             tolerations), `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        )
    })
}

fn without(object: &Value, fields: &[&str]) -> Value {
    let mut spec = object["spec"].clone();
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|key, _| !fields.contains(&key.as_str()));
    }
    spec
}
