//! CustomResourceDefinitions: an applied definition is served at once.

pub(crate) mod conditions;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::kinds::Resource;
use super::schema::Schemas;
use super::validate::custom::Patterns;
use crate::object::{list, text};
use crate::platform::World;
use crate::store::Key;

pub use conditions::accept;

/// Group of the definitions themselves.
pub const GROUP: &str = "apiextensions.k8s.io";
/// Their plural.
pub const PLURAL: &str = "customresourcedefinitions";

/// Holds a deleted definition until its resources are gone.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// One CustomResourceDefinition, read once per change of its specification.
#[derive(Debug)]
pub struct Definition {
    /// The version objects are kept in.
    pub storage: String,
    /// The definition itself.
    pub object: Arc<Value>,
    /// The types of its versions.
    pub schemas: Schemas,
    /// The patterns of its schemas.
    pub patterns: Patterns,
}

impl Definition {
    /// The entry of `spec.versions` with this name.
    #[must_use]
    pub fn version(&self, name: &str) -> Option<&Value> {
        list(&self.object, "/spec/versions").iter().find(|version| version["name"] == name)
    }
}

/// The resources of one definition: one for each served version, the preferred one first.
pub type Served = Arc<Vec<Arc<Resource>>>;

#[derive(Default)]
struct Cache(Mutex<HashMap<String, (Generation, Served)>>);

/// What tells one specification from another: uid and generation of the definition.
type Generation = (String, i64);

fn read(object: &Arc<Value>) -> Served {
    let versions = list(object, "/spec/versions");
    let storage =
        versions.iter().find(|version| version["storage"] == true).map_or("", |version| text(version, "/name"));
    let definition = Arc::new(Definition {
        storage: storage.into(),
        object: object.clone(),
        schemas: Schemas::default(),
        patterns: Patterns::default(),
    });
    let served = versions.iter().filter(|version| version["served"] != false);
    let mut resources: Vec<_> = served
        .map(|version| Arc::new(Resource { definition: Some(definition.clone()), ..resource(object, version) }))
        .collect();
    // Discovery lists the preferred version first: GA before beta before alpha, the newer first.
    resources.sort_by_key(|resource| std::cmp::Reverse(version_rank(&resource.version)));
    Arc::new(resources)
}

fn resource(object: &Value, version: &Value) -> Resource {
    let names = |pointer: &str| -> Vec<String> {
        list(object, pointer).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let kind = text(object, "/spec/names/kind");
    let singular = text(object, "/spec/names/singular");
    let mut subresources = Vec::new();
    for subresource in ["status", "scale"] {
        if version.get("subresources").and_then(|served| served.get(subresource)).is_some() {
            subresources.push(subresource.to_owned());
        }
    }
    Resource {
        group: text(object, "/spec/group").into(),
        version: text(version, "/name").into(),
        kind: kind.into(),
        plural: text(object, "/spec/names/plural").into(),
        singular: if singular.is_empty() { kind.to_lowercase() } else { singular.into() },
        short_names: names("/spec/names/shortNames"),
        categories: names("/spec/names/categories"),
        namespaced: text(object, "/spec/scope") == "Namespaced",
        subresources,
        stored: true,
        generation: true,
        kept_as: text(object, "/spec/group").into(),
        definition: None,
    }
}

/// The resources that a definition serves, if there is one for this group and plural.
#[must_use]
pub fn served(world: &World, group: &str, plural: &str) -> Option<Served> {
    let name = format!("{plural}.{group}");
    let object = world.store.get(&Key::new(GROUP, PLURAL, "", &name))?;
    Some(cached(world, &name, &object))
}

/// The resources of all definitions, ordered by the definitions' names.
#[must_use]
pub fn all(world: &World) -> Vec<Served> {
    let objects = world.store.list(GROUP, PLURAL, None);
    objects.iter().map(|object| cached(world, crate::object::name(object), object)).collect()
}

fn cached(world: &World, name: &str, object: &Arc<Value>) -> Served {
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default();
    let generation = (crate::object::uid(object).to_owned(), generation);
    let cache = world.memory.of::<Cache>("customresourcedefinitions");
    let mut kept = cache.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((known, served)) = kept.get(name)
        && *known == generation
    {
        return served.clone();
    }
    let served = read(object);
    kept.insert(name.to_owned(), (generation, served.clone()));
    served
}

/// Orders versions as Kubernetes does: `v2` > `v1` > `v1beta2` > `v1beta1` > `v1alpha1` > anything else.
#[must_use]
pub fn version_rank(version: &str) -> (u8, u32, u32) {
    let digits = |text: &str| -> Option<(u32, usize)> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        Some((text[..end].parse().ok()?, end))
    };
    let Some(rest) = version.strip_prefix('v') else { return (0, 0, 0) };
    let Some((major, end)) = digits(rest) else { return (0, 0, 0) };
    let stage = &rest[end..];
    for (word, rank) in [("alpha", 1), ("beta", 2)] {
        if let Some(minor) = stage.strip_prefix(word) {
            return minor.parse().map_or((0, 0, 0), |minor| (rank, major, minor));
        }
    }
    if stage.is_empty() { (3, major, 0) } else { (0, 0, 0) }
}

#[cfg(test)]
mod tests {
    use super::version_rank;

    #[test]
    fn versions_are_ordered_as_kubernetes_orders_them() {
        let mut versions = vec!["v1alpha1", "v1", "foo10", "v2beta1", "v1beta2", "v10", "v2"];
        versions.sort_by_key(|version| std::cmp::Reverse(version_rank(version)));
        assert_eq!(versions, ["v10", "v2", "v1", "v2beta1", "v1beta2", "v1alpha1", "foo10"]);
    }
}
