//! What something of v1beta1 belongs to, and what it was made by: `resource_references`.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/api/v1beta1/resource_reference.proto`,
//! `backend/src/apiserver/server/api_util.go`.

use serde_json::{Value, json};

use crate::actors::pipelines::call::{Call, field};

/// The id of the first one of a kind that a body names; empty where it names none.
pub fn named<'a>(body: &'a Value, kind: &str) -> &'a str {
    let references = body.get("resource_references").and_then(Value::as_array);
    let found = references.into_iter().flatten().find(|reference| field(reference, "/key/type") == kind);
    found.map(|reference| field(reference, "/key/id")).unwrap_or_default()
}

/// The id that a list's key names, if it is of this kind; empty otherwise.
pub fn listed(call: &Call, kind: &str) -> String {
    let is_it = call.asked("resource_reference_key.type") == kind;
    if is_it { call.asked("resource_reference_key.id") } else { String::new() }
}

/// References as they are shown; those without an id are none.
pub fn shown(references: &[(&str, &str, &str)]) -> Vec<Value> {
    let named = references.iter().filter(|(_, id, _)| !id.is_empty());
    named
        .map(|(kind, id, relationship)| json!({"key": {"type": kind, "id": id}, "relationship": relationship}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_kind_counts_and_what_is_no_reference_names_nothing() {
        let body = json!({"resource_references": [
            {}, 7, {"key": {"type": "EXPERIMENT", "id": "e"}}, {"key": {"type": "EXPERIMENT", "id": "f"}},
        ]});
        assert_eq!(named(&body, "EXPERIMENT"), "e");
        assert_eq!(named(&body, "NAMESPACE"), "");
        assert_eq!(named(&json!({"resource_references": "EXPERIMENT"}), "EXPERIMENT"), "");
    }
}
