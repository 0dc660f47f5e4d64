//! Rules of built-in kinds that their types do not tell: those that installers and people meet.

use serde_json::{Value, json};

use super::{Problem, data, metadata, single};
use crate::api::kinds::Resource;
use crate::kubelet::fields::quantity;
use crate::object::{list, name, selected_by, text};

/// What is wrong.
pub(super) fn problems(resource: &Resource, object: &Value) -> Vec<Problem> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("apiextensions.k8s.io", "customresourcedefinitions") => definition(object),
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") => workload(object),
        ("", "pods") => pod_spec(&object["spec"], "spec"),
        ("batch", "jobs") => job(object),
        ("batch", "cronjobs") => Vec::from_iter(single::cron_job(object)),
        ("", "configmaps") => data::keys(object),
        ("", "secrets") => data::secret(object),
        ("", "persistentvolumeclaims") => single::claim(object),
        ("", "events") => Vec::from_iter(single::event(object)),
        ("rbac.authorization.k8s.io", "roles" | "clusterroles") => single::role(object),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") if object.get("roleRef").is_none() => {
            vec![Problem::required("roleRef.name", "")]
        }
        ("policy", "poddisruptionbudgets") => Vec::from_iter(single::disruption_budget(object)),
        ("networking.k8s.io", "ingresses") => single::ingress(object),
        ("autoscaling", "horizontalpodautoscalers") => single::autoscaler(object),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations" | "mutatingwebhookconfigurations") => {
            single::webhooks(object)
        }
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
            problems.push(Problem::required(field, ""));
        }
    }
    problems
}

fn workload(object: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    // Without a specification its type cannot tell what it lacks.
    if object.get("spec").is_none() {
        problems.push(Problem::required("spec.selector", ""));
    }
    problems.extend(specified_workload(object));
    problems
}

fn specified_workload(object: &Value) -> Vec<Problem> {
    let selector = &object["spec"]["selector"];
    let template = &object["spec"]["template"];
    let mut problems = pod_spec(&template["spec"], "spec.template.spec");
    let unmatched = selector["matchLabels"].is_object() && !selected_by(template, selector.get("matchLabels"));
    if unmatched || !selector.is_object() {
        let rule = "`selector` does not match template `labels`";
        let labels = &template["metadata"]["labels"];
        problems.insert(0, Problem::invalid("spec.template.metadata.labels", labels, rule));
    }
    let (strategy, management) = (text(object, "/spec/strategy/type"), text(object, "/spec/podManagementPolicy"));
    if !matches!(strategy, "" | "Recreate" | "RollingUpdate") {
        let shown = json!({ "Type": strategy, "RollingUpdate": object["spec"]["strategy"]["rollingUpdate"] });
        let supported = ["Recreate", "RollingUpdate"].map(|kind| json!(kind));
        problems.push(Problem::unsupported("spec.strategy", &shown, &supported));
    }
    if !matches!(management, "" | "OrderedReady" | "Parallel") {
        let rule = "must be 'OrderedReady' or 'Parallel'";
        problems.push(Problem::invalid("spec.podManagementPolicy", &json!(management), rule));
    }
    if object["spec"]["replicas"].as_i64().is_some_and(|replicas| replicas < 0) {
        let rule = "must be greater than or equal to 0";
        problems.push(Problem::invalid("spec.replicas", &object["spec"]["replicas"], rule));
    }
    problems
}

fn job(object: &Value) -> Vec<Problem> {
    let spec = &object["spec"];
    let mut problems = Vec::new();
    for field in ["parallelism", "completions"] {
        if spec[field].as_i64().is_some_and(|count| count < 0) {
            let rule = "must be greater than or equal to 0";
            problems.push(Problem::invalid(format!("spec.{field}"), &spec[field], rule));
        }
    }
    let policy = text(spec, "/template/spec/restartPolicy");
    if !matches!(policy, "OnFailure" | "Never") {
        let supported = ["OnFailure", "Never"].map(|policy| json!(policy));
        problems.push(Problem::unsupported("spec.template.spec.restartPolicy", &json!(policy), &supported));
    }
    problems.extend(pod_spec(&spec["template"]["spec"], "spec.template.spec"));
    problems
}

/// What is wrong with a container by itself.
fn container(container: &Value, at: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let name = text(container, "/name");
    if let Some(rule) = crate::api::verbs::label_rule(name).filter(|_| !name.is_empty()) {
        problems.push(Problem::invalid(format!("{at}.name"), &json!(name), &rule));
    }
    for (place, port) in list(container, "/ports").iter().enumerate() {
        let number = &port["containerPort"];
        if number.as_i64().is_some_and(|port| !(1..=65535).contains(&port)) {
            problems.push(Problem::invalid(format!("{at}.ports[{place}].containerPort"), number, PORT));
        }
    }
    let part = |part: &str| container["resources"][part].as_object().cloned().unwrap_or_default();
    let limits = part("limits");
    for (of, request) in part("requests") {
        let Some(limit) = limits.get(&of) else { continue };
        if quantity(&request) > quantity(limit) {
            let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let rule = format!("must be less than or equal to {of} limit of {}", shown(limit));
            problems.push(Problem::invalid(format!("{at}.resources.requests"), &json!(shown(&request)), &rule));
        }
    }
    problems
}

const PORT: &str = "must be between 1 and 65535, inclusive";

fn pod_spec(spec: &Value, at: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let containers = list(spec, "/containers");
    if containers.is_empty() {
        problems.push(Problem::required(format!("{at}.containers"), ""));
    }
    let volumes = list(spec, "/volumes");
    for (place, volume) in volumes.iter().enumerate() {
        if volumes[..place].iter().any(|other| other["name"] == volume["name"]) {
            problems.push(Problem {
                reason: "FieldValueDuplicate",
                field: format!("{at}.volumes[{place}].name"),
                message: format!("Duplicate value: {}", volume["name"]),
            });
        }
        let sources = volume.as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| *key != "name");
        for further in sources.skip(1) {
            let field = format!("{at}.volumes[{place}].{further}");
            problems.push(Problem::forbidden(field, "may not specify more than 1 volume type"));
        }
    }
    let mut seen = Vec::new();
    for (kind, containers) in [("containers", containers), ("initContainers", list(spec, "/initContainers"))] {
        for (place, container) in containers.iter().enumerate() {
            let field = |name: &str| format!("{at}.{kind}[{place}].{name}");
            problems.extend(self::container(container, &format!("{at}.{kind}[{place}]")));
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
        for field in ["port", "targetPort"] {
            if port[field].as_i64().is_some_and(|port| !(1..=65535).contains(&port)) {
                problems.push(Problem::invalid(format!("spec.ports[{at}].{field}"), &port[field], PORT));
            }
        }
        if ports[..at].iter().any(|other| other["name"] == port["name"] && !text(port, "/name").is_empty()) {
            problems.push(Problem {
                reason: "FieldValueDuplicate",
                field: format!("spec.ports[{at}].name"),
                message: format!("Duplicate value: {}", port["name"]),
            });
        }
    }
    for value in spec["selector"].as_object().into_iter().flatten().map(|(_, value)| value) {
        if value.as_str().is_some_and(|text| !text.is_empty() && !metadata::is_name(text)) {
            problems.push(Problem::invalid("spec.selector", value, metadata::VALUE_RULE));
        }
    }
    if kind == "ExternalName" && text(spec, "/externalName").is_empty() {
        problems.push(Problem::required("spec.externalName", ""));
    }
    let address = text(spec, "/clusterIP");
    if !matches!(address, "" | "None") && address.parse::<std::net::IpAddr>().is_err() {
        let rule = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        problems.push(Problem::invalid("spec.clusterIPs[0]", &json!(address), rule));
    }
    if !matches!(kind, "" | "ClusterIP" | "ExternalName" | "LoadBalancer" | "NodePort") {
        let supported = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"].map(|kind| json!(kind));
        problems.push(Problem::unsupported("spec.type", &spec["type"], &supported));
    }
    problems
}
