//! The objects of the cluster, in memory: one revision counter, optimistic updates, and a log that watches read.
//!
//! The store knows no schema and no rights. What it does know is what makes Kubernetes objects objects: `uid`,
//! `creationTimestamp`, `resourceVersion`, `generation`, and that an object with finalizers is marked, not removed.

mod index;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, RwLock};

use serde_json::{Value, json};
use tokio::sync::watch;

use self::index::Index;
use crate::api::kinds::counts_generation;
use crate::object;

/// How many changes the log keeps for watches that start in the past; older ones answer 410 Gone.
const LOG_LENGTH: usize = 20_000;

/// Names one object: API group ("" for core), plural resource, namespace ("" if cluster-scoped), name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// API group, empty for the core group.
    pub group: String,
    /// Plural resource name, for example `virtualservices`.
    pub plural: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Object name.
    pub name: String,
}

impl Key {
    /// A key from its parts.
    #[must_use]
    pub fn new(group: &str, plural: &str, namespace: &str, name: &str) -> Self {
        Self { group: group.into(), plural: plural.into(), namespace: namespace.into(), name: name.into() }
    }
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It was replaced by a newer version.
    Modified,
    /// It is gone; the change carries its last state.
    Deleted,
}

/// One entry of the log.
#[derive(Debug, Clone)]
pub struct Change {
    /// The revision at which it happened.
    pub revision: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// To which object.
    pub key: Key,
    /// The object afterwards (its last state if deleted; `resourceVersion` is that of the deletion).
    pub object: Arc<Value>,
    /// The object before, if there was one: a watch with a selector needs it to see an object leave its view.
    pub before: Option<Arc<Value>>,
}

/// Why a write was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// An object of that name exists.
    #[error("object {0:?} already exists")]
    Exists(Key),
    /// No object of that name exists.
    #[error("object {0:?} not found")]
    Missing(Key),
    /// The caller's `resourceVersion` is not the stored one.
    #[error("object {0:?} was modified meanwhile")]
    Conflict(Key),
}

#[derive(Default)]
struct State {
    revision: u64,
    objects: BTreeMap<Key, Arc<Value>>,
    index: Index,
    log: VecDeque<Change>,
}

/// The objects of one cluster. Cheap to clone; clones share the objects.
#[derive(Clone)]
pub struct Store {
    state: Arc<RwLock<State>>,
    revision: watch::Sender<u64>,
}

impl Default for Store {
    fn default() -> Self {
        Self { state: Arc::default(), revision: watch::Sender::new(0) }
    }
}

impl Store {
    /// The revision of the newest change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.read().revision
    }

    /// One object.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.read().objects.get(key).cloned()
    }

    /// All objects of a resource, of one namespace or (`None`) of all, ordered by namespace and name.
    #[must_use]
    pub fn list(&self, group: &str, plural: &str, namespace: Option<&str>) -> Vec<Arc<Value>> {
        self.list_at(group, plural, namespace).1
    }

    /// As [`Store::list`], with the revision at which the list was read.
    #[must_use]
    pub fn list_at(&self, group: &str, plural: &str, namespace: Option<&str>) -> (u64, Vec<Arc<Value>>) {
        let state = self.read();
        let from = Key::new(group, plural, namespace.unwrap_or_default(), "");
        let found = state
            .objects
            .range(from..)
            .take_while(|(key, _)| {
                key.group == group && key.plural == plural && namespace.is_none_or(|wanted| key.namespace == wanted)
            })
            .map(|(_, object)| object.clone())
            .collect();
        (state.revision, found)
    }

    /// Every object with its key: for the garbage collector and for comparisons.
    #[must_use]
    pub fn all(&self) -> Vec<(Key, Arc<Value>)> {
        self.read().objects.iter().map(|(key, object)| (key.clone(), object.clone())).collect()
    }

    /// The object with this `uid`.
    #[must_use]
    pub fn by_uid(&self, uid: &str) -> Option<Key> {
        self.read().index.known(uid).cloned()
    }

    /// The objects whose `ownerReferences` name this `uid`.
    #[must_use]
    pub fn owned_by(&self, uid: &str) -> Vec<Key> {
        self.read().index.owned(uid)
    }

    /// Adds an object; sets `uid`, `creationTimestamp`, `resourceVersion`, `generation`, `namespace` and `name`.
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub fn create(&self, key: &Key, mut object: Value) -> Result<Arc<Value>, StoreError> {
        let mut state = self.write();
        if state.objects.contains_key(key) {
            return Err(StoreError::Exists(key.clone()));
        }
        let metadata = metadata_of(&mut object);
        metadata.insert("name".into(), json!(key.name));
        if !key.namespace.is_empty() {
            metadata.insert("namespace".into(), json!(key.namespace));
        }
        metadata.entry("uid").or_insert_with(|| json!(uuid::Uuid::new_v4().to_string()));
        metadata.insert("creationTimestamp".into(), json!(now()));
        if counts_generation(&key.group, &key.plural) {
            metadata.insert("generation".into(), json!(1));
        }
        Ok(self.commit(&mut state, key, object, None, ChangeKind::Added))
    }

    /// Changes an object under the lock. `change` returns whether it changed anything; if not, nothing is written.
    /// A change of anything but `metadata` and `status` raises `generation`. An object that is being deleted and has
    /// lost its last finalizer is removed.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or [`StoreError::Conflict`] if `expected` names another `resourceVersion`.
    pub fn update(
        &self,
        key: &Key,
        expected: Option<&str>,
        change: impl FnOnce(&mut Value) -> bool,
    ) -> Result<Arc<Value>, StoreError> {
        let mut state = self.write();
        let before = state.objects.get(key).cloned().ok_or_else(|| StoreError::Missing(key.clone()))?;
        if expected.is_some_and(|expected| expected != object::text(&before, "/metadata/resourceVersion")) {
            return Err(StoreError::Conflict(key.clone()));
        }
        let mut object = Value::clone(&before);
        if !change(&mut object) || object == *before {
            return Ok(before);
        }
        if counts_generation(&key.group, &key.plural) && specification_differs(&before, &object) {
            let generation = before.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(1) + 1;
            metadata_of(&mut object).insert("generation".into(), json!(generation));
        }
        let leaving = object.pointer("/metadata/deletionTimestamp").is_some();
        if leaving && !is_held(key, &object) {
            return Ok(self.remove(&mut state, key, object, before));
        }
        Ok(self.commit(&mut state, key, object, Some(before), ChangeKind::Modified))
    }

    /// Deletes an object: one with finalizers is marked with `deletionTimestamp` and stays until they are gone.
    /// Returns the object as it is afterwards and whether it is gone.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn delete(&self, key: &Key) -> Result<(Arc<Value>, bool), StoreError> {
        let mut state = self.write();
        let before = state.objects.get(key).cloned().ok_or_else(|| StoreError::Missing(key.clone()))?;
        let mut object = Value::clone(&before);
        if !is_held(key, &before) {
            return Ok((self.remove(&mut state, key, object, before), true));
        }
        if before.pointer("/metadata/deletionTimestamp").is_some() {
            return Ok((before, false));
        }
        let metadata = metadata_of(&mut object);
        metadata.insert("deletionTimestamp".into(), json!(now()));
        if key.plural != "namespaces" || !key.group.is_empty() {
            metadata.insert("deletionGracePeriodSeconds".into(), json!(0));
        }
        if key.group.is_empty() && key.plural == "namespaces" {
            object["status"]["phase"] = json!("Terminating");
        }
        Ok((self.commit(&mut state, key, object, Some(before), ChangeKind::Modified), false))
    }

    /// The changes after `revision`, or `None` if the log no longer reaches back so far.
    #[must_use]
    pub fn changes_since(&self, revision: u64) -> Option<Vec<Change>> {
        let state = self.read();
        let oldest = state.log.front().map_or(state.revision + 1, |change| change.revision);
        if revision + 1 < oldest {
            return None;
        }
        let from = state.log.partition_point(|change| change.revision <= revision);
        Some(state.log.range(from..).cloned().collect())
    }

    /// The changes of one resource after `revision`, and the revision up to which they tell; `None` as in
    /// [`Store::changes_since`].
    #[must_use]
    pub fn changes_of(&self, revision: u64, group: &str, plural: &str) -> Option<(u64, Vec<Change>)> {
        let state = self.read();
        let oldest = state.log.front().map_or(state.revision + 1, |change| change.revision);
        if revision + 1 < oldest {
            return None;
        }
        let from = state.log.partition_point(|change| change.revision <= revision);
        let fits = |change: &&Change| change.key.group == group && change.key.plural == plural;
        Some((state.revision, state.log.range(from..).filter(fits).cloned().collect()))
    }

    /// Tells of new revisions: `changed().await`, then read [`Store::changes_since`].
    #[must_use]
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    fn commit(
        &self,
        state: &mut State,
        key: &Key,
        mut object: Value,
        before: Option<Arc<Value>>,
        kind: ChangeKind,
    ) -> Arc<Value> {
        state.revision += 1;
        let revision = state.revision;
        metadata_of(&mut object).insert("resourceVersion".into(), json!(revision.to_string()));
        let object = Arc::new(object);
        let after = (kind != ChangeKind::Deleted).then_some(&*object);
        state.index.replace(key, before.as_deref(), after);
        if kind == ChangeKind::Deleted {
            state.objects.remove(key);
        } else {
            state.objects.insert(key.clone(), object.clone());
        }
        state.log.push_back(Change { revision, kind, key: key.clone(), object: object.clone(), before });
        if state.log.len() > LOG_LENGTH {
            state.log.pop_front();
        }
        self.revision.send_replace(revision);
        object
    }

    fn remove(&self, state: &mut State, key: &Key, object: Value, before: Arc<Value>) -> Arc<Value> {
        self.commit(state, key, object, Some(before), ChangeKind::Deleted)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The present time as Kubernetes writes it: RFC 3339, UTC, whole seconds.
#[must_use]
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Whether finalizers keep an object. A Namespace has some in its specification too: its content goes first.
fn is_held(key: &Key, object: &Value) -> bool {
    let namespace = key.group.is_empty() && key.plural == "namespaces";
    !object::list(object, "/metadata/finalizers").is_empty()
        || (namespace && !object::list(object, "/spec/finalizers").is_empty())
}

fn metadata_of(object: &mut Value) -> &mut serde_json::Map<String, Value> {
    if !object.is_object() {
        *object = json!({});
    }
    let metadata = &mut object["metadata"];
    if !metadata.is_object() {
        *metadata = json!({});
    }
    match metadata {
        Value::Object(map) => map,
        _ => unreachable!("made an object just above"),
    }
}

fn specification_differs(before: &Value, after: &Value) -> bool {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else { return before != after };
    let part = |key: &&String| !matches!(key.as_str(), "metadata" | "status");
    before.keys().filter(part).count() != after.keys().filter(part).count()
        || before.iter().filter(|(key, _)| part(key)).any(|(key, value)| after.get(key) != Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> Key {
        Key::new("", "pods", "a", name)
    }

    #[test]
    fn an_object_with_finalizers_is_marked_and_goes_with_the_last_of_them() {
        let store = Store::default();
        store.create(&pod("p"), json!({"metadata": {"finalizers": ["x/y"]}})).unwrap();
        assert!(!store.delete(&pod("p")).unwrap().1);
        assert!(store.get(&pod("p")).unwrap().pointer("/metadata/deletionTimestamp").is_some());
        store
            .update(&pod("p"), None, |object| {
                object["metadata"].as_object_mut().unwrap().remove("finalizers").is_some()
            })
            .unwrap();
        assert!(store.get(&pod("p")).is_none());
        assert_eq!(store.changes_since(0).unwrap().last().unwrap().kind, ChangeKind::Deleted);
    }

    #[test]
    fn only_a_change_of_the_specification_raises_the_generation() {
        let store = Store::default();
        store.create(&pod("p"), json!({"spec": {"a": 1}})).unwrap();
        let after = store
            .update(&pod("p"), None, |object| {
                object["status"] = json!({"b": 1});
                true
            })
            .unwrap();
        assert_eq!(after["metadata"]["generation"], 1);
        let after = store
            .update(&pod("p"), None, |object| {
                object["spec"]["a"] = json!(2);
                true
            })
            .unwrap();
        assert_eq!(after["metadata"]["generation"], 2);
    }

    #[test]
    fn a_stale_version_conflicts_and_an_idle_change_writes_nothing() {
        let store = Store::default();
        let first = store.create(&pod("p"), json!({})).unwrap();
        let version = object::text(&first, "/metadata/resourceVersion").to_owned();
        store
            .update(&pod("p"), Some(&version), |object| {
                object["x"] = json!(1);
                true
            })
            .unwrap();
        assert_eq!(store.update(&pod("p"), Some(&version), |_| true), Err(StoreError::Conflict(pod("p"))));
        let revision = store.revision();
        store.update(&pod("p"), None, |_| true).unwrap();
        assert_eq!(store.revision(), revision);
    }

    #[test]
    fn a_list_stays_within_its_resource_and_namespace() {
        let store = Store::default();
        for key in [
            pod("p"),
            Key::new("", "pods", "ab", "q"),
            Key::new("", "podsx", "a", "r"),
            Key::new("x", "pods", "a", "s"),
        ] {
            store.create(&key, json!({})).unwrap();
        }
        assert_eq!(store.list("", "pods", Some("a")).len(), 1);
        assert_eq!(store.list("", "pods", None).len(), 2);
    }
}
