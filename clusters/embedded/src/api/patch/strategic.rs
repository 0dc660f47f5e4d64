//! Strategic merge patches.

use serde_json::Value;

/// Merges a patch into an object.
pub fn merge(object: &mut Value, patch: &Value) {
    json_patch::merge(object, patch);
}
