//! What an object says that its author left out: the defaults of built-in kinds that clients and controllers read, and
//! those of definitions' schemas.
//!
//! Values follow `pkg/apis/*/v1/defaults.go` of Kubernetes 1.34.

mod custom;
mod pod;
mod workloads;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::kinds::Resource;

pub use pod::spec as pod_spec;

/// Fills in an object of a resource.
pub fn fill(resource: &Resource, object: &mut Value) {
    match &resource.definition {
        Some(definition) => {
            let version = definition.version(&resource.version).unwrap_or(&Value::Null);
            if let Some(schema) = version.pointer("/schema/openAPIV3Schema") {
                custom::fill(schema, object);
            }
        }
        None => built_in(&resource.group, &resource.kind, object),
    }
}

/// Fills in an object of a built-in kind.
pub fn built_in(group: &str, kind: &str, object: &mut Value) {
    let Some(map) = object.as_object_mut() else { return };
    match (group, kind) {
        ("", "Pod") => {
            if let Some(spec) = part(map, "spec") {
                pod::spec(spec);
                pod::requests_of_limits(spec);
                set(spec, "enableServiceLinks", json!(true));
            }
        }
        ("", "Namespace") => {
            if let Some(metadata) = part(map, "metadata")
                && let Some(name) = metadata.get("name").filter(|name| *name != "").cloned()
                && let Some(labels) = made(metadata, "labels")
            {
                labels.insert("kubernetes.io/metadata.name".into(), name);
            }
        }
        ("", "Secret") => secret(map),
        ("", "Service") => service(map),
        ("", "PersistentVolumeClaim") => {
            if let Some(spec) = part(map, "spec") {
                set(spec, "volumeMode", json!("Filesystem"));
            }
        }
        ("", "PersistentVolume") => {
            if let Some(spec) = part(map, "spec") {
                set(spec, "volumeMode", json!("Filesystem"));
                set(spec, "persistentVolumeReclaimPolicy", json!("Retain"));
                if let Some(path) = part(spec, "hostPath") {
                    set(path, "type", json!(""));
                }
            }
        }
        ("", "ReplicationController") | ("apps" | "batch", _) => workloads::fill(kind, map),
        ("", "Endpoints") => {
            for subset in each(map, "subsets") {
                each(subset, "ports").for_each(|port| set(port, "protocol", json!("TCP")));
            }
        }
        ("", "Event") => event(map),
        ("discovery.k8s.io", "EndpointSlice") => {
            for endpoint in each(map, "endpoints") {
                set(endpoint, "conditions", json!({}));
            }
            for port in each(map, "ports") {
                set(port, "name", json!(""));
                set(port, "protocol", json!("TCP"));
            }
        }
        ("scheduling.k8s.io", "PriorityClass") => set(map, "preemptionPolicy", json!("PreemptLowerPriority")),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => binding(map),
        ("storage.k8s.io", "StorageClass") => {
            set(map, "reclaimPolicy", json!("Delete"));
            set(map, "volumeBindingMode", json!("Immediate"));
        }
        ("networking.k8s.io", "NetworkPolicy") => {
            if let Some(spec) = part(map, "spec") {
                let egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
                let types = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
                set(spec, "policyTypes", types);
                for rules in ["ingress", "egress"] {
                    for rule in each(spec, rules) {
                        each(rule, "ports").for_each(|port| set(port, "protocol", json!("TCP")));
                    }
                }
            }
        }
        ("admissionregistration.k8s.io", _) => webhooks(kind, map),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(map),
        ("autoscaling", "HorizontalPodAutoscaler") => {
            if let Some(spec) = part(map, "spec") {
                set(spec, "minReplicas", json!(1));
                let metric = json!({ "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } });
                set(spec, "metrics", json!([{ "type": "Resource", "resource": metric }]));
            }
        }
        _ => {}
    }
}

/// Sets a field that is absent.
fn set(map: &mut Map<String, Value>, key: &str, value: Value) {
    if map.get(key).is_none_or(Value::is_null) {
        map.insert(key.to_owned(), value);
    }
}

/// A part that is an object; made if absent.
fn made<'a>(map: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    set(map, key, json!({}));
    part(map, key)
}

/// A part that is an object.
fn part<'a>(map: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    map.get_mut(key).and_then(Value::as_object_mut)
}

/// The objects of a list.
fn each<'a>(map: &'a mut Map<String, Value>, key: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    map.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn secret(map: &mut Map<String, Value>) {
    set(map, "type", json!("Opaque"));
    let Some(Value::Object(plain)) = map.shift_remove("stringData") else { return };
    if let Some(data) = made(map, "data") {
        for (key, value) in plain {
            data.insert(key, json!(BASE64_STANDARD.encode(value.as_str().unwrap_or_default())));
        }
    }
}

fn service(map: &mut Map<String, Value>) {
    let Some(spec) = part(map, "spec") else { return };
    set(spec, "sessionAffinity", json!("None"));
    set(spec, "type", json!("ClusterIP"));
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    for port in each(spec, "ports") {
        set(port, "protocol", json!("TCP"));
        let number = port.get("port").cloned().unwrap_or_default();
        if port.get("targetPort").is_none_or(|target| target.is_null() || target == 0 || target == "") {
            port.insert("targetPort".into(), number);
        }
    }
    if kind != "ExternalName" {
        set(spec, "internalTrafficPolicy", json!("Cluster"));
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        set(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", json!(true));
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";

fn binding(map: &mut Map<String, Value>) {
    if let Some(role) = part(map, "roleRef")
        && role.get("apiGroup").is_none_or(|group| group == "")
    {
        role.insert("apiGroup".into(), json!(RBAC));
    }
    for subject in each(map, "subjects") {
        let kind = subject.get("kind").and_then(Value::as_str).unwrap_or_default();
        if matches!(kind, "User" | "Group") {
            set(subject, "apiGroup", json!(RBAC));
        }
    }
}

/// What Go writes of an event even if it says nothing.
fn event(map: &mut Map<String, Value>) {
    for time in ["firstTimestamp", "lastTimestamp", "eventTime"] {
        map.entry(time).or_insert(Value::Null);
    }
    set(map, "source", json!({}));
    set(map, "reportingComponent", json!(""));
    set(map, "reportingInstance", json!(""));
}

fn webhooks(kind: &str, map: &mut Map<String, Value>) {
    if kind == "ValidatingAdmissionPolicy"
        && let Some(spec) = part(map, "spec")
    {
        set(spec, "failurePolicy", json!("Fail"));
        if let Some(constraints) = part(spec, "matchConstraints") {
            set(constraints, "matchPolicy", json!("Equivalent"));
            set(constraints, "namespaceSelector", json!({}));
            set(constraints, "objectSelector", json!({}));
            each(constraints, "resourceRules").for_each(|rule| set(rule, "scope", json!("*")));
        }
    }
    for webhook in each(map, "webhooks") {
        set(webhook, "failurePolicy", json!("Fail"));
        set(webhook, "matchPolicy", json!("Equivalent"));
        set(webhook, "namespaceSelector", json!({}));
        set(webhook, "objectSelector", json!({}));
        set(webhook, "timeoutSeconds", json!(10));
        if kind == "MutatingWebhookConfiguration" {
            set(webhook, "reinvocationPolicy", json!("Never"));
        }
        if let Some(service) = part(webhook, "clientConfig").and_then(|config| part(config, "service")) {
            set(service, "port", json!(443));
        }
        for rule in each(webhook, "rules") {
            set(rule, "scope", json!("*"));
        }
    }
}

fn definition(map: &mut Map<String, Value>) {
    let Some(spec) = part(map, "spec") else { return };
    if let Some(names) = part(spec, "names") {
        let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        set(names, "singular", json!(kind.to_lowercase()));
        set(names, "listKind", json!(format!("{kind}List")));
    }
    set(spec, "conversion", json!({ "strategy": "None" }));
    if let Some(webhook) = part(spec, "conversion").and_then(|conversion| part(conversion, "webhook"))
        && let Some(service) = part(webhook, "clientConfig").and_then(|config| part(config, "service"))
    {
        set(service, "port", json!(443));
    }
}
