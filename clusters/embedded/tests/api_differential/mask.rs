//! What differs from one run to the next is replaced by what it is.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

static TIME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap());
static UID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap());
static TOKEN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+").unwrap());
static PEM: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)-----BEGIN [A-Z ]+-----.*-----END [A-Z ]+-----\n?").unwrap());
static MOUNT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"kube-api-access-[a-z0-9]{5}").unwrap());
static EXEC: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[0-9a-f]{64}").unwrap());
static DIALLED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(dial tcp[46]? )[\d.]+").unwrap());
static VERSION: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(resourceVersion\W+)\d+").unwrap());
static AGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\d+s$").unwrap());
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\d+\.\d+\.\d+\.\d+$").unwrap());

/// What one run put where a table has a placeholder.
#[derive(Debug, Default)]
pub struct Known {
    /// The topic's namespace.
    pub namespace: String,
    /// What the steps of the scenario kept.
    pub kept: BTreeMap<String, String>,
}

impl Known {
    /// A text of the table with its placeholders filled.
    pub fn fill(&self, text: &str) -> String {
        let mut text = text.replace("{ns}", &self.namespace);
        for (name, value) in &self.kept {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }

    /// An answer without what is this run's own.
    pub fn mask(&self, answer: &mut Value) {
        match answer {
            Value::Object(map) => {
                generated_name(map);
                for (key, value) in map.iter_mut() {
                    self.member(key, value);
                }
                let own = |key: &String| key.contains(&self.namespace) || UID.is_match(key);
                for key in map.keys().filter(|key| own(key)).cloned().collect::<Vec<_>>() {
                    let value = map.remove(&key).unwrap();
                    map.insert(self.text(&key), value);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask(item)),
            Value::String(text) => *text = self.text(text),
            _ => {}
        }
    }

    fn member(&self, key: &str, value: &mut Value) {
        match (key, &mut *value) {
            ("resourceVersion", Value::String(text)) if text.parse::<u64>().is_ok_and(|version| version > 0) => {
                *value = json!("{version}");
            }
            ("kubernetes.io/description", value) => *value = json!("{description}"),
            ("continue", Value::String(text)) if !text.is_empty() => *value = json!("{continue}"),
            ("nodePort", Value::Number(_)) => *value = json!("{port}"),
            ("clusterIP" | "podIP" | "hostIP" | "ip", Value::String(text)) if ADDRESS.is_match(text) => {
                *value = json!("{address}");
            }
            ("clusterIPs", Value::Array(items)) => {
                items
                    .iter_mut()
                    .filter(|item| item.as_str().is_some_and(|text| ADDRESS.is_match(text)))
                    .for_each(|item| *item = json!("{address}"));
            }
            // Of a table's columns: documentation for people.
            ("columnDefinitions", Value::Array(columns)) => {
                columns.iter_mut().for_each(|column| column["description"] = json!("{description}"));
            }
            ("cells", Value::Array(cells)) => cells.iter_mut().for_each(|cell| match cell {
                Value::String(text) if AGE.is_match(text) => *cell = json!("{age}"),
                cell => self.mask(cell),
            }),
            ("managedFields", Value::Array(managers)) => {
                // Ordered by time, which has whole seconds only.
                let order = |manager: &Value| {
                    ["operation", "manager", "apiVersion", "subresource"].map(|key| manager[key].to_string())
                };
                managers.sort_by_key(order);
                managers.iter_mut().for_each(|manager| self.mask(manager));
            }
            _ => self.mask(value),
        }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.replace(&self.namespace, "{ns}");
        for (name, value) in &self.kept {
            if !text.contains(value) {
                continue;
            }
            // A version is a number that may stand for anything else: only a whole word is one.
            if value.len() > 2 || text.contains("ersion") {
                let word = Regex::new(&format!(r"(^|\W){}(\W|$)", regex::escape(value))).unwrap();
                text = word.replace_all(&text, format!("${{1}}{{{name}}}${{2}}")).into_owned();
            }
        }
        for (pattern, by) in [
            (&TIME, "{time}"),
            (&UID, "{uid}"),
            (&TOKEN, "{token}"),
            (&PEM, "{certificate}"),
            (&VERSION, "${1}{version}"),
            (&EXEC, "{id}"),
            (&MOUNT, "kube-api-access-{generated}"),
            (&DIALLED, "${1}{address}"),
        ] {
            text = pattern.replace_all(&text, by).into_owned();
        }
        text
    }
}

/// A name that the server made of `generateName`, if it is made as such names are.
fn generated_name(map: &mut serde_json::Map<String, Value>) {
    let Some(base) = map.get("generateName").and_then(Value::as_str) else { return };
    let suffix = map.get("name").and_then(Value::as_str).and_then(|name| name.strip_prefix(base));
    if suffix
        .is_some_and(|suffix| suffix.len() == 5 && suffix.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b)))
    {
        map["name"] = json!(format!("{base}{{generated}}"));
    }
}
