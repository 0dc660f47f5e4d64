//! The environment and the mounted files of a container, resolved from ConfigMaps and Secrets as a kubelet does.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::store::Store;

/// The environment variables of a container: `envFrom`, then `env` with `valueFrom` (ConfigMap, Secret, field) and
/// `$(NAME)` expansion.
#[must_use]
pub fn variables(store: &Store, pod: &Value, container: &str) -> BTreeMap<String, String> {
    let _ = (store, pod, container);
    BTreeMap::new()
}

/// The content of a file that a ConfigMap, Secret or projected volume puts into a container, by absolute path.
#[must_use]
pub fn file(store: &Store, pod: &Value, container: &str, path: &str) -> Option<String> {
    let _ = (store, pod, container, path);
    None
}
