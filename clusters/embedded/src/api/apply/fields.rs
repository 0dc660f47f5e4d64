//! Sets of fields, as `managedFields` keeps them (`fieldsV1`).
//!
//! Follows structured-merge-diff's `fieldpath.Set`: a tree whose edges are path elements (`f:name`, `k:{"name":"x"}`,
//! `v:"x"`) and whose nodes may be members themselves.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::schema::{ListMerge, Schema};

/// A set of fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    member: bool,
    children: BTreeMap<String, Fields>,
}

impl Fields {
    /// Whether the field itself belongs to the set.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.member
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// Whether something below the field is in the set.
    #[must_use]
    pub fn has_parts(&self) -> bool {
        !self.children.is_empty()
    }

    /// The part of the set below a path element.
    #[must_use]
    pub fn below(&self, element: &str) -> Option<&Self> {
        self.children.get(element)
    }

    /// Reads `fieldsV1`.
    #[must_use]
    pub fn parse(fields: &Value) -> Self {
        let mut set = Self::default();
        let entries = fields.as_object().into_iter().flatten();
        for (element, below) in entries {
            if element == "." {
                set.member = true;
            } else {
                let mut child = Self::parse(below);
                child.member |= child.children.is_empty();
                set.children.insert(element.clone(), child);
            }
        }
        set
    }

    /// Writes `fieldsV1`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut fields = Map::new();
        if self.member && !self.children.is_empty() {
            fields.insert(".".into(), json!({}));
        }
        for (element, child) in &self.children {
            fields.insert(element.clone(), child.to_value());
        }
        Value::Object(fields)
    }

    /// All that is in either.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        self.member |= other.member;
        for (element, child) in &other.children {
            let mine = self.children.remove(element).unwrap_or_default();
            self.children.insert(element.clone(), mine.union(child));
        }
        self
    }

    /// What is in this one and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.combined(other, |mine, theirs| mine && !theirs, true)
    }

    /// What is in both.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        self.combined(other, |mine, theirs| mine && theirs, false)
    }

    fn combined(&self, other: &Self, member: fn(bool, bool) -> bool, keep: bool) -> Self {
        let mut children = BTreeMap::new();
        for (element, child) in &self.children {
            let rest = match other.children.get(element) {
                Some(theirs) => child.combined(theirs, member, keep),
                None if keep => child.clone(),
                None => continue,
            };
            if !rest.is_empty() {
                children.insert(element.clone(), rest);
            }
        }
        Self { member: member(self.member, other.member), children }
    }

    /// Takes a field, named by its elements, and all below it out of the set.
    pub fn remove(&mut self, path: &[&str]) {
        match path {
            [] => *self = Self::default(),
            [last] => drop(self.children.remove(*last)),
            [first, rest @ ..] => {
                if let Some(child) = self.children.get_mut(*first) {
                    child.remove(rest);
                    if child.is_empty() {
                        self.children.remove(*first);
                    }
                }
            }
        }
    }

    /// Takes the field itself out of the set, not what is below it.
    pub fn only_below(&mut self, element: &str) {
        if let Some(child) = self.children.get_mut(element) {
            child.member = false;
            if child.is_empty() {
                self.children.remove(element);
            }
        }
    }

    /// The paths of all members, as conflict messages write them: `.spec.template.spec.containers[name="a"].image`.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect(&mut String::new(), &mut paths);
        paths
    }

    fn collect(&self, at: &mut String, paths: &mut Vec<String>) {
        if self.member {
            paths.push(at.clone());
        }
        for (element, child) in &self.children {
            let length = at.len();
            at.push_str(&written(element));
            child.collect(at, paths);
            at.truncate(length);
        }
    }

    /// The fields of an applied object (`ToFieldSet`).
    #[must_use]
    pub fn of(value: &Value, schema: &Schema) -> Self {
        let mut set = Self::default();
        match value {
            Value::Object(map) if !schema.is_atomic_map() => {
                for (key, value) in map {
                    let mut child = Self::of(value, &schema.field(key));
                    let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                    child.member |= empty || !schema.names(key) && !matches!(schema, Schema::Any);
                    child.member |= matches!(schema, Schema::Any) && child.children.is_empty();
                    if !child.is_empty() {
                        set.children.insert(field(key), child);
                    }
                }
            }
            Value::Array(items) => {
                let (item_schema, merge) = schema.list();
                if *merge == ListMerge::Atomic {
                    set.member = true;
                    return set;
                }
                for item in items {
                    let mut child = Self::of(item, &item_schema);
                    child.member = true;
                    set.children.insert(element(item, merge), child);
                }
            }
            _ => set.member = true,
        }
        set
    }

    /// All fields of a value at every level: what an addition brings.
    fn whole(value: &Value, schema: &Schema) -> Self {
        let mut set = Self { member: true, children: BTreeMap::new() };
        match value {
            Value::Object(map) if !schema.is_atomic_map() => {
                for (key, value) in map {
                    set.children.insert(field(key), Self::whole(value, &schema.field(key)));
                }
            }
            Value::Array(items) => {
                let (item_schema, merge) = schema.list();
                if *merge != ListMerge::Atomic {
                    for item in items {
                        set.children.insert(element(item, merge), Self::whole(item, &item_schema));
                    }
                }
            }
            _ => {}
        }
        set
    }
}

/// What differs between two objects.
#[derive(Debug, Default)]
pub struct Difference {
    /// Fields that the newer has and the older has not, and those with another value.
    pub changed: Fields,
    /// Fields that only the older has.
    pub removed: Fields,
}

/// Compares two values field by field.
#[must_use]
pub fn compare(old: Option<&Value>, new: Option<&Value>, schema: &Schema) -> Difference {
    let mut difference = Difference::default();
    match (old, new) {
        (None, Some(new)) => difference.changed = Fields::whole(new, schema),
        (Some(old), None) => difference.removed = Fields::whole(old, schema),
        (Some(old), Some(new)) if old != new => compare_both(old, new, schema, &mut difference),
        _ => {}
    }
    difference
}

fn compare_both(old: &Value, new: &Value, schema: &Schema, difference: &mut Difference) {
    match (old, new) {
        (Value::Null, Value::Array(_)) if *schema.list().1 != ListMerge::Atomic => {
            compare_both(&json!([]), new, schema, difference);
        }
        (Value::Object(before), Value::Object(after)) if !schema.is_atomic_map() => {
            for (key, value) in after {
                difference.put(field(key), compare(before.get(key), Some(value), &schema.field(key)));
            }
            for (key, value) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
                difference.put(field(key), compare(Some(value), None, &schema.field(key)));
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            let (item, merge) = schema.list();
            if *merge == ListMerge::Atomic {
                difference.changed.member = true;
                return;
            }
            let (before, after) = (keyed(before, merge), keyed(after, merge));
            for (key, value) in &after {
                difference.put(key.clone(), compare(before.get(key).copied(), Some(value), &item));
            }
            for (key, value) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
                difference.put(key.clone(), compare(Some(value), None, &item));
            }
        }
        _ => difference.changed.member = true,
    }
}

/// The items of a list by their path elements.
fn keyed<'a>(items: &'a [Value], merge: &ListMerge) -> BTreeMap<String, &'a Value> {
    items.iter().map(|item| (element(item, merge), item)).collect()
}

impl Difference {
    fn put(&mut self, element: String, below: Self) {
        if !below.changed.is_empty() {
            self.changed.children.insert(element.clone(), below.changed);
        }
        if !below.removed.is_empty() {
            self.removed.children.insert(element, below.removed);
        }
    }
}

/// The path element of a map's key.
#[must_use]
pub fn field(key: &str) -> String {
    format!("f:{key}")
}

/// The path element of a list's item.
#[must_use]
pub fn element(item: &Value, merge: &ListMerge) -> String {
    match merge {
        ListMerge::Keyed(keys) => {
            let mut found = BTreeMap::new();
            for (key, default) in keys {
                if let Some(value) = item.get(key).or(default.as_ref()) {
                    found.insert(key.clone(), value.clone());
                }
            }
            format!("k:{}", json!(found))
        }
        ListMerge::Set | ListMerge::Atomic => format!("v:{item}"),
    }
}

/// A path element as messages write it.
pub(super) fn written(element: &str) -> String {
    let (kind, rest) = element.split_at(2.min(element.len()));
    match kind {
        "f:" => format!(".{rest}"),
        "k:" => {
            let keys: BTreeMap<String, Value> = serde_json::from_str(rest).unwrap_or_default();
            let keys: Vec<_> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
        "v:" => format!("[={rest}]"),
        _ => format!("[{rest}]"),
    }
}
