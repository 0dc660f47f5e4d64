//! `/openapi/v3`: the index of documents, one document for each group and version.
//!
//! kubectl reads them for `explain`, for the merge keys of `apply`, and to learn that the server checks unknown fields
//! (`fieldValidation`). Documents carry types, no descriptions of built-in fields. `/openapi/v2` is not served.

mod types;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::discovery::VERSION;
use super::kinds::{self, Resource};
use crate::platform::World;

/// `/openapi/v3`.
#[must_use]
pub fn index(world: &World) -> Value {
    let mut paths = Map::new();
    for resource in kinds::all(world) {
        let path = prefix(&resource);
        if !paths.contains_key(&path) {
            let hash = hash(world, &resource.group, &resource.version);
            paths.insert(path.clone(), json!({ "serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}") }));
        }
    }
    json!({ "paths": paths })
}

/// The document of a group and version; `None` if nothing of it is served.
#[must_use]
pub fn document(world: &World, group: &str, version: &str) -> Option<Value> {
    let served = of_version(world, group, version);
    if served.is_empty() {
        return None;
    }
    let (mut schemas, mut paths) = (types::Collected::default(), Map::new());
    for resource in &served {
        schemas.add_kind(resource);
        let collection = collection(resource);
        let operation = |action: &str| {
            json!({
                "x-kubernetes-action": action,
                "x-kubernetes-group-version-kind": types::group_version_kind(resource),
                "parameters": PARAMETERS.map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string" } })),
                "responses": { "200": { "description": "OK" } },
            })
        };
        let mut path = json!({ "post": operation("post") });
        if resource.stored {
            path["get"] = operation("list");
            let object = json!({
                "get": operation("get"), "put": operation("put"),
                "patch": operation("patch"), "delete": operation("delete"),
            });
            paths.insert(format!("{collection}/{{name}}"), object);
        }
        paths.insert(collection, path);
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": VERSION.2 },
        "paths": paths,
        "components": { "schemas": schemas.into_value() },
    }))
}

/// Query parameters of every write.
const PARAMETERS: [&str; 4] = ["dryRun", "fieldManager", "fieldValidation", "force"];

fn of_version(world: &World, group: &str, version: &str) -> Vec<std::sync::Arc<Resource>> {
    kinds::all(world).into_iter().filter(|served| served.group == group && served.version == version).collect()
}

fn prefix(resource: &Resource) -> String {
    match resource.group.as_str() {
        "" => format!("api/{}", resource.version),
        group => format!("apis/{group}/{}", resource.version),
    }
}

fn collection(resource: &Resource) -> String {
    let within = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    format!("/{}{within}/{}", prefix(resource), resource.plural)
}

/// Clients keep a document for as long as its hash: it tells one set of definitions from another.
fn hash(world: &World, group: &str, version: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(env!("CARGO_PKG_VERSION"));
    for resource in of_version(world, group, version) {
        digest.update(&resource.kind);
        if let Some(definition) = &resource.definition {
            digest.update(definition.object["spec"].to_string());
        }
    }
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02X}")).collect()
}
