//! The defaults that a definition's schema gives.

use serde_json::Value;

/// Fills in what is absent, and what is `null` and may not be.
pub(super) fn fill(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                if let Some(default) = property.get("default") {
                    let absent = map.get(name).is_none_or(|held| held.is_null() && property["nullable"] != true);
                    if absent {
                        map.insert(name.clone(), default.clone());
                    }
                }
                if let Some(held) = map.get_mut(name) {
                    fill(property, held);
                }
            }
            let entries = &schema["additionalProperties"];
            if entries.is_object() {
                let known = &schema["properties"];
                for (_, held) in map.iter_mut().filter(|(name, _)| known.get(name.as_str()).is_none()) {
                    fill(entries, held);
                }
            }
        }
        Value::Array(items) if schema["items"].is_object() => {
            items.iter_mut().for_each(|item| fill(&schema["items"], item));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_reach_into_what_is_there_and_into_what_they_made() {
        let schema = json!({"properties": {
            "a": {"default": {}, "properties": {"b": {"default": 1}}},
            "c": {"properties": {"d": {"default": 2}}},
            "e": {"items": {"properties": {"f": {"default": 3}}}},
            "g": {"nullable": true, "default": 4},
        }});
        let mut object = json!({"e": [{}, {"f": null}], "g": null});
        fill(&schema, &mut object);
        assert_eq!(object, json!({"e": [{"f": 3}, {"f": 3}], "g": null, "a": {"b": 1}}));
    }
}
