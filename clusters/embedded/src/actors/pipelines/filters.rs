//! The filter of a list, as JSON of protocol buffers: names of fields as they are written or in camel case, operations by
//! name or, as the SDK sends them, by number (`backend/src/apiserver/server/list_request_util.go`,
//! `backend/api/v2beta1/filter.proto`, 2.0.5 to 2.5.0).

use serde_json::{Map, Value};

use super::refusal::{Answered, Refusal};

const OPERATIONS: [(u64, &str); 8] = [
    (1, "EQUALS"),
    (2, "NOT_EQUALS"),
    (3, "GREATER_THAN"),
    (5, "GREATER_THAN_EQUALS"),
    (6, "LESS_THAN"),
    (7, "LESS_THAN_EQUALS"),
    (8, "IN"),
    (9, "IS_SUBSTRING"),
];

/// The predicates of a filter, written in one way: fields as in the definition, operations by name.
pub(super) fn predicates(filter: &str) -> Answered<Vec<Value>> {
    let parsed: Value = serde_json::from_str(filter).map_err(|_| {
        let first = filter.chars().next().unwrap_or_default();
        let cause = format!("invalid character '{first}' looking for beginning of value");
        Refusal::invalid(format!("failed to parse valid filter from \"{filter}\": {cause}"))
    })?;
    let predicates = parsed.get("predicates").and_then(Value::as_array).into_iter().flatten();
    Ok(predicates.map(|predicate| predicate.as_object().map_or(Value::Null, plain)).collect())
}

fn plain(predicate: &Map<String, Value>) -> Value {
    let field = |(name, value): (&String, &Value)| {
        let name = name.replace('V', "_v");
        let known = OPERATIONS.iter().find(|(number, _)| Some(*number) == value.as_u64());
        match known {
            Some((_, operation)) if ["operation", "op"].contains(&name.as_str()) => (name, Value::from(*operation)),
            _ => (name, value.clone()),
        }
    };
    Value::Object(predicate.iter().map(field).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_sdk_s_spelling_is_the_same_filter() {
        let plain = json!({"operation": "EQUALS", "key": "display_name", "string_value": "V"});
        for filter in [
            json!({"predicates": [plain]}),
            json!({"predicates": [{"operation": 1, "key": "display_name", "stringValue": "V"}]}),
        ] {
            assert_eq!(predicates(&filter.to_string()).unwrap(), vec![plain.clone()], "{filter}");
        }
        let odd = json!({"predicates": [{"op": 4, "key": 1}, "x"]});
        assert_eq!(predicates(&odd.to_string()).unwrap(), [json!({"op": 4, "key": 1}), Value::Null]);
        for none in ["{}", "[]", "1", r#"{"predicates": 1}"#] {
            assert_eq!(predicates(none).unwrap(), Vec::<Value>::new(), "{none}");
        }
        assert!(predicates("x").is_err());
    }
}
