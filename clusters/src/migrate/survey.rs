//! Everything that stands in a cluster, read once and never changed: the kinds that it serves, and their objects.

use std::collections::BTreeSet;

use futures::{FutureExt, StreamExt, stream};
use http::{Request, header};
use kube::Client;
use serde::Deserialize;
use serde_json::Value;

use super::MigrateError;
use crate::install::{fetch, words};

/// Lists in flight at once.
const PARALLEL: usize = 16;
/// One page of a list.
const PAGE: usize = 500;
/// Metadata alone: what Secrets and others hold stays in the cluster.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// Kinds of which more than the metadata is looked at.
const WHOLE: &[&str] = &[
    "Namespace",
    "Pod",
    "Service",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "APIService",
    "CustomResourceDefinition",
];
/// Kinds that nobody installs: they come and go by themselves.
const PASSING: &[&str] =
    &["Event", "Lease", "ComponentStatus", "PodMetrics", "NodeMetrics", "EndpointSlice", "Endpoints"];
/// The type of the Secrets in which Helm records a release.
const HELM: &str = "helm.sh/release.v1";

/// A kind that is served.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Served {
    /// Its group, empty for the core.
    pub group: String,
    /// The version that the server prefers.
    pub version: String,
    /// Its name.
    pub kind: String,
    /// Its name in URLs.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl Served {
    /// The path of its objects, or of one.
    pub fn path(&self, namespace: &str, name: &str) -> String {
        let root = if self.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", self.group) };
        let home = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
        let name = if name.is_empty() { String::new() } else { format!("/{}", crate::install::escaped(name)) };
        format!("{root}/{}{home}/{}{name}", self.version, self.plural)
    }
}

/// An object that stands in the cluster.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// Its kind.
    pub of: Served,
    /// Its metadata, and more where that is looked at.
    pub body: Value,
    /// Whether it is a Secret in which Helm records a release.
    pub helm_record: bool,
}

impl Object {
    pub fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn items(&self, pointer: &str) -> &[Value] {
        self.body.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn kind(&self) -> &str {
        &self.of.kind
    }

    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    pub fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    pub fn label(&self, key: &str) -> &str {
        self.body["metadata"]["labels"][key].as_str().unwrap_or_default()
    }

    pub fn finalizers(&self) -> impl Iterator<Item = &str> {
        self.items("/metadata/finalizers").iter().filter_map(Value::as_str)
    }

    pub fn is_owned(&self) -> bool {
        !self.items("/metadata/ownerReferences").is_empty()
    }

    pub fn is_leaving(&self) -> bool {
        !self.text("/metadata/deletionTimestamp").is_empty()
    }

    pub fn containers(&self) -> impl Iterator<Item = &Value> {
        let pod = if self.kind() == "Pod" { "/spec" } else { "/spec/template/spec" };
        self.items(&format!("{pod}/containers")).iter()
    }

    /// `Kind namespace/name`, or `Kind name`.
    pub fn place(&self) -> String {
        let (kind, namespace, name) = (self.kind(), self.namespace(), self.name());
        if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
    }
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The objects, by kind, namespace and name.
    pub objects: Vec<Object>,
    /// Groups whose kinds the API server cannot tell: their APIService or extension does not answer.
    pub undiscovered: Vec<String>,
    /// Kinds whose objects could not be read, with the reason.
    pub unreadable: Vec<String>,
}

impl Survey {
    /// Reads a cluster.
    pub async fn take(client: &Client) -> Result<Self, MigrateError> {
        let mut survey = Self::default();
        let kinds = survey.kinds(client).await?;
        let lists: Vec<_> = kinds.iter().map(|kind| objects(client, kind).boxed()).collect();
        let lists: Vec<Result<Vec<Object>, String>> = stream::iter(lists).buffered(PARALLEL).collect().await;
        for list in lists {
            match list {
                Ok(objects) => survey.objects.extend(objects),
                Err(reason) => survey.unreadable.push(reason),
            }
        }
        survey.mark_helm_records(client).await?;
        let key = |object: &Object| (object.of.clone(), object.namespace().to_owned(), object.name().to_owned());
        survey.objects.sort_by_cached_key(key);
        Ok(survey)
    }

    /// All objects of a kind.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects.iter().filter(move |object| object.kind() == kind)
    }

    /// One object.
    pub fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<&Object> {
        let is = |object: &&Object| object.kind() == kind && object.namespace() == namespace && object.name() == name;
        self.objects.iter().find(is)
    }

    /// Whether all pods of a workload that there should be are ready.
    pub fn runs(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.find(kind, namespace, name)
            .is_some_and(|workload| workload.body["status"]["readyReplicas"].as_u64().is_some_and(|ready| ready > 0))
    }

    async fn kinds(&mut self, client: &Client) -> Result<BTreeSet<Served>, MigrateError> {
        let core = client.list_core_api_resources("v1").await;
        let core = core.map_err(|error| MigrateError::api("the kinds that the cluster serves", &error))?;
        let groups = client.list_api_groups().await;
        let groups = groups.map_err(|error| MigrateError::api("the groups that the cluster serves", &error))?;
        let mut lists = vec![(String::new(), "v1".to_owned(), core)];
        for group in groups.groups {
            // A kind may be served in another version than the one that the group prefers.
            let preferred = group.preferred_version.into_iter();
            let mut versions: Vec<_> = preferred.chain(group.versions).collect();
            versions.dedup_by(|a, b| a.group_version == b.group_version);
            for version in versions {
                match client.list_api_group_resources(&version.group_version).await {
                    Ok(list) => lists.push((group.name.clone(), version.version, list)),
                    Err(error) => self.undiscovered.push(format!("{}: {}", version.group_version, words(&error))),
                }
            }
        }
        let (mut kinds, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for (group, version, list) in lists {
            for resource in list.resources {
                let listed = resource.verbs.iter().any(|verb| verb == "list");
                if !listed || resource.name.contains('/') || PASSING.contains(&resource.kind.as_str()) {
                    continue;
                }
                let (group, version) = (group.clone(), version.clone());
                let (kind, plural, namespaced) = (resource.kind, resource.name, resource.namespaced);
                if !seen.insert((group.clone(), plural.clone())) {
                    continue;
                }
                kinds.insert(Served { group, version, kind, plural, namespaced });
            }
        }
        Ok(kinds)
    }

    async fn mark_helm_records(&mut self, client: &Client) -> Result<(), MigrateError> {
        let url = format!("/api/v1/secrets?fieldSelector=type%3D{}", HELM.replace('/', "%2F"));
        let page: Result<Page, kube::Error> =
            fetch(client, Request::get(url).header(header::ACCEPT, METADATA), Vec::new()).await;
        let page = page.map_err(|error| MigrateError::api("the Secrets in which Helm records releases", &error))?;
        let records: BTreeSet<String> =
            page.items.into_iter().flatten().map(|item| item["metadata"]["uid"].to_string()).collect();
        for object in self.objects.iter_mut().filter(|object| object.kind() == "Secret") {
            object.helm_record = records.contains(&object.body["metadata"]["uid"].to_string());
        }
        Ok(())
    }
}

async fn objects(client: &Client, of: &Served) -> Result<Vec<Object>, String> {
    let (mut found, mut rest) = (Vec::new(), String::new());
    loop {
        let mut request = Request::get(format!("{}?limit={PAGE}{rest}", of.path("", "")));
        if !WHOLE.contains(&of.kind.as_str()) {
            request = request.header(header::ACCEPT, METADATA);
        }
        let page: Page = match fetch(client, request, Vec::new()).await {
            Ok(page) => page,
            // Served by discovery alone.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 405) => return Ok(found),
            Err(error) => return Err(format!("{} of {:?}: {}", of.plural, of.group, words(&error))),
        };
        found.extend(page.items.into_iter().flatten().map(|mut body| {
            strip(&mut body);
            Object { of: of.clone(), body, helm_record: false }
        }));
        match page.metadata.and_then(|metadata| metadata.r#continue).filter(|token| !token.is_empty()) {
            Some(token) => {
                let token: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
                rest = format!("&continue={token}");
            }
            None => return Ok(found),
        }
    }
}

/// Leaves out what is long and not looked at.
fn strip(body: &mut Value) {
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    let versions = body.pointer_mut("/spec/versions").and_then(Value::as_array_mut);
    for version in versions.into_iter().flatten().filter_map(Value::as_object_mut) {
        version.shift_remove("schema");
    }
    if let Some(body) = body.as_object_mut() {
        body.shift_remove("data");
        body.shift_remove("stringData");
    }
}

#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    metadata: Option<PageMetadata>,
    items: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
struct PageMetadata {
    #[serde(default)]
    r#continue: Option<String>,
}
