//! What a standalone installation consists of, object by object, and what belongs to somebody else.

use std::collections::BTreeSet;

use serde::Serialize;

use super::marks::State;
use super::survey::{Object, Survey};
use crate::versions::Version;

/// An object that has to go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Remnant {
    /// Of what: `Kubeflow Pipelines`, `Katib`, `chart mysql, release kfp-mysql`.
    pub part: String,
    /// Its kind and API version.
    pub api_version: String,
    /// Kind, namespace and name.
    pub object: String,
    /// By what it was recognised.
    pub because: String,
    #[serde(skip)]
    pub(super) uid: String,
}

/// Charts that bring what the platform brings, too.
const CHARTS: &[&str] = &["minio", "mysql", "mariadb"];
/// The label that Kubeflow Pipelines puts on its objects (`env/platform-agnostic`, `commonLabels`).
const PIPELINES_LABEL: (&str, &str) = ("application-crd-id", "kubeflow-pipelines");
/// Objects of Kubeflow Pipelines that bear no label, or are made at run time.
const PIPELINES: &[(&str, &str)] = &[
    ("MutatingWebhookConfiguration", "cache-webhook-"),
    ("Secret", "webhook-server-tls"),
    ("Secret", "mlpipeline-minio-artifact"),
    ("Secret", "mysql-secret"),
    ("Lease", "workflow-controller"),
    ("PriorityClass", "workflow-controller"),
    ("ServiceAccount", "argo"),
    ("ServiceAccount", "pipeline-runner"),
    ("ServiceAccount", "ml-pipeline"),
    ("ServiceAccount", "metadata-grpc-server"),
    ("ServiceAccount", "kubeflow-pipelines-"),
    ("ServiceAccount", "mysql"),
    ("Role", "argo-role"),
    ("RoleBinding", "argo-binding"),
    ("ClusterRole", "kubeflow-pipelines-cache-deployer-clusterrole"),
    ("ClusterRoleBinding", "kubeflow-pipelines-cache-deployer-clusterrolebinding"),
    ("ClusterRole", "argo-"),
    ("ClusterRoleBinding", "argo-binding"),
];
/// Objects of Katib: all that its kustomization makes, for it labels none of them alike.
const KATIB: &[(&str, &str)] = &[
    ("MutatingWebhookConfiguration", "katib.kubeflow.org"),
    ("ValidatingWebhookConfiguration", "katib.kubeflow.org"),
    ("Deployment", "katib-"),
    ("Service", "katib-"),
    ("ServiceAccount", "katib-"),
    ("Role", "katib-"),
    ("RoleBinding", "katib-"),
    ("ClusterRole", "katib-"),
    ("ClusterRoleBinding", "katib-"),
    ("ConfigMap", "katib-config"),
    ("ConfigMap", "trial-template"),
    ("ConfigMap", "trial-templates"),
    ("Secret", "katib-"),
    ("PersistentVolumeClaim", "katib-mysql"),
];
/// Kinds of which Kubeflow Pipelines and Katib are the owners: group, kinds, part.
pub(super) const CUSTOM: &[(&str, &[&str], &str)] = &[
    ("argoproj.io", &[], "Kubeflow Pipelines"),
    ("kubeflow.org", &["ScheduledWorkflow", "Viewer"], "Kubeflow Pipelines"),
    ("pipelines.kubeflow.org", &[], "Kubeflow Pipelines"),
    ("app.k8s.io", &[], "Kubeflow Pipelines"),
    ("kubeflow.org", &["Experiment", "Suggestion", "Trial"], "Katib"),
];
/// What every namespace has.
const OF_EVERY_NAMESPACE: &[(&str, &str)] = &[("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")];

/// The objects of standalone installations in some namespaces, those outside of any namespace that belong to them, and
/// the objects of charts anywhere. Where a platform is, objects outside of namespaces may be its own.
pub(super) fn remnants(survey: &Survey, state: State, homes: &[String]) -> Vec<Remnant> {
    let mut remnants: Vec<Remnant> = Vec::new();
    for object in &survey.objects {
        let home = match object.namespace() {
            "" => state != State::Platform,
            namespace => homes.iter().any(|home| home == namespace),
        };
        let found = chart_of(object).or_else(|| if home { part_of(object) } else { None });
        // What another object makes goes with it.
        let Some((part, because)) = found.filter(|_| !object.is_owned()) else { continue };
        remnants.push(Remnant::of(object, part, because));
    }
    remnants
}

/// What an earlier release of the platform left: an upgrade by apply deletes nothing.
pub(super) fn retired(survey: &Survey, version: &Version) -> Vec<Remnant> {
    let part = || "an earlier release".to_owned();
    let mut places: Vec<(&str, &str, &str, &str)> = Vec::new();
    places
        .extend(version.foreign_auth().map(|one| (one.kind, one.namespace, one.name, "the login of another release")));
    let created = "only earlier releases create it";
    places.extend(version.retired_workloads().map(|one| (one.kind.name(), one.namespace, one.name, created)));
    places.extend(version.retired_webhooks().map(|one| (one.kind.name(), "", one.name, created)));
    places.extend(version.retired_volumes().map(|one| ("PersistentVolumeClaim", one.namespace, one.name, created)));
    places.extend(version.retired_crds().map(|one| ("CustomResourceDefinition", "", one.name, created)));
    places.sort_unstable();
    places.dedup_by_key(|(kind, namespace, name, _)| (*kind, *namespace, *name));
    let found = places.into_iter().filter_map(|(kind, namespace, name, because)| {
        let object = survey.find(kind, namespace, name)?;
        Some(Remnant::of(object, part(), because.to_owned()))
    });
    found.collect()
}

impl Remnant {
    fn of(object: &Object, part: String, because: String) -> Self {
        let api_version = if object.of.group.is_empty() {
            object.of.version.clone()
        } else {
            format!("{}/{}", object.of.group, object.of.version)
        };
        Self { part, api_version, object: object.place(), because, uid: object.uid().to_owned() }
    }
}

/// Of which standalone part an object is, and by what that is told.
fn part_of(object: &Object) -> Option<(String, String)> {
    if let Some((.., part)) = CUSTOM
        .iter()
        .find(|(group, kinds, _)| object.of.group == *group && (kinds.is_empty() || kinds.contains(&object.kind())))
    {
        return Some(((*part).to_owned(), format!("kind of group {}", object.of.group)));
    }
    if object.kind() == "CustomResourceDefinition" {
        let (group, kind) = (object.text("/spec/group"), object.text("/spec/names/kind"));
        let of = CUSTOM.iter().find(|(of, kinds, _)| group == *of && (kinds.is_empty() || kinds.contains(&kind)))?;
        return Some((of.2.to_owned(), format!("defines {kind} of {group}")));
    }
    let (key, value) = PIPELINES_LABEL;
    if object.label(key) == value {
        return Some(("Kubeflow Pipelines".to_owned(), format!("label {key}={value}")));
    }
    let named = |names: &'static [(&'static str, &'static str)]| {
        names.iter().find(|(kind, name)| *kind == object.kind() && fits(object.name(), name)).map(|(_, name)| *name)
    };
    if let Some(name) = named(PIPELINES) {
        return Some(("Kubeflow Pipelines".to_owned(), format!("name {name}")));
    }
    named(KATIB).map(|name| ("Katib".to_owned(), format!("name {name}")))
}

/// A name, or whatever begins with one that ends with a hyphen.
fn fits(name: &str, wanted: &str) -> bool {
    if wanted.ends_with('-') { name.starts_with(wanted) } else { name == wanted }
}

/// Of which chart's release an object is. Claims that a StatefulSet's template made bear the application's name and the
/// release's only, and a release's record its name only.
fn chart_of(object: &Object) -> Option<(String, String)> {
    let (chart, name) = (object.label("helm.sh/chart"), object.label("app.kubernetes.io/name"));
    let release = object.label("app.kubernetes.io/instance");
    let known =
        |chart: &str| CHARTS.iter().find(|known| chart.strip_prefix(**known).is_some_and(|rest| rest.starts_with('-')));
    let part = |chart: &str, release: &str| format!("chart {chart}, release {release}");
    if let Some(known) = known(chart) {
        return Some((part(known, release), format!("label helm.sh/chart={chart}")));
    }
    if CHARTS.contains(&name) && !release.is_empty() {
        return Some((part(name, release), format!("labels app.kubernetes.io/name={name} and instance={release}")));
    }
    let record = object.label("name");
    let known = CHARTS.iter().find(|known| object.helm_record && record.contains(**known))?;
    Some((part(known, record), "type helm.sh/release.v1".to_owned()))
}

/// Objects of the namespaces that belong to nobody known: whatever deletes the namespaces deletes these as well.
pub(super) fn foreign(survey: &Survey, homes: &[String], remnants: &[Remnant]) -> Vec<String> {
    let known: BTreeSet<&str> = remnants.iter().map(|remnant| remnant.uid.as_str()).collect();
    let makers: BTreeSet<&str> = survey.objects.iter().map(Object::uid).collect();
    let in_homes = survey.objects.iter().filter(|object| homes.iter().any(|home| home == object.namespace()));
    let foreign = in_homes.filter(|object| {
        let of_namespace = OF_EVERY_NAMESPACE.contains(&(object.kind(), object.name()));
        let made = object
            .items("/metadata/ownerReferences")
            .iter()
            .any(|owner| owner["uid"].as_str().is_some_and(|uid| makers.contains(uid)));
        !known.contains(object.uid()) && !of_namespace && !made
    });
    foreign.map(Object::place).collect()
}
