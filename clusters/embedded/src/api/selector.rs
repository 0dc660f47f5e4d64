//! Label and field selectors: which objects a list or watch shows.

use serde_json::Value;

use super::Status;
use super::validate::metadata;
use crate::object::{label, text};

/// Both selectors of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector` of a request about objects of a kind; `extra` are the selectable fields
    /// of a custom one.
    ///
    /// # Errors
    /// 400 for a selector that does not parse, or a field that this kind cannot be selected by.
    pub fn parse(
        labels: Option<&str>,
        fields: Option<&str>,
        plural: &str,
        extra: Option<&[String]>,
    ) -> Result<Self, Status> {
        let custom = extra.is_some();
        let extra = extra.unwrap_or_default();
        let mut selector = Self { labels: parse_labels(labels.unwrap_or_default())?, fields: Vec::new() };
        for term in fields.unwrap_or_default().split(',').filter(|term| !term.is_empty()) {
            let (key, equal, value) = if let Some((key, value)) = term.split_once("!=") {
                (key, false, value)
            } else if let Some((key, value)) = term.split_once('=') {
                (key, true, value.strip_prefix('=').unwrap_or(value))
            } else {
                let all = fields.unwrap_or_default();
                let why = format!("invalid selector: '{all}'; can't understand '{term}'");
                return Err(Status::bad_request(why));
            };
            let served = matches!(key, "metadata.name" | "metadata.namespace")
                || selectable(plural).contains(&key)
                || extra.iter().any(|path| path.strip_prefix('.') == Some(key));
            if !served {
                return Err(Status::bad_request(if selectable(plural).is_empty() && !custom {
                    format!("\"{key}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
                } else {
                    format!("field label not supported: {key}")
                }));
            }
            selector.fields.push((key.into(), equal, value.into()));
        }
        Ok(selector)
    }

    /// Whether every object is shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object is shown.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.labels.iter().all(|requirement| requirement.holds(object))
            && self.fields.iter().all(|(path, equal, wanted)| (field(object, path) == *wanted) == *equal)
    }
}

impl Requirement {
    fn holds(&self, object: &Value) -> bool {
        let value = label(object, &self.key);
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::In(values) => value.is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|wanted| wanted != value)),
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::Greater(limit) => number().is_some_and(|number| number > *limit),
            Test::Less(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

/// Fields beside name and namespace by which built-in kinds can be selected (each kind's `SelectableFields`).
fn selectable(plural: &str) -> &'static [&'static str] {
    match plural {
        "pods" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "events" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "namespaces" => &["status.phase"],
        "nodes" => &["spec.unschedulable"],
        "secrets" => &["type"],
        "services" => &["spec.clusterIP", "spec.type"],
        "jobs" => &["status.successful"],
        "replicasets" | "replicationcontrollers" => &["status.replicas"],
        "certificatesigningrequests" => &["spec.signerName"],
        _ => &[],
    }
}

fn field(object: &Value, path: &str) -> String {
    let at = |path: &str| object.pointer(&format!("/{}", path.replace('.', "/")));
    match (at(path), path) {
        (Some(Value::String(text)), _) => text.clone(),
        (Some(Value::Null) | None, "spec.unschedulable" | "spec.hostNetwork") => "false".into(),
        (_, "source") => text(object, "/source/component").into(),
        (_, "status.successful") => at("status.succeeded").map_or_else(|| "0".into(), Value::to_string),
        (Some(value), _) if !value.is_object() && !value.is_array() => value.to_string(),
        _ => String::new(),
    }
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, Status> {
    let mut requirements = Vec::new();
    for term in split_terms(text) {
        let term = term.trim();
        if !term.is_empty() {
            let parsed = requirement(term).filter(|requirement| is_label_key(&requirement.key));
            let parsed = parsed.ok_or_else(|| Status::bad_request(misread(term)))?;
            if let Some(why) = parsed.test.misvalued(&parsed.key) {
                return Err(Status::bad_request(format!("unable to parse requirement: {why}")));
            }
            requirements.push(parsed);
        }
    }
    Ok(requirements)
}

impl Test {
    /// Why its values cannot be those of a label.
    fn misvalued(&self, key: &str) -> Option<String> {
        let (Self::In(values) | Self::NotIn(values)) = self else { return None };
        let wrong = |value: &&String| !value.is_empty() && (value.len() > 63 || !metadata::is_name(value));
        let (at, value) = values.iter().enumerate().find(|(_, value)| wrong(value))?;
        Some(format!("values[{at}][{key}]: Invalid value: \"{value}\": {}", metadata::VALUE_RULE))
    }
}

/// What is wrong with a term, in the words of apimachinery's `labels` where it is a common mistake.
fn misread(term: &str) -> String {
    if term.starts_with('=') {
        return "found '=', expected: !, identifier, or 'end of string'".into();
    }
    if let Some((_, limit)) = term.split_once(['>', '<']) {
        return format!(
            "unable to parse requirement: values[0]: Invalid value: \"{limit}\": for 'Gt', 'Lt' operators, the value \
             must be an integer"
        );
    }
    let words: Vec<&str> = term.split_whitespace().collect();
    match words.as_slice() {
        [_, "in" | "notin", found, ..] => format!("unable to parse requirement: found '{found}' expected: '('"),
        _ => format!("unable to parse requirement: invalid label selector term {term:?}"),
    }
}

/// Splits at the commas that are not within parentheses.
fn split_terms(text: &str) -> Vec<&str> {
    let (mut terms, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

fn requirement(term: &str) -> Option<Requirement> {
    let made = |key: &str, test| Some(Requirement { key: key.trim().into(), test });
    if let Some(key) = term.strip_prefix('!') {
        return made(key, Test::Absent);
    }
    if let Some(set) = term.strip_suffix(')') {
        let (head, values) = set.split_once('(')?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let (key, operator) = head.trim().rsplit_once(char::is_whitespace)?;
        return match operator {
            "in" => made(key, Test::In(values)),
            "notin" => made(key, Test::NotIn(values)),
            _ => None,
        };
    }
    let value = |value: &str| vec![value.trim().to_owned()];
    if let Some((key, wanted)) = term.split_once("!=") {
        return made(key, Test::NotIn(value(wanted)));
    }
    if let Some((key, wanted)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return made(key, Test::In(value(wanted)));
    }
    if let Some((key, limit)) = term.split_once('>') {
        return made(key, Test::Greater(limit.trim().parse().ok()?));
    }
    if let Some((key, limit)) = term.split_once('<') {
        return made(key, Test::Less(limit.trim().parse().ok()?));
    }
    made(term, Test::Exists)
}

/// A qualified name: an optional DNS prefix and `/`, then at most 63 characters.
fn is_label_key(key: &str) -> bool {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty()
        && name.len() <= 63
        && name.chars().all(plain)
        && key.chars().all(|c| plain(c) || c == '/')
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(labels: &str) -> bool {
        let pod = json!({"metadata": {"labels": {"app": "a", "tier": "web", "n": "5"}}});
        Selector::parse(Some(labels), None, "pods", None).unwrap().matches(&pod)
    }

    #[test]
    fn label_selectors_know_equality_sets_existence_and_numbers() {
        for (selector, expected) in [
            ("app=a", true),
            ("app==a,tier!=web", false),
            ("app in (a, b),tier", true),
            ("app notin (a)", false),
            ("x notin (a)", true),
            ("!x", true),
            ("!app", false),
            ("n>4,n<6", true),
            ("n>5", false),
            ("x!=y", true),
            ("", true),
        ] {
            assert_eq!(matches(selector), expected, "{selector}");
        }
        assert!(Selector::parse(Some("a in b"), None, "pods", None).is_err());
        assert!(Selector::parse(Some("=x"), None, "pods", None).is_err());
    }

    #[test]
    fn field_selectors_know_only_the_fields_of_the_kind() {
        let pod = json!({"metadata": {"name": "p"}, "status": {"phase": "Running"}});
        let selector = |text: &str, plural: &str| Selector::parse(None, Some(text), plural, None);
        assert!(selector("status.phase=Running,metadata.name!=q", "pods").unwrap().matches(&pod));
        assert!(!selector("spec.nodeName=n", "pods").unwrap().matches(&pod));
        assert_eq!(selector("status.phase=x", "configmaps").unwrap_err().code, 400);
    }
}
