//! The types of objects: which fields there are, and how lists and maps merge. Built-in kinds and custom resources share
//! one form, so that server-side apply and strategic merge walk both alike.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::kinds::Resource;

/// One node of a type.
#[derive(Debug, Clone, PartialEq)]
pub enum Schema {
    /// Nothing is known: maps merge by key, lists are replaced as a whole.
    Any,
    /// No map and no list.
    Scalar,
    /// A map.
    Map {
        /// The fields with a name of their own.
        fields: BTreeMap<String, Arc<Schema>>,
        /// What further keys hold, if there may be any.
        entries: Option<Arc<Schema>>,
        /// Owned and replaced as a whole.
        atomic: bool,
    },
    /// A list.
    List {
        /// What it holds.
        item: Arc<Schema>,
        /// How two lists become one.
        merge: ListMerge,
    },
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
            Self::Map { fields, entries, .. } => {
                fields.get(key).or(entries.as_ref()).cloned().unwrap_or_else(Self::any)
            }
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
            Self::List { item, merge } => (item.clone(), merge),
            _ => (Self::any(), &ListMerge::Atomic),
        }
    }
}

/// The schema of a resource's objects.
#[must_use]
pub fn of(resource: &Resource) -> Arc<Schema> {
    let _ = resource;
    Schema::any()
}
