//! Label selectors of admission webhooks.

use serde_json::Value;

/// Whether labels satisfy a `metav1.LabelSelector`; a selector that is missing or empty selects everything.
pub(super) fn selects(selector: &Value, labels: &Value) -> bool {
    let exact = selector["matchLabels"].as_object().into_iter().flatten();
    let by_label = exact.into_iter().all(|(key, value)| labels.get(key) == Some(value));
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    by_label && expressions.into_iter().all(|expression| satisfies(expression, labels))
}

fn satisfies(expression: &Value, labels: &Value) -> bool {
    let value = expression["key"].as_str().and_then(|key| labels.get(key));
    let listed = || value.is_some_and(|value| expression["values"].as_array().is_some_and(|of| of.contains(value)));
    match expression["operator"].as_str() {
        Some("In") => listed(),
        Some("NotIn") => !listed(),
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_are_read_as_kubernetes_reads_them() {
        let labels = json!({ "a": "1", "b": "2" });
        for (selector, expected) in [
            (json!(null), true),
            (json!({}), true),
            (json!({ "matchExpressions": null }), true),
            (json!({ "matchLabels": { "a": "1" } }), true),
            (json!({ "matchLabels": { "a": "2" } }), false),
            (json!({ "matchExpressions": [{ "key": "a", "operator": "In", "values": ["1", "3"] }] }), true),
            (json!({ "matchExpressions": [{ "key": "a", "operator": "NotIn", "values": ["1"] }] }), false),
            (json!({ "matchExpressions": [{ "key": "c", "operator": "NotIn", "values": ["1"] }] }), true),
            (json!({ "matchExpressions": [{ "key": "c", "operator": "Exists" }] }), false),
            (json!({ "matchExpressions": [{ "key": "c", "operator": "DoesNotExist" }] }), true),
        ] {
            assert_eq!(selects(&selector, &labels), expected, "{selector}");
        }
    }
}
