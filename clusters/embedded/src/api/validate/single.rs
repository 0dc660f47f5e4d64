//! Kinds with a rule or two of their own.

use serde_json::{Value, json};

use super::Problem;
use crate::object::{list, text};

/// A Role or ClusterRole: each rule is about resources or about paths.
pub(super) fn role(object: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, rule) in list(object, "/rules").iter().enumerate() {
        let empty = |part: &str| list(rule, part).is_empty();
        let mut need = |part: &str, why: &str| problems.push(Problem::required(format!("rules[{at}].{part}"), why));
        if empty("/verbs") {
            need("verbs", "verbs must contain at least one value");
        }
        if empty("/nonResourceURLs") {
            if empty("/apiGroups") {
                need("apiGroups", "resource rules must supply at least one api group");
            }
            if empty("/resources") {
                need("resources", "resource rules must supply at least one resource");
            }
        }
    }
    problems
}

/// A PersistentVolumeClaim says how it is used and how large it is.
pub(super) fn claim(object: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    if list(object, "/spec/accessModes").is_empty() {
        problems.push(Problem::required("spec.accessModes", "at least 1 access mode is required"));
    }
    let field = "spec.resources[storage]";
    match object.pointer("/spec/resources/requests/storage") {
        None => problems.push(Problem::required(field, "")),
        Some(size) if size.as_str().is_some_and(|size| size.starts_with('-') || size == "0") => {
            problems.push(Problem::invalid(field, size, "must be greater than zero"));
        }
        Some(_) => {}
    }
    problems
}

/// An Ingress leads somewhere, by absolute paths.
pub(super) fn ingress(object: &Value) -> Vec<Problem> {
    let rules = list(object, "/spec/rules");
    if rules.is_empty() && object.pointer("/spec/defaultBackend").is_none() {
        let rule = "either `defaultBackend` or `rules` must be specified";
        return vec![Problem::invalid("spec", &Value::Null, rule)];
    }
    let mut problems = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        for (place, path) in list(rule, "/http/paths").iter().enumerate() {
            let wanted = text(path, "/path");
            if !wanted.starts_with('/') && text(path, "/pathType") != "ImplementationSpecific" {
                let field = format!("spec.rules[{at}].http.paths[{place}].path");
                problems.push(Problem::invalid(field, &json!(wanted), "must be an absolute path"));
            }
        }
    }
    problems
}

/// An Event lies in the namespace of what it is about.
pub(super) fn event(object: &Value) -> Option<Problem> {
    let about = text(object, "/involvedObject/namespace");
    let rule = "does not match event.namespace";
    (!about.is_empty() && about != text(object, "/metadata/namespace"))
        .then(|| Problem::invalid("involvedObject.namespace", &json!(about), rule))
}

/// An autoscaler has a range, and knows the group of what it scales.
pub(super) fn autoscaler(object: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    let most = object["spec"]["maxReplicas"].as_i64().unwrap_or_default();
    let field = "spec.maxReplicas";
    if most < 1 {
        problems.push(Problem::invalid(field, &json!(most), "must be greater than 0"));
    }
    if object["spec"]["minReplicas"].as_i64().is_some_and(|least| most < least) {
        problems.push(Problem::invalid(field, &json!(most), "must be greater than or equal to `minReplicas`"));
    }
    if !text(object, "/spec/scaleTargetRef/apiVersion").contains('/')
        && text(object, "/spec/scaleTargetRef/kind") != "ReplicationController"
    {
        let version = json!(text(object, "/spec/scaleTargetRef/apiVersion"));
        let rule = "apiVersion must specify API group";
        problems.push(Problem::invalid("spec.scaleTargetRef.apiVersion", &version, rule));
    }
    problems
}

/// A webhook has a name of three parts and one way to reach it.
pub(super) fn webhooks(object: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, webhook) in list(object, "/webhooks").iter().enumerate() {
        let name = text(webhook, "/name");
        if name.split('.').count() < 3 {
            let rule = "should be a domain with at least three segments separated by dots";
            problems.push(Problem::invalid(format!("webhooks[{at}].name"), &json!(name), rule));
        }
        let reached = |way: &str| webhook["clientConfig"].get(way).is_some();
        if reached("url") == reached("service") {
            let rule = "exactly one of url or service is required";
            problems.push(Problem::required(format!("webhooks[{at}].clientConfig"), rule));
        }
    }
    problems
}

/// A schedule has five fields, or is a word like `@hourly`.
pub(super) fn cron_job(object: &Value) -> Option<Problem> {
    let schedule = text(object, "/spec/schedule");
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let rule = format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" "));
    (fields.len() != 5 && !schedule.starts_with('@'))
        .then(|| Problem::invalid("spec.schedule", &json!(schedule), &rule))
}

/// A disruption budget says how many must be there, or how many may be missing.
pub(super) fn disruption_budget(object: &Value) -> Option<Problem> {
    let spec = &object["spec"];
    let (least, most) = (spec.get("minAvailable")?, spec.get("maxUnavailable")?);
    let shown = json!({
        "MinAvailable": least, "Selector": spec["selector"], "MaxUnavailable": most,
        "UnhealthyPodEvictionPolicy": spec["unhealthyPodEvictionPolicy"],
    });
    Some(Problem::invalid("spec", &shown, "minAvailable and maxUnavailable cannot be both set"))
}
