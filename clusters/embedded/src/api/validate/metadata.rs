//! The rules of metadata: labels and annotations (apimachinery `validation/objectmeta.go`).

use serde_json::Value;

use super::Problem;

/// How long all annotations together may be.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

const NAME_RULE: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with \
    an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
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
    for finalizer in crate::object::list(object, "/metadata/finalizers") {
        let text = finalizer.as_str().unwrap_or_default();
        if built_in && !text.contains('/') && !matches!(text, "foregroundDeletion" | "orphan" | "kubernetes") {
            let rule = "name is neither a standard finalizer name nor is it fully qualified";
            problems.push(Problem::invalid("metadata.finalizers", finalizer, rule));
        }
    }
    for owner in crate::object::list(object, "/metadata/ownerReferences") {
        for part in ["apiVersion", "kind", "name", "uid"] {
            if owner[part].as_str().is_none_or(str::is_empty) {
                problems.push(Problem::required(format!("metadata.ownerReferences.{part}"), "must not be empty"));
            }
        }
    }
    problems
}

fn check_key(field: &str, key: &str, problems: &mut Vec<Problem>) {
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

fn is_name(text: &str) -> bool {
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
