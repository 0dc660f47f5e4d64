//! The rules of metadata: labels and annotations (apimachinery `validation/objectmeta.go`).

use serde_json::Value;

use super::Problem;

/// How long all annotations together may be.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

const NAME_RULE: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with \
    an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const KEY_RULE: &str = "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
    with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. \
    'example.com/MyName')";
/// What a label's value must be.
pub(crate) const VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
    and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
    validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// What is wrong. Only built-in kinds ask for standard or qualified finalizers (Kubernetes 1.34
/// `pkg/apis/core/validation/validation.go`, `ValidateObjectMeta`): the profile controller's is neither.
pub(super) fn problems(object: &Value, built_in: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let pairs = |map: &str| object["metadata"][map].as_object().into_iter().flatten();
    for (key, value) in pairs("labels") {
        check_key("metadata.labels", key, &mut problems);
        let text = value.as_str().unwrap_or_default();
        if text.len() > 63 {
            problems.push(Problem::invalid("metadata.labels", value, "must be no more than 63 bytes"));
        } else if !text.is_empty() && !is_name(text) {
            problems.push(Problem::invalid("metadata.labels", value, VALUE_RULE));
        }
    }
    let mut size = 0;
    for (key, value) in pairs("annotations") {
        check_key("metadata.annotations", &key.to_lowercase(), &mut problems);
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_LIMIT {
        problems.push(Problem {
            reason: "FieldValueTooLong",
            field: "metadata.annotations".into(),
            message: format!("Too long: may not be more than {ANNOTATIONS_LIMIT} bytes"),
        });
    }
    for (at, finalizer) in crate::object::list(object, "/metadata/finalizers").iter().enumerate() {
        let text = finalizer.as_str().unwrap_or_default();
        check_key("metadata.finalizers", text, &mut problems);
        if built_in && !text.contains('/') && !matches!(text, "foregroundDeletion" | "orphan" | "kubernetes") {
            let rule = "name is neither a standard finalizer name nor is it fully qualified";
            problems.push(Problem::invalid(format!("metadata.finalizers[{at}]"), finalizer, rule));
        }
    }
    for owner in crate::object::list(object, "/metadata/ownerReferences") {
        for part in ["apiVersion", "kind", "name", "uid"] {
            if owner[part].as_str().is_none_or(str::is_empty) {
                let rule = if part == "apiVersion" { "version must not be empty" } else { "must not be empty" };
                let field = format!("metadata.ownerReferences.{part}");
                problems.push(Problem::invalid(field, &Value::String(String::new()), rule));
            }
        }
    }
    problems.extend(two_controllers(object));
    problems
}

/// An object that is leaving is not held by more.
pub(super) fn new_finalizers(old: &Value, new: &Value) -> Option<Problem> {
    old.pointer("/metadata/deletionTimestamp")?;
    let known = crate::object::list(old, "/metadata/finalizers");
    let added = crate::object::list(new, "/metadata/finalizers").iter().filter(|one| !known.contains(one));
    let added: Vec<String> = added.map(Value::to_string).collect();
    let rule = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        added.join(", ")
    );
    (!added.is_empty()).then(|| Problem::forbidden("metadata.finalizers", &rule))
}

/// One owner at most controls an object.
fn two_controllers(object: &Value) -> Option<Problem> {
    let owners = crate::object::list(object, "/metadata/ownerReferences");
    let controllers: Vec<&Value> = owners.iter().filter(|owner| owner["controller"] == true).collect();
    let [one, other, ..] = controllers.as_slice() else { return None };
    let part = |owner: &Value, name: &str| owner[name].as_str().unwrap_or_default().to_owned();
    let shown = |owner: &Value| format!("{}/{}", part(owner, "kind"), part(owner, "name"));
    let rule = format!(
        "Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
        shown(one),
        shown(other)
    );
    Some(Problem::invalid("metadata.ownerReferences", &Value::Array(owners.to_vec()), &rule))
}

fn check_key(field: &str, key: &str, problems: &mut Vec<Problem>) {
    if key.matches('/').count() > 1 {
        problems.push(Problem::invalid(field, &Value::String(key.to_owned()), KEY_RULE));
        return;
    }
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let value = Value::String(key.to_owned());
    if prefix.is_some_and(|prefix| !is_domain(prefix)) {
        problems.push(Problem::invalid(field, &value, "prefix part must be a lowercase RFC 1123 subdomain"));
    }
    if name.is_empty() {
        problems.push(Problem::invalid(field, &value, "name part must be non-empty"));
    } else if name.len() > 63 {
        problems.push(Problem::invalid(field, &value, "name part must be no more than 63 bytes"));
    } else if !is_name(name) {
        problems.push(Problem::invalid(field, &value, NAME_RULE));
    }
}

/// Whether a text is a name part or a label's value.
pub(crate) fn is_name(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && ends(text.chars().next())
        && ends(text.chars().next_back())
}

fn is_domain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let part =
        |part: &str| part.starts_with(plain) && part.ends_with(plain) && part.chars().all(|c| plain(c) || c == '-');
    text.len() <= 253 && text.split('.').all(part)
}
