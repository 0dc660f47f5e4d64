//! Everything that a cluster keeps, and how two such views differ.

use std::collections::BTreeMap;

use harness::own::{KINDS, RUN_LABEL};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, AttachParams, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Discovery, verbs};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

/// Kinds that are left out: the cluster's diary of what happened, which it forgets by itself after an hour.
const DIARY: &[&str] = &["Event"];

/// Fields that are left out of the comparison, because they count writes and do not say what an object is: the version of
/// the last write, and who wrote what when. Everything else, status and uid included, has to be the same.
const WRITES: &[&str] = &["resourceVersion", "managedFields"];

/// Everything that a cluster keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Objects by kind, namespace and name.
    pub objects: BTreeMap<String, Value>,
    /// How many rows each table of Kubeflow Pipelines has.
    pub rows: BTreeMap<String, String>,
}

impl Snapshot {
    /// What there is now.
    pub async fn of(client: &kube::Client) -> Self {
        Self { objects: objects(client).await, rows: rows(client).await }
    }

    /// How `after` differs, a line each.
    pub fn differences(&self, after: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, object) in &self.objects {
            match after.objects.get(name) {
                None => lines.push(format!("{name} is gone")),
                Some(now) => changes(object, now, "", &mut |path, was, is| {
                    lines.push(format!("{name} differs at {path}: {was} was {is}"));
                }),
            }
        }
        let new = after.objects.iter().filter(|(name, _)| !self.objects.contains_key(*name));
        lines.extend(new.map(|(name, object)| format!("{name} is left: {}", object["metadata"])));
        for (table, count) in &after.rows {
            let was = self.rows.get(table).map_or("none", String::as_str);
            if was != count {
                lines.push(format!("rows of {table}: {was} before, {count} after"));
            }
        }
        lines
    }
}

/// Calls `tell` for each place where two values differ.
fn changes(before: &Value, after: &Value, path: &str, tell: &mut impl FnMut(&str, &Value, &Value)) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
            for key in keys {
                let (old, new) = (old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null));
                changes(old, new, &format!("{path}/{key}"), tell);
            }
        }
        _ if before == after => {}
        _ => tell(path, before, after),
    }
}

async fn objects(client: &kube::Client) -> BTreeMap<String, Value> {
    let discovery = Discovery::new(client.clone()).run().await.unwrap();
    let mut found = BTreeMap::new();
    for (resource, capabilities) in discovery.groups().flat_map(|group| group.resources_by_stability()) {
        if !capabilities.supports_operation(verbs::LIST) || DIARY.contains(&resource.kind.as_str()) {
            continue;
        }
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        for object in api.list(&ListParams::default()).await.unwrap() {
            let mut object = serde_json::to_value(object).unwrap();
            let metadata = object["metadata"].as_object_mut().unwrap();
            WRITES.iter().for_each(|field| drop(metadata.remove(*field)));
            let text = |field: &str| metadata.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let name = format!("{}.{} {}/{}", resource.kind, resource.group, text("namespace"), text("name"));
            found.insert(name, object);
        }
    }
    found
}

async fn rows(client: &kube::Client) -> BTreeMap<String, String> {
    let mut counts = BTreeMap::new();
    for table in mysql(client, "SHOW TABLES").await.lines() {
        counts.insert(table.to_owned(), count(client, table).await);
    }
    counts
}

/// How many rows a table has.
pub async fn count(client: &kube::Client, table: &str) -> String {
    mysql(client, &format!("SELECT count(*) FROM {table}")).await.trim().to_owned()
}

/// How many objects of a kind that runs make are there.
pub async fn labelled(client: &kube::Client, kind: &str) -> usize {
    let kind = KINDS.iter().find(|known| known.kind == kind).unwrap();
    let gvk = GroupVersionKind::gvk(kind.group, kind.version, kind.kind);
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&gvk, kind.plural));
    api.list(&ListParams::default().labels(RUN_LABEL)).await.unwrap().items.len()
}

/// What MySQL's own client answers in its pod.
async fn mysql(client: &kube::Client, query: &str) -> String {
    let pods: Api<Pod> = Api::namespaced(client.clone(), "kubeflow");
    let listed = pods.list(&ListParams::default().labels("app=mysql")).await.unwrap();
    let pod = listed.items[0].metadata.name.clone().unwrap();
    let how = AttachParams::default().container("mysql").stdin(false).stdout(true).stderr(false);
    let mut process = pods.exec(&pod, ["mysql", "-uroot", "-NBe", query, "mlpipeline"], &how).await.unwrap();
    let mut text = String::new();
    process.stdout().unwrap().read_to_string(&mut text).await.unwrap();
    process.join().await.unwrap();
    text
}
