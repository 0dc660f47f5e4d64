//! Behaviour that no object of a real platform controls, and that a fault needs to break all the same.
//!
//! A switch is a key of the ConfigMap `embedded-reference-platform/switches` with the value `"true"`: so even these are
//! changes to objects. The ConfigMap does not exist on a healthy platform, and on no real one.

use crate::store::{Key, Store};

/// Namespace of the ConfigMap that holds the switches.
pub const NAMESPACE: &str = "embedded-reference-platform";
/// Name of that ConfigMap.
pub const NAME: &str = "switches";

/// Whose session a switch takes anything for: the default user of kubeflow/manifests.
pub const DEFAULT_USER: &str = "user@example.com";

/// Whether a switch is on.
#[must_use]
pub fn is_on(store: &Store, switch: &str) -> bool {
    value(store, switch).as_deref() == Some("true")
}

/// The value of a switch, if the ConfigMap has that key.
#[must_use]
pub fn value(store: &Store, switch: &str) -> Option<String> {
    let switches = store.get(&Key::new("", "configmaps", NAMESPACE, NAME))?;
    switches.get("data")?.get(switch)?.as_str().map(str::to_owned)
}
