//! Which resource a kind is: from the CustomResourceDefinitions among the manifests, else from the API's discovery.

use std::collections::{BTreeSet, HashMap};

use futures::FutureExt;
use futures::future::try_join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::Client;
use serde_json::Value;

use super::InstallError;
use crate::manifests::{Id, Manifest, Manifests};

/// How the API names the resource of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    /// Its name in URLs.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether a CustomResourceDefinition among the manifests defines it, and which.
    pub defined_by: Option<usize>,
}

/// The resources of all kinds among the manifests.
#[derive(Debug, Default)]
pub(super) struct Kinds(HashMap<(String, String, String), Resource>);

impl Kinds {
    /// What the definitions among the manifests serve.
    pub fn defined(manifests: &[Manifest]) -> Self {
        let mut kinds = HashMap::new();
        for (index, manifest) in manifests.iter().enumerate().filter(|(_, manifest)| is_definition(&manifest.id)) {
            let spec = &manifest.body["spec"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            for version in spec["versions"].as_array().into_iter().flatten() {
                if version["served"].as_bool() == Some(false) {
                    continue;
                }
                let key = (text(&spec["group"]), text(&version["name"]), text(&spec["names"]["kind"]));
                let plural = text(&spec["names"]["plural"]);
                let namespaced = spec["scope"].as_str() != Some("Cluster");
                kinds.insert(key, Resource { plural, namespaced, defined_by: Some(index) });
            }
        }
        Self(kinds)
    }

    /// The resources of all kinds among the manifests; discovery is asked for those that they do not define themselves.
    pub async fn find(client: &Client, manifests: &Manifests) -> Result<Self, InstallError> {
        let mut kinds = Self::defined(&manifests.objects);
        let unknown = manifests.objects.iter().filter(|manifest| kinds.of(&manifest.id).is_none());
        let versions: BTreeSet<String> = unknown.map(|manifest| manifest.id.api_version()).collect();
        let asked: Vec<_> = versions.iter().map(|version| discover(client, version).boxed()).collect();
        let lists = try_join_all(asked).await?;
        for (version, list) in versions.iter().zip(lists) {
            let (group, version) = version.split_once('/').unwrap_or(("", version));
            for resource in list.into_iter().flat_map(|list| list.resources) {
                if resource.name.contains('/') {
                    continue;
                }
                let key = (group.to_owned(), version.to_owned(), resource.kind);
                let found = Resource { plural: resource.name, namespaced: resource.namespaced, defined_by: None };
                kinds.0.entry(key).or_insert(found);
            }
        }
        let unknown = manifests.objects.iter().find(|manifest| kinds.of(&manifest.id).is_none());
        match unknown {
            Some(Manifest { id, place, .. }) => Err(InstallError::UnknownKind {
                source_name: manifests.source.clone(),
                id: Box::new(id.clone()),
                api_version: id.api_version(),
                place: *place,
            }),
            None => Ok(kinds),
        }
    }

    /// Kinds that a cluster serves by itself: group, kind and plural.
    #[cfg(test)]
    pub fn with_built_in(mut self, kinds: &[(&str, &str, &str)]) -> Self {
        for (group, kind, plural) in kinds {
            let key = ((*group).to_owned(), "v1".to_owned(), (*kind).to_owned());
            self.0.insert(key, Resource { plural: (*plural).to_owned(), namespaced: false, defined_by: None });
        }
        self
    }

    /// The resource of an object's kind.
    pub fn of(&self, id: &Id) -> Option<&Resource> {
        self.0.get(&(id.group.clone(), id.version.clone(), id.kind.clone()))
    }
}

/// Whether an object defines a kind.
pub(super) fn is_definition(id: &Id) -> bool {
    id.kind == "CustomResourceDefinition" && id.group == "apiextensions.k8s.io"
}

async fn discover(client: &Client, api_version: &str) -> Result<Option<APIResourceList>, InstallError> {
    let answer = if api_version.contains('/') {
        client.list_api_group_resources(api_version).await
    } else {
        client.list_core_api_resources(api_version).await
    };
    match answer {
        Ok(list) => Ok(Some(list)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(InstallError::api(&format!("the resources of {api_version}"), &error)),
    }
}
