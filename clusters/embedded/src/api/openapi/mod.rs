//! `/openapi/v3`: the index of documents, one document for each group and version.
//!
//! kubectl reads them for `explain`, for the merge keys of `apply`, and to learn that the server checks unknown fields
//! (`fieldValidation`). Documents carry types, no descriptions of built-in fields. `/openapi/v2` is an empty document:
//! clients that look a kind up there find none and go on without.

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

/// The media type of `/openapi/v2` in protobuf, the only form that client-go asks for.
pub const V2_MEDIA_TYPE: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// `/openapi/v2` as a gnostic `openapi.v2.Document`: `swagger` (1), `info` (2) with title and version, `paths` (8).
#[must_use]
pub fn empty_v2() -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap_or_default()];
        out.extend(bytes);
        out
    };
    let info = [field(1, b"Kubernetes"), field(2, VERSION.2.as_bytes())].concat();
    [field(1, b"2.0"), field(2, &info), field(8, b"")].concat()
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
