//! How two states of an object differ, field by field.

use serde::Serialize;
use serde_json::{Map, Value};

/// A field that two states of an object have otherwise. Paths are those of structured-merge-diff (`fieldpath/path.go`):
/// `.spec.ports[name="http"].port`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The field.
    pub path: String,
    /// Its value at first, as JSON in one line; nothing if it was absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Its value then; nothing if it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const NOTHING: &str = "(absent)";
        let Self { path, before, after } = self;
        let shown = |value: &Option<String>| value.as_deref().unwrap_or(NOTHING).to_owned();
        write!(f, "{path}: {} -> {}", shown(before), shown(after))
    }
}

/// What a value of a Secret is shown as.
const SECRET: &str = "(secret)";
/// The longest value that is shown.
const LONGEST: usize = 120;
/// What the API server and controllers keep for themselves; a status is theirs altogether.
const OF_THE_SERVER: &[&str] =
    &["managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"];
/// The fields by which elements of a list are told apart, as the API's list maps are.
const KEYS: &[&str] = &["name", "key", "containerPort", "port", "type", "uid"];

/// The fields in which an object differs. What a Secret holds is not shown.
pub(super) fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let secret = after["kind"] == "Secret" && after["apiVersion"] == "v1";
    let mut found = Vec::new();
    compare(&stripped(before), &stripped(after), &mut String::new(), &mut found);
    if secret {
        for difference in found.iter_mut().filter(|one| !one.path.starts_with(".metadata") && one.path != ".type") {
            let hide = |value: &mut Option<String>| *value = value.take().map(|_| SECRET.to_owned());
            hide(&mut difference.before);
            hide(&mut difference.after);
        }
    }
    found
}

fn stripped(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(members) = object.as_object_mut() {
        members.shift_remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| !OF_THE_SERVER.contains(&key.as_str()));
    }
    object
}

fn compare(before: &Value, after: &Value, path: &mut String, found: &mut Vec<Difference>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(before), Value::Object(after)) => {
            for key in before.keys().chain(after.keys().filter(|key| !before.contains_key(*key))) {
                within(path, &format!(".{key}"), |path| member(before, after, key, path, found));
            }
        }
        (Value::Array(old), Value::Array(new)) => match key_of(old, new) {
            Some(key) => keyed(old, new, key, path, found),
            // A list of plain values is one value: its order may count.
            None if old.iter().chain(new).all(|item| !item.is_object()) => found.push(note(path, before, after)),
            None => {
                for index in 0..old.len().max(new.len()) {
                    let (one, other) = (old.get(index), new.get(index));
                    within(path, &format!("[{index}]"), |path| either(one, other, path, found));
                }
            }
        },
        _ => found.push(note(path, before, after)),
    }
}

fn member(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    key: &str,
    path: &mut String,
    found: &mut Vec<Difference>,
) {
    either(before.get(key), after.get(key), path, found);
}

fn either(before: Option<&Value>, after: Option<&Value>, path: &mut String, found: &mut Vec<Difference>) {
    match (before, after) {
        (Some(before), Some(after)) => compare(before, after, path, found),
        (before, after) => {
            found.push(Difference { path: path.clone(), before: before.map(shown), after: after.map(shown) });
        }
    }
}

/// The field that tells the elements of two lists apart.
fn key_of(old: &[Value], new: &[Value]) -> Option<&'static str> {
    let distinct = |items: &[Value], key: &str| {
        let mut values: Vec<String> = items.iter().map(|item| item[key].to_string()).collect();
        values.sort();
        values.windows(2).all(|pair| pair[0] != pair[1])
    };
    let has = |items: &[Value], key: &str| items.iter().all(|item| item.get(key).is_some_and(|it| !it.is_object()));
    let fits = |key: &&&str| [old, new].iter().all(|items| has(items, key) && distinct(items, key));
    KEYS.iter().find(fits).copied()
}

fn keyed(old: &[Value], new: &[Value], key: &str, path: &mut String, found: &mut Vec<Difference>) {
    let find = |items: &[Value], value: &Value| items.iter().find(|item| item[key] == *value).cloned();
    let added = new.iter().filter(|item| find(old, &item[key]).is_none());
    for item in old.iter().chain(added) {
        let (one, other) = (find(old, &item[key]), find(new, &item[key]));
        let step = format!("[{key}={}]", item[key]);
        within(path, &step, |path| either(one.as_ref(), other.as_ref(), path, found));
    }
}

fn within(path: &mut String, step: &str, work: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push_str(step);
    work(path);
    path.truncate(length);
}

fn note(path: &str, before: &Value, after: &Value) -> Difference {
    Difference { path: path.to_owned(), before: Some(shown(before)), after: Some(shown(after)) }
}

/// A value in one line of bearable length.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn told(before: Value, after: Value) -> Vec<String> {
        differences(&before, &after).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn fields_are_named_as_the_api_names_them() {
        let before = json!({ "metadata": { "resourceVersion": "1", "labels": { "a": "b" } }, "status": { "x": 1 },
            "spec": { "replicas": 1, "args": ["a"], "containers": [{ "name": "c", "image": "x:1" }, { "name": "d" }] } });
        let after = json!({ "metadata": { "resourceVersion": "2", "labels": {} }, "status": { "x": 2 },
            "spec": { "replicas": 2, "args": ["b"], "containers": [{ "name": "d" }, { "name": "c", "image": "x:2" }, { "name": "e" }] } });
        assert_eq!(
            told(before, after),
            [
                ".metadata.labels.a: \"b\" -> (absent)",
                ".spec.replicas: 1 -> 2",
                ".spec.args: [\"a\"] -> [\"b\"]",
                ".spec.containers[name=\"c\"].image: \"x:1\" -> \"x:2\"",
                ".spec.containers[name=\"e\"]: (absent) -> {\"name\":\"e\"}",
            ]
        );
    }

    #[test]
    fn the_same_is_no_difference_in_whatever_order() {
        let (a, b) =
            (json!({ "p": [{ "name": "x" }, { "name": "y" }] }), json!({ "p": [{ "name": "y" }, { "name": "x" }] }));
        assert!(told(a, b).is_empty());
    }

    #[test]
    fn what_a_secret_holds_is_not_shown() {
        let secret = |value: &str| json!({ "apiVersion": "v1", "kind": "Secret", "data": { "password": value } });
        assert_eq!(told(secret("b25l"), secret("dHdv")), [".data.password: (secret) -> (secret)"]);
    }

    proptest! {
        #[test]
        fn any_two_objects_are_compared(a in objects(), b in objects()) {
            prop_assert_eq!(differences(&a, &b).is_empty(), differences(&b, &a).is_empty());
            prop_assert!(differences(&a, &a).is_empty());
        }
    }

    fn objects() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            "[a-b\u{1b}]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("name|[a-c]", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }
}
