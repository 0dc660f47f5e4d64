//! Pods and their containers.

use serde_json::{Map, Value, json};

use super::{each, made, part, set};

/// Fills in the spec of a pod or of a pod template.
pub fn spec(spec: &mut Map<String, Value>) {
    set(spec, "restartPolicy", json!("Always"));
    set(spec, "dnsPolicy", json!("ClusterFirst"));
    set(spec, "schedulerName", json!("default-scheduler"));
    set(spec, "terminationGracePeriodSeconds", json!(30));
    set(spec, "securityContext", json!({}));
    account(spec);
    for containers in ["containers", "initContainers", "ephemeralContainers"] {
        each(spec, containers).for_each(container);
    }
    each(spec, "volumes").for_each(volume);
}

/// `serviceAccount` is the old name of `serviceAccountName`; both say the same.
fn account(spec: &mut Map<String, Value>) {
    let name = ["serviceAccountName", "serviceAccount"]
        .iter()
        .find_map(|key| spec.get(*key).filter(|name| name.as_str().is_some_and(|name| !name.is_empty())).cloned());
    if let Some(name) = name {
        spec.insert("serviceAccountName".into(), name.clone());
        spec.insert("serviceAccount".into(), name);
    }
}

/// Limits without requests are requests too; only in pods, not in templates.
pub(super) fn requests_of_limits(spec: &mut Map<String, Value>) {
    for containers in ["containers", "initContainers"] {
        for container in each(spec, containers) {
            let Some(resources) = part(container, "resources") else { continue };
            let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { continue };
            if let Some(requests) = made(resources, "requests") {
                for (name, limit) in limits {
                    set(requests, &name, limit);
                }
            }
        }
    }
}

fn container(container: &mut Map<String, Value>) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let tag = image.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    let floating = !image.contains('@') && tag.is_none_or(|tag| tag == "latest");
    let policy = if floating { "Always" } else { "IfNotPresent" };
    set(container, "imagePullPolicy", json!(policy));
    set(container, "terminationMessagePath", json!("/dev/termination-log"));
    set(container, "terminationMessagePolicy", json!("File"));
    set(container, "resources", json!({}));
    for port in each(container, "ports") {
        set(port, "protocol", json!("TCP"));
    }
    for variable in each(container, "env") {
        let field = part(variable, "valueFrom").and_then(|from| part(from, "fieldRef"));
        if let Some(field) = field {
            set(field, "apiVersion", json!("v1"));
        }
    }
    for kind in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = part(container, kind) {
            set(probe, "timeoutSeconds", json!(1));
            set(probe, "periodSeconds", json!(10));
            set(probe, "successThreshold", json!(1));
            set(probe, "failureThreshold", json!(3));
            get_action(probe);
        }
    }
    if let Some(lifecycle) = part(container, "lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(hook) = part(lifecycle, hook) {
                get_action(hook);
            }
        }
    }
}

fn get_action(holder: &mut Map<String, Value>) {
    if let Some(action) = part(holder, "httpGet") {
        set(action, "path", json!("/"));
        set(action, "scheme", json!("HTTP"));
    }
}

fn volume(volume: &mut Map<String, Value>) {
    for kind in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = part(volume, kind) {
            set(source, "defaultMode", json!(420));
            for item in each(source, "items") {
                if let Some(field) = part(item, "fieldRef") {
                    set(field, "apiVersion", json!("v1"));
                }
            }
            for source in each(source, "sources") {
                if let Some(token) = part(source, "serviceAccountToken") {
                    set(token, "expirationSeconds", json!(3600));
                }
            }
        }
    }
    if let Some(path) = part(volume, "hostPath") {
        set(path, "type", json!(""));
    }
    // A volume without a source is an empty directory.
    if volume.len() == 1 && volume.contains_key("name") {
        volume.insert("emptyDir".into(), json!({}));
    }
}
