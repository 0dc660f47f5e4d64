//! The conditions of a CustomResourceDefinition: its names are taken at once, so it is Established as it is created.

use serde_json::{Value, json};

use crate::object::text;
use crate::store::now;

/// Sets `status` of a definition that was created or changed: accepted names, `NamesAccepted`, `Established`,
/// `storedVersions`.
pub fn accept(definition: &mut Value) {
    let since = |kind: &str, definition: &Value| {
        let known = crate::object::list(definition, "/status/conditions").iter().find(|known| known["type"] == kind);
        known.map_or_else(|| json!(now()), |known| known["lastTransitionTime"].clone())
    };
    let condition = |kind: &str, reason: &str, message: &str, definition: &Value| {
        json!({
            "type": kind, "status": "True", "reason": reason, "message": message,
            "lastTransitionTime": since(kind, definition),
        })
    };
    let conditions = json!([
        condition("NamesAccepted", "NoConflicts", "no conflicts found", definition),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted", definition),
    ]);
    let mut names = definition["spec"]["names"].clone();
    if let Some(names) = names.as_object_mut() {
        let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        names.entry("singular").or_insert_with(|| json!(kind.to_lowercase()));
        names.entry("listKind").or_insert_with(|| json!(format!("{kind}List")));
    }
    let storage = crate::object::list(definition, "/spec/versions")
        .iter()
        .find(|version| version["storage"] == true)
        .map(|version| text(version, "/name").to_owned());
    let mut stored = crate::object::list(definition, "/status/storedVersions").to_vec();
    if let Some(storage) = storage
        && !stored.iter().any(|version| version == &storage)
    {
        stored.push(json!(storage));
    }
    definition["status"] = json!({ "acceptedNames": names, "conditions": conditions, "storedVersions": stored });
}
