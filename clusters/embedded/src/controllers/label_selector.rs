//! Label selectors as objects carry them: `matchLabels` and `matchExpressions`.

use serde_json::Value;

use crate::object::{list, text};

/// Whether labels fit a LabelSelector (`meta/v1`). An empty selector fits everything, an absent one nothing.
#[must_use]
pub fn matches(selector: Option<&Value>, labels: Option<&Value>) -> bool {
    let Some(selector) = selector.filter(|selector| selector.is_object()) else { return false };
    let value = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
    let equal = selector
        .get("matchLabels")
        .and_then(Value::as_object)
        .is_none_or(|wanted| wanted.iter().all(|(key, wanted)| value(key) == wanted.as_str()));
    equal
        && list(selector, "/matchExpressions").iter().all(|expression| {
            let among = |value: &str| list(expression, "/values").iter().any(|one| one.as_str() == Some(value));
            match (text(expression, "/operator"), value(text(expression, "/key"))) {
                ("In", found) => found.is_some_and(among),
                ("NotIn", found) => !found.is_some_and(among),
                ("Exists", found) => found.is_some(),
                ("DoesNotExist", found) => found.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::matches;

    #[test]
    fn expressions_and_labels_must_all_fit() {
        let labels = json!({"istio-injection": "enabled", "app": "x"});
        for (selector, fits) in [
            (json!({}), true),
            (json!({"matchLabels": {"app": "x"}}), true),
            (json!({"matchLabels": {"app": "y"}}), false),
            (json!({"matchExpressions": [{"key": "istio-injection", "operator": "In", "values": ["enabled"]}]}), true),
            (json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["x"]}]}), false),
            (json!({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["x"]}]}), true),
            (json!({"matchExpressions": [{"key": "none", "operator": "DoesNotExist"}]}), true),
            (json!({"matchExpressions": [{"key": "none", "operator": "Exists"}]}), false),
            (json!({"matchLabels": {"app": "x"}, "matchExpressions": [{"key": "app", "operator": "?"}]}), false),
        ] {
            assert_eq!(matches(Some(&selector), Some(&labels)), fits, "{selector}");
        }
        assert!(!matches(None, Some(&labels)));
        assert!(matches(Some(&json!({})), None));
    }
}
