//! ConfigMaps and Secrets: the keys of their data, and what types of Secrets must hold.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::Problem;
use crate::object::text;

const KEY_RULE: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
    'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

/// What is wrong with the keys.
pub(super) fn keys(object: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    for part in ["data", "binaryData"] {
        for key in object[part].as_object().into_iter().flatten().map(|(key, _)| key) {
            let field = format!("{part}[{key}]");
            if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')) {
                problems.push(Problem::invalid(field, &json!(key), KEY_RULE));
            } else if part == "data" && object["binaryData"].get(key).is_some() {
                problems.push(Problem::invalid(field, &json!(key), "duplicate of key present in binaryData"));
            }
        }
    }
    problems
}

/// What a Secret of a type lacks.
pub(super) fn secret(object: &Value) -> Vec<Problem> {
    let mut problems = keys(object);
    let needed: &[&str] = match text(object, "/type") {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for key in needed {
        let field = format!("data[{key}]");
        let Some(value) = object["data"].get(*key).and_then(Value::as_str) else {
            problems.push(Problem::required(field, ""));
            continue;
        };
        let document = BASE64_STANDARD.decode(value).unwrap_or_default();
        if key.starts_with('.')
            && let Err(error) = serde_json::from_slice::<Value>(&document)
        {
            let first = document.first().copied().map_or(' ', char::from);
            let rule = if error.is_eof() {
                "unexpected end of JSON input".to_owned()
            } else {
                format!("invalid character '{first}' looking for beginning of value")
            };
            problems.push(Problem::invalid(field, &json!("<secret contents redacted>"), &rule));
        }
    }
    problems
}
