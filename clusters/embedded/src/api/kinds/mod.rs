//! Which resources the API serves: the built-in ones and those that CustomResourceDefinitions add.

mod built_in;

use std::sync::{Arc, LazyLock};

use serde_json::Value;

use crate::api::crd::Definition;
use crate::object::text;
use crate::platform::World;
use crate::store::Key;

/// One resource in one version, as discovery tells it.
#[derive(Debug, Clone)]
pub struct Resource {
    /// API group, empty for core.
    pub group: String,
    /// API version, for example `v1`.
    pub version: String,
    /// Kind, for example `Deployment`.
    pub kind: String,
    /// Plural name, as in paths.
    pub plural: String,
    /// Singular name.
    pub singular: String,
    /// Short names that kubectl accepts.
    pub short_names: Vec<String>,
    /// Categories, for example `all`.
    pub categories: Vec<String>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Served subresources, for example `status`.
    pub subresources: Vec<String>,
    /// Whether objects are kept: reviews and bindings are only answered.
    pub stored: bool,
    /// Whether `metadata.generation` counts changes of the specification.
    pub generation: bool,
    /// The group under which objects are kept: events of `events.k8s.io` and of the core group are the same objects.
    pub kept_as: String,
    /// The CustomResourceDefinition behind it, if any.
    pub definition: Option<Arc<Definition>>,
}

/// One built-in resource, as data.
#[derive(Debug, Clone, Copy)]
struct Row {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short: &'static [&'static str],
    categories: &'static [&'static str],
    namespaced: bool,
    subresources: &'static [&'static str],
    stored: bool,
    generation: bool,
    kept_as: Option<&'static str>,
}

impl Row {
    const EMPTY: Self = Self {
        group: "",
        version: "v1",
        kind: "",
        plural: "",
        singular: "",
        short: &[],
        categories: &[],
        namespaced: false,
        subresources: &[],
        stored: true,
        generation: false,
        kept_as: None,
    };

    const fn short(mut self, names: &'static [&'static str]) -> Self {
        self.short = names;
        self
    }

    const fn singular(mut self, name: &'static str) -> Self {
        self.singular = name;
        self
    }

    const fn sub(mut self, names: &'static [&'static str]) -> Self {
        self.subresources = names;
        self
    }

    const fn all(mut self) -> Self {
        self.categories = &["all"];
        self
    }

    const fn api_extensions(mut self) -> Self {
        self.categories = &["api-extensions"];
        self
    }

    const fn generation(mut self) -> Self {
        self.generation = true;
        self
    }

    const fn kept_as(mut self, group: &'static str) -> Self {
        self.kept_as = Some(group);
        self
    }
}

static BUILT_IN: LazyLock<Vec<Arc<Resource>>> = LazyLock::new(|| {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let resource = |row: &Row| Resource {
        group: row.group.into(),
        version: row.version.into(),
        kind: row.kind.into(),
        plural: row.plural.into(),
        singular: if row.singular.is_empty() { row.kind.to_lowercase() } else { row.singular.into() },
        short_names: owned(row.short),
        categories: owned(row.categories),
        namespaced: row.namespaced,
        subresources: owned(row.subresources),
        stored: row.stored,
        generation: row.generation,
        kept_as: row.kept_as.unwrap_or(row.group).into(),
        definition: None,
    };
    built_in::ROWS.iter().map(|row| Arc::new(resource(row))).collect()
});

/// Verbs of custom resources, in discovery's order.
const CUSTOM_VERBS: &[&str] = &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
/// Verbs of a resource whose objects are kept, in discovery's order.
const STORED_VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

impl Resource {
    /// The key of one of its objects.
    #[must_use]
    pub fn key(&self, namespace: &str, name: &str) -> Key {
        Key::new(&self.kept_as, &self.plural, if self.namespaced { namespace } else { "" }, name)
    }

    /// `apps/v1`, or `v1` in the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `deployments.apps`, or `pods`.
    #[must_use]
    pub fn qualified(&self) -> String {
        super::status::qualified(&self.group, &self.plural)
    }

    /// The kind of its lists.
    #[must_use]
    pub fn list_kind(&self) -> String {
        let named = self.definition.as_ref().map(|definition| text(&definition.object, "/spec/names/listKind"));
        named.filter(|kind| !kind.is_empty()).map_or_else(|| format!("{}List", self.kind), str::to_owned)
    }

    /// The verbs of the resource itself.
    #[must_use]
    pub fn verbs(&self) -> &'static [&'static str] {
        match (self.stored, self.plural.as_str()) {
            (false, _) => &["create"],
            (true, "componentstatuses") => &["get", "list"],
            (true, "namespaces") => &["create", "delete", "get", "list", "patch", "update", "watch"],
            _ if self.definition.is_some() => CUSTOM_VERBS,
            _ => STORED_VERBS,
        }
    }

    /// Whether a subresource is served.
    #[must_use]
    pub fn has(&self, subresource: &str) -> bool {
        self.subresources.iter().any(|served| served == subresource)
    }
}

/// Whether objects of a resource count the changes of their specification: all custom resources do.
#[must_use]
pub fn counts_generation(group: &str, plural: &str) -> bool {
    let built_in = BUILT_IN.iter().find(|resource| resource.kept_as == group && resource.plural == plural);
    built_in.is_none_or(|resource| resource.generation)
}

/// All resources served now, the built-in ones first.
#[must_use]
pub fn all(world: &World) -> Vec<Arc<Resource>> {
    let mut found = BUILT_IN.clone();
    for served in super::crd::all(world) {
        found.extend(served.iter().cloned());
    }
    found
}

/// The resource of a path: group, version, plural.
#[must_use]
pub fn find(world: &World, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
    let built_in =
        |resource: &&Arc<Resource>| resource.group == group && resource.version == version && resource.plural == plural;
    if let Some(resource) = BUILT_IN.iter().find(built_in) {
        return Some(resource.clone());
    }
    super::crd::served(world, group, plural)?.iter().find(|resource| resource.version == version).cloned()
}

/// The resource of an object or an owner reference: `apiVersion` and `kind`.
#[must_use]
pub fn of_kind(world: &World, api_version: &str, kind: &str) -> Option<Arc<Resource>> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let fits = |resource: &Resource| resource.group == group && resource.version == version && resource.kind == kind;
    if let Some(resource) = BUILT_IN.iter().find(|resource| fits(resource)) {
        return Some(resource.clone());
    }
    super::crd::all(world).iter().flat_map(|served| served.iter()).find(|resource| fits(resource)).cloned()
}

/// The resource that an object belongs to.
#[must_use]
pub fn of_object(world: &World, object: &Value) -> Option<Arc<Resource>> {
    of_kind(world, text(object, "/apiVersion"), text(object, "/kind"))
}
