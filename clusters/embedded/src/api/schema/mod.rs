//! The types of objects: which fields there are, and how lists and maps merge. Built-in kinds and custom resources share
//! one form, so that server-side apply, strategic merge and the check of unknown fields walk both alike.

mod built_in;
mod conform;
mod custom;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::Value;

use super::kinds::Resource;

pub use conform::{Problems, conform};

/// One node of a type.
#[derive(Debug, Clone, PartialEq)]
pub enum Schema {
    /// Nothing is known: maps merge by key, lists are replaced as a whole.
    Any,
    /// No map and no list.
    Scalar(Scalar),
    /// A map.
    Map {
        /// The fields with a name of their own.
        fields: BTreeMap<String, Field>,
        /// What further keys hold, if there may be any.
        entries: Option<Link>,
        /// Owned and replaced as a whole.
        atomic: bool,
    },
    /// A list.
    List {
        /// What it holds.
        item: Link,
        /// How two lists become one.
        merge: ListMerge,
        /// How a strategic merge patch changes it.
        patch: ListPatch,
    },
}

/// The scalar types of built-in kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// Text.
    Text,
    /// Base64.
    Bytes,
    /// True or false.
    Bool,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// Any number.
    Number,
    /// `500m`, `1Gi`, or a number.
    Quantity,
    /// A whole number or text.
    IntOrString,
    /// RFC 3339.
    Time,
    /// Whatever a custom resource says: its own schema checks it.
    Unknown,
}

/// A field with a name of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its type.
    pub link: Link,
    /// Whether it must be there.
    pub required: bool,
    /// A strategic merge patch may list the keys to retain (`$retainKeys`).
    pub retain: bool,
}

/// A type, in place or by the name of a built-in one.
#[derive(Debug, Clone, PartialEq)]
pub enum Link {
    /// In place.
    Own(Arc<Schema>),
    /// A built-in type, for example `core.v1.Container`.
    Named(&'static str),
}

impl Link {
    /// The type.
    #[must_use]
    pub fn get(&self) -> Arc<Schema> {
        match self {
            Self::Own(schema) => schema.clone(),
            Self::Named(name) => built_in::named(name),
        }
    }
}

/// How two lists become one (`x-kubernetes-list-type`).
#[derive(Debug, Clone, PartialEq)]
pub enum ListMerge {
    /// The newer replaces the older.
    Atomic,
    /// A set of scalars.
    Set,
    /// A map: items are told apart by these keys; a key may have a default.
    Keyed(Vec<(String, Option<Value>)>),
}

/// How a strategic merge patch changes a list (`x-kubernetes-patch-strategy`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListPatch {
    /// It replaces the list.
    Replace,
    /// It adds scalars.
    Add,
    /// It merges items of the same key.
    Merge(String),
}

static ANY: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(Schema::Any));

impl Schema {
    /// The schema that knows nothing.
    #[must_use]
    pub fn any() -> Arc<Self> {
        ANY.clone()
    }

    /// What a key of a map holds.
    #[must_use]
    pub fn field(&self, key: &str) -> Arc<Self> {
        match self {
            Self::Map { fields, entries, .. } => match (fields.get(key), entries) {
                (Some(field), _) => field.link.get(),
                (None, Some(entries)) => entries.get(),
                (None, None) => Self::any(),
            },
            _ => Self::any(),
        }
    }

    /// Whether a key of a map is a field with a name of its own.
    #[must_use]
    pub fn names(&self, key: &str) -> bool {
        matches!(self, Self::Map { fields, .. } if fields.contains_key(key))
    }

    /// Whether a map is owned as a whole.
    #[must_use]
    pub fn is_atomic_map(&self) -> bool {
        matches!(self, Self::Map { atomic: true, .. })
    }

    /// What a list holds, and how it merges.
    #[must_use]
    pub fn list(&self) -> (Arc<Self>, &ListMerge) {
        match self {
            Self::List { item, merge, .. } => (item.get(), merge),
            _ => (Self::any(), &ListMerge::Atomic),
        }
    }
}

/// The schema of a resource's objects.
#[must_use]
pub fn of(resource: &Resource) -> Arc<Schema> {
    match &resource.definition {
        None => built_in::of_kind(&resource.group, &resource.version, &resource.kind).unwrap_or_else(Schema::any),
        Some(definition) => definition.schemas.of_version(&resource.version, || {
            custom::object(definition.version(&resource.version).map_or(&Value::Null, |version| &version["schema"]))
        }),
    }
}

/// The name of the built-in type of a kind, and that type.
#[must_use]
pub fn built_in_kind(group: &str, version: &str, kind: &str) -> Option<(&'static str, Arc<Schema>)> {
    built_in::kind(group, version, kind)
}

/// The schemas of a definition's versions, each made when it is first asked for.
#[derive(Debug, Default)]
pub struct Schemas(Mutex<HashMap<String, Arc<Schema>>>);

impl Schemas {
    fn of_version(&self, version: &str, make: impl FnOnce() -> Schema) -> Arc<Schema> {
        let mut made = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(schema) = made.get(version) {
            return schema.clone();
        }
        let schema = Arc::new(make());
        made.insert(version.to_owned(), schema.clone());
        schema
    }
}
