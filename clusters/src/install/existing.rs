//! What stands in the cluster already, so that an account can tell created, changed and unchanged apart.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use http::{Request, header};
use kube::Client;
use serde::Deserialize;

use super::kinds::Resource;
use super::request::{address, fetch};
use super::{FIELD_MANAGER, InstallError, PARALLEL};
use crate::manifests::Id;

/// One page of a list.
const PAGE: usize = 500;
/// Metadata alone: a cluster's Secrets and large definitions stay where they are.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// The state of an object that tells whether a write changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    resource_version: String,
    written: Option<String>,
    /// Whether it is being deleted, and only its finalizers keep it.
    pub going: bool,
}

impl Mark {
    /// Whether the write between two marks changed nothing. Others may have written in between: then the time of our own
    /// last change tells, which the API leaves alone when an apply changes nothing. (An object of which nothing but the
    /// name is written has no such time, and nothing to change.)
    pub fn unchanged(&self, after: &Self) -> bool {
        self.resource_version == after.resource_version || self.written == after.written
    }
}

/// The part of an object's metadata that is looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    deletion_timestamp: Option<String>,
    #[serde(default)]
    managed_fields: Vec<Managed>,
}

#[derive(Debug, Deserialize)]
struct Managed {
    #[serde(default)]
    manager: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    time: Option<String>,
}

impl Metadata {
    /// The mark of an object.
    pub fn mark(self) -> Mark {
        let ours = |managed: &Managed| {
            managed.manager == FIELD_MANAGER && managed.operation == "Apply" && managed.subresource.is_empty()
        };
        let written = self.managed_fields.into_iter().find(ours).and_then(|managed| managed.time);
        Mark { resource_version: self.resource_version, written, going: self.deletion_timestamp.is_some() }
    }
}

/// The objects of the kinds that were looked at. Keys are a group, a plural, a namespace and a name.
#[derive(Debug, Default)]
pub(super) struct Existing(Mutex<HashMap<[String; 4], Mark>>);

impl Existing {
    /// Looks at some kinds; those that are not served have no objects.
    pub async fn look(&self, client: &Client, kinds: Vec<(&Id, &Resource)>) -> Result<(), InstallError> {
        let lists: Vec<_> = kinds.into_iter().map(|(id, resource)| self.list(client, id, resource).boxed()).collect();
        stream::iter(lists).buffer_unordered(PARALLEL).try_collect().await
    }

    /// Forgets everything.
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn list(&self, client: &Client, id: &Id, resource: &Resource) -> Result<(), InstallError> {
        let mut rest = String::new();
        loop {
            let url = format!("{}?limit={PAGE}{rest}", address(id, resource, None, None));
            let page: Page = match fetch(client, Request::get(&url).header(header::ACCEPT, METADATA), Vec::new()).await
            {
                Ok(page) => page,
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
                Err(error) => return Err(InstallError::api(&format!("the list of {}", resource.plural), &error)),
            };
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for Item { metadata } in page.items.into_iter().flatten() {
                let (namespace, name) = (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone());
                known.insert([id.group.clone(), resource.plural.clone(), namespace, name], metadata.mark());
            }
            drop(known);
            match page.metadata.and_then(|metadata| metadata.r#continue).filter(|token| !token.is_empty()) {
                Some(token) => {
                    let token: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
                    rest = format!("&continue={token}");
                }
                None => return Ok(()),
            }
        }
    }

    /// What this program wrote, of the kinds that were looked at.
    pub fn ours(&self) -> Vec<[String; 4]> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().filter(|(_, mark)| mark.written.is_some()).map(|(key, _)| key.clone()).collect()
    }

    /// The mark of an object before it is written; `None` if it does not exist.
    pub fn mark(&self, id: &Id, resource: &Resource, namespace: Option<&str>) -> Option<Mark> {
        let key =
            [id.group.clone(), resource.plural.clone(), namespace.unwrap_or_default().to_owned(), id.name.clone()];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }
}

#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    metadata: Option<PageMetadata>,
    items: Option<Vec<Item>>,
}

#[derive(Debug, Deserialize)]
struct PageMetadata {
    #[serde(default)]
    r#continue: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Item {
    metadata: Metadata,
}
