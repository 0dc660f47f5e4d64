//! Rules of built-in kinds that their types do not tell: those that installers and people meet.

use serde_json::{Value, json};

use super::Problem;
use crate::api::kinds::Resource;
use crate::object::{list, name, selected_by, text};

/// What is wrong.
pub(super) fn problems(resource: &Resource, object: &Value) -> Vec<Problem> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("apiextensions.k8s.io", "customresourcedefinitions") => definition(object),
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") => workload(object),
        ("", "pods") => pod_spec(&object["spec"], "spec"),
        ("batch", "jobs") => pod_spec(&object["spec"]["template"]["spec"], "spec.template.spec"),
        ("", "services") => service(object),
        _ => Vec::new(),
    }
}

fn definition(object: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    let expected = format!("{}.{}", text(object, "/spec/names/plural"), text(object, "/spec/group"));
    if name(object) != expected {
        let rule = "must be spec.names.plural+\".\"+spec.group";
        problems.push(Problem::invalid("metadata.name", &json!(name(object)), rule));
    }
    if !matches!(text(object, "/spec/scope"), "Namespaced" | "Cluster") {
        let supported = [json!("Cluster"), json!("Namespaced")];
        problems.push(Problem::unsupported("spec.scope", &object["spec"]["scope"], &supported));
    }
    let versions = list(object, "/spec/versions");
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let rule = "must have exactly one version marked as storage version";
        problems.push(Problem::invalid("spec.versions", &json!(versions.len()), rule));
    }
    for (at, version) in versions.iter().enumerate() {
        if !version["schema"]["openAPIV3Schema"].is_object() {
            let field = format!("spec.versions[{at}].schema.openAPIV3Schema");
            problems.push(Problem::required(field, "schemas are required"));
        }
    }
    problems
}

fn workload(object: &Value) -> Vec<Problem> {
    let selector = &object["spec"]["selector"];
    let template = &object["spec"]["template"];
    let mut problems = pod_spec(&template["spec"], "spec.template.spec");
    if selector["matchLabels"].is_object() && !selected_by(template, selector.get("matchLabels")) {
        let rule = "`selector` does not match template `labels`";
        problems.push(Problem::invalid("spec.template.metadata.labels", &template["metadata"]["labels"], rule));
    }
    if object["spec"]["replicas"].as_i64().is_some_and(|replicas| replicas < 0) {
        let rule = "must be greater than or equal to 0";
        problems.push(Problem::invalid("spec.replicas", &object["spec"]["replicas"], rule));
    }
    problems
}

fn pod_spec(spec: &Value, at: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let containers = list(spec, "/containers");
    if containers.is_empty() {
        problems.push(Problem::required(format!("{at}.containers"), ""));
    }
    let volumes = list(spec, "/volumes");
    let mut seen = Vec::new();
    for (kind, containers) in [("containers", containers), ("initContainers", list(spec, "/initContainers"))] {
        for (place, container) in containers.iter().enumerate() {
            let field = |name: &str| format!("{at}.{kind}[{place}].{name}");
            if text(container, "/image").is_empty() {
                problems.push(Problem::required(field("image"), ""));
            }
            if seen.contains(&&container["name"]) {
                problems.push(Problem {
                    reason: "FieldValueDuplicate",
                    field: field("name"),
                    message: format!("Duplicate value: {}", container["name"]),
                });
            }
            seen.push(&container["name"]);
            for (mount_place, mount) in list(container, "/volumeMounts").iter().enumerate() {
                if !volumes.iter().any(|volume| volume["name"] == mount["name"]) {
                    problems.push(Problem {
                        reason: "FieldValueNotFound",
                        field: field(&format!("volumeMounts[{mount_place}].name")),
                        message: format!("Not found: {}", mount["name"]),
                    });
                }
            }
        }
    }
    problems
}

fn service(object: &Value) -> Vec<Problem> {
    let spec = &object["spec"];
    let ports = list(spec, "/ports");
    let kind = text(spec, "/type");
    let mut problems = Vec::new();
    if ports.is_empty() && kind != "ExternalName" && spec["clusterIP"] != "None" {
        problems.push(Problem::required("spec.ports", ""));
    }
    for (at, port) in ports.iter().enumerate() {
        if ports.len() > 1 && text(port, "/name").is_empty() {
            problems.push(Problem::required(format!("spec.ports[{at}].name"), ""));
        }
        if port["port"].as_i64().is_some_and(|port| !(1..=65535).contains(&port)) {
            let rule = "must be between 1 and 65535, inclusive";
            problems.push(Problem::invalid(format!("spec.ports[{at}].port"), &port["port"], rule));
        }
    }
    if !matches!(kind, "" | "ClusterIP" | "ExternalName" | "LoadBalancer" | "NodePort") {
        let supported = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"].map(|kind| json!(kind));
        problems.push(Problem::unsupported("spec.type", &spec["type"], &supported));
    }
    problems
}
