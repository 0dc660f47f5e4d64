//! Which objects a webhook among the manifests admits, and which workloads answer for it.
//!
//! Kubernetes refuses what a webhook admits while nobody answers for it (admissionregistration.k8s.io/v1,
//! `failurePolicy`, whose default is Fail), and a pod that is made before a mutating webhook answers stays as it was
//! written. So what a webhook admits waits for its backend.

use serde_json::{Value, json};

use super::kinds::{Kinds, is_definition};
use super::selector::selects;
use crate::manifests::{Id, Manifest};

/// One webhook: an entry of a configuration, or the conversion of a definition.
#[derive(Debug)]
pub(super) struct Webhook<'a> {
    /// Its name, for a person.
    pub name: String,
    /// The object that configures it, by index.
    pub configured_by: usize,
    /// The workloads behind its Service, by index; without any nobody can be waited for.
    pub backends: Vec<usize>,
    rules: Vec<Rule<'a>>,
    namespaces: &'a Value,
    objects: &'a Value,
}

#[derive(Debug)]
struct Rule<'a> {
    groups: Vec<&'a str>,
    resources: Vec<&'a str>,
}

/// All webhooks with a backend among the manifests that what they admit has to wait for.
pub(super) fn webhooks(manifests: &[Manifest]) -> Vec<Webhook<'_>> {
    let mut found = Vec::new();
    for (index, Manifest { id, body, .. }) in manifests.iter().enumerate() {
        if is_configuration(id) {
            for webhook in body["webhooks"].as_array().into_iter().flatten() {
                if id.kind.starts_with("Validating") && webhook["failurePolicy"] == "Ignore" {
                    continue;
                }
                let rules = webhook["rules"].as_array().into_iter().flatten().filter(|rule| on_create(rule));
                found.push(Webhook {
                    name: format!("{id} ({})", webhook["name"].as_str().unwrap_or_default()),
                    configured_by: index,
                    backends: backends(manifests, &webhook["clientConfig"]["service"]),
                    rules: rules.map(|rule| rule_of(&rule["apiGroups"], &rule["resources"])).collect(),
                    namespaces: &webhook["namespaceSelector"],
                    objects: &webhook["objectSelector"],
                });
            }
        } else if is_definition(id) && body["spec"]["conversion"]["strategy"] == "Webhook" {
            let spec = &body["spec"];
            let text = |value: &'static str| spec.pointer(value).and_then(Value::as_str).unwrap_or_default();
            found.push(Webhook {
                name: format!("the conversion of {id}"),
                configured_by: index,
                backends: backends(manifests, &spec["conversion"]["webhook"]["clientConfig"]["service"]),
                rules: vec![Rule { groups: vec![text("/group")], resources: vec![text("/names/plural")] }],
                namespaces: &Value::Null,
                objects: &Value::Null,
            });
        }
    }
    found.retain(|webhook| !webhook.backends.is_empty());
    found
}

/// Whether an object configures admission webhooks.
pub(super) fn is_configuration(id: &Id) -> bool {
    id.group == "admissionregistration.k8s.io" && id.kind.ends_with("WebhookConfiguration")
}

impl Webhook<'_> {
    /// Whether it admits an object, or the pods of a workload.
    pub fn admits(&self, manifest: &Manifest, kinds: &Kinds, namespaces: &Namespaces<'_>) -> bool {
        let Manifest { id, body, .. } = manifest;
        let Some(resource) = kinds.of(id) else { return false };
        let itself = self.matches(&id.group, &resource.plural) && selects(self.objects, labels(&body["metadata"]));
        let template = pod_template(manifest);
        let its_pods = template
            .is_some_and(|template| self.matches("", "pods") && selects(self.objects, labels(&template["metadata"])));
        (itself || its_pods)
            && id.namespace.as_deref().is_none_or(|name| selects(self.namespaces, &namespaces.labels(name)))
    }

    fn matches(&self, group: &str, plural: &str) -> bool {
        let covers = |of: &[&str], name: &str| of.iter().any(|one| *one == "*" || *one == "*/*" || *one == name);
        self.rules.iter().any(|rule| covers(&rule.groups, group) && covers(&rule.resources, plural))
    }
}

fn on_create(rule: &Value) -> bool {
    rule["operations"].as_array().is_some_and(|of| of.iter().any(|one| one == "*" || one == "CREATE"))
}

fn rule_of<'a>(groups: &'a Value, resources: &'a Value) -> Rule<'a> {
    let texts = |list: &'a Value| list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    Rule { groups: texts(groups), resources: texts(resources) }
}

/// The labels of the namespaces among the manifests.
pub(super) struct Namespaces<'a>(Vec<&'a Manifest>);

impl<'a> Namespaces<'a> {
    pub fn of(manifests: &'a [Manifest]) -> Self {
        Self(manifests.iter().filter(|manifest| manifest.id.kind == "Namespace").collect())
    }

    fn labels(&self, name: &str) -> Value {
        let found = self.0.iter().find(|manifest| manifest.id.name == name);
        let mut labels = found.map(|manifest| labels(&manifest.body["metadata"]).clone()).filter(Value::is_object);
        let labels = labels.get_or_insert_with(|| json!({}));
        labels["kubernetes.io/metadata.name"] = name.into();
        labels.take()
    }
}

/// The pod template of a workload.
pub(super) fn pod_template(manifest: &Manifest) -> Option<&Value> {
    match (manifest.id.group.as_str(), manifest.id.kind.as_str()) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet") | ("batch", "Job") => {
            manifest.body.pointer("/spec/template")
        }
        _ => None,
    }
}

fn labels(metadata: &Value) -> &Value {
    &metadata["labels"]
}

/// The workloads behind a Service.
fn backends(manifests: &[Manifest], service: &Value) -> Vec<usize> {
    let (name, namespace) = (service["name"].as_str(), service["namespace"].as_str());
    let selector = manifests.iter().find_map(|Manifest { id, body, .. }| {
        let it = id.kind == "Service" && id.group.is_empty();
        let it = it && Some(id.name.as_str()) == name && id.namespace.as_deref() == namespace;
        it.then(|| body["spec"]["selector"].as_object()).flatten()
    });
    let Some(selector) = selector.filter(|selector| !selector.is_empty()) else { return Vec::new() };
    let behind = manifests.iter().enumerate().filter(|(_, manifest)| {
        manifest.id.namespace.as_deref() == namespace
            && pod_template(manifest).is_some_and(|template| {
                let labels = labels(&template["metadata"]);
                selector.iter().all(|(key, value)| labels.get(key) == Some(value))
            })
    });
    behind.map(|(index, _)| index).collect()
}

/// What a workload's pods cannot start without although it is not among the manifests: the Certificate
/// (cert-manager.io) that makes a Secret which they mount.
pub(super) fn made_for(manifests: &[Manifest], workload: usize) -> Vec<usize> {
    let Some(manifest) = manifests.get(workload) else { return Vec::new() };
    let volumes = pod_template(manifest).and_then(|template| template.pointer("/spec/volumes"));
    let secrets: Vec<&Value> = volumes
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|volume| &volume["secret"])
        .filter(|secret| secret["optional"] != true)
        .map(|secret| &secret["secretName"])
        .filter(|name| name.is_string())
        .collect();
    let makes = |other: &Manifest| {
        other.id.group == "cert-manager.io"
            && other.id.kind == "Certificate"
            && other.id.namespace == manifest.id.namespace
            && secrets.contains(&&other.body["spec"]["secretName"])
    };
    let makers = manifests.iter().enumerate().filter(|(_, other)| makes(other));
    let makers: Vec<usize> = makers.map(|(index, _)| index).collect();
    let issuers: Vec<&Value> = makers.iter().map(|maker| &manifests[*maker].body["spec"]["issuerRef"]).collect();
    let issues = |other: &Manifest| {
        other.id.group == "cert-manager.io"
            && issuers.iter().any(|of| of["name"] == other.id.name && of["kind"] == other.id.kind)
    };
    let issuers = manifests.iter().enumerate().filter(|(_, other)| issues(other)).map(|(index, _)| index);
    makers.iter().copied().chain(issuers).collect()
}
