//! Fields that others have written since the last apply: a controller keeps its field, another deployer's is taken over.
//!
//! `caBundle` of a webhook, `rules` of an aggregated ClusterRole, `replicas` under an autoscaler: manifests give such
//! fields a first value, and a controller sets them from then on. To force the manifests' value would break what works
//! until the controller repairs it.

use kube::core::Status;
use serde_json::Value;

/// Field managers that deploy as we do; what they own is meant to be replaced.
const DEPLOYERS: &[&str] =
    &["kubectl", "helm", "kustomize", "argocd", "flux", "before-first-apply", super::FIELD_MANAGER];

/// Whether an apply was refused because others own some of its fields.
pub(super) fn is_conflict(status: &Status) -> bool {
    status.code == 409 && causes(status).next().is_some()
}

/// Leaves to controllers the fields that they own; the rest may be forced.
pub(super) fn give_way(body: &mut Value, status: &Status) {
    let theirs = causes(status).filter(|(manager, _)| !DEPLOYERS.iter().any(|deployer| manager.starts_with(deployer)));
    for (_, path) in theirs {
        remove(body, path);
    }
}

/// The managers and paths of a conflict (apimachinery `managedfields/internal/conflict.go`).
fn causes(status: &Status) -> impl Iterator<Item = (&str, &str)> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.filter(|cause| cause.reason == "FieldManagerConflict").map(|cause| {
        let manager = cause.message.trim_start_matches("conflict with ").trim_start_matches('"');
        (manager, cause.field.as_str())
    })
}

/// Removes what a path leads to, in the notation of structured-merge-diff (`fieldpath/path.go`): `.a.b[name="x"].c`.
fn remove(value: &mut Value, path: &str) -> bool {
    match value {
        Value::Object(map) => {
            let Some(rest) = path.strip_prefix('.') else { return false };
            // Names may hold dots themselves: the longest that fits.
            let fits = |key: &&String| {
                rest.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            let Some(key) = map.keys().filter(fits).max_by_key(|key| key.len()).cloned() else { return false };
            match &rest[key.len()..] {
                "" => map.shift_remove(&key).is_some(),
                rest => map.get_mut(&key).is_some_and(|value| remove(value, rest)),
            }
        }
        Value::Array(items) => {
            let Some((element, rest)) = path.strip_prefix('[').and_then(element) else { return false };
            let Some(index) = items.iter().position(|item| element.is(item)) else { return false };
            if rest.is_empty() {
                items.remove(index);
                return true;
            }
            items.get_mut(index).is_some_and(|item| remove(item, rest))
        }
        _ => false,
    }
}

/// Which element of a list.
enum Element {
    /// The one with these fields.
    Keyed(Vec<(String, Value)>),
    /// The one that is this value.
    Value(Value),
}

impl Element {
    fn is(&self, item: &Value) -> bool {
        match self {
            Self::Keyed(fields) => fields.iter().all(|(key, value)| item.get(key) == Some(value)),
            Self::Value(value) => item == value,
        }
    }
}

/// Reads `name="x",port=80].rest` or `="x"].rest`.
fn element(text: &str) -> Option<(Element, &str)> {
    let (mut fields, mut text) = (Vec::new(), text);
    loop {
        let (key, rest) = text.split_once('=')?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let value = match values.next()? {
            Ok(value) => value,
            Err(_) => return None,
        };
        let rest = rest.get(values.byte_offset()..)?;
        if key.is_empty() {
            return Some((Element::Value(value), rest.strip_prefix(']')?));
        }
        fields.push((key.to_owned(), value));
        match rest.strip_prefix(',') {
            Some(more) => text = more,
            None => return Some((Element::Keyed(fields), rest.strip_prefix(']')?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn status(causes: Value) -> Status {
        let status = json!({ "status": "Failure", "message": "", "reason": "Conflict", "code": 409,
            "details": { "causes": causes } });
        serde_json::from_value(status).expect("a status")
    }

    #[test]
    fn paths_lead_where_the_api_means() {
        let body = json!({ "metadata": { "labels": { "app.kubernetes.io/name": "x", "app": "y" } },
            "webhooks": [{ "name": "a" }, { "name": "b.c", "clientConfig": { "caBundle": "Cg==", "service": {} } }],
            "spec": { "ports": [{ "port": 80, "protocol": "UDP" }, { "port": 80, "protocol": "TCP", "n": 1 }],
                "finalizers": ["f", "g"], "replicas": 1 } });
        for (path, pointer) in [
            (".metadata.labels.app.kubernetes.io/name", "/metadata/labels/app.kubernetes.io~1name"),
            (".metadata.labels.app", "/metadata/labels/app"),
            (".webhooks[name=\"b.c\"].clientConfig.caBundle", "/webhooks/1/clientConfig/caBundle"),
            (".spec.ports[port=80,protocol=\"TCP\"].n", "/spec/ports/1/n"),
            (".spec.finalizers[=\"g\"]", "/spec/finalizers/1"),
            (".spec.replicas", "/spec/replicas"),
        ] {
            let mut left = body.clone();
            assert!(body.pointer(pointer).is_some() && remove(&mut left, path), "{path}");
            assert!(left.pointer(pointer).is_none(), "{path}: {left}");
        }
        for path in ["", ".", "x", ".webhooks[", ".webhooks[name=]", ".webhooks[0]", ".spec.nothing", ".spec[=1]"] {
            let mut left = body.clone();
            assert!(!remove(&mut left, path) && left == body, "{path}");
        }
    }

    #[test]
    fn a_controller_keeps_its_field_and_a_deployer_does_not() {
        let status = status(json!([
            { "reason": "FieldManagerConflict", "message": "conflict with \"cainjector\" using v1", "field": ".a" },
            { "reason": "FieldManagerConflict", "message": "conflict with \"kubectl-client-side-apply\"", "field": ".b" },
        ]));
        assert!(is_conflict(&status));
        let mut body = json!({ "a": 1, "b": 2 });
        give_way(&mut body, &status);
        assert_eq!(body, json!({ "b": 2 }));
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic(path in r#"(\.[a-b.]{0,2}|\[|\]|=|"|[a-b]|,|é|1){0,8}"#) {
            remove(&mut json!({ "a": [{ "b": 1 }, "a", 1], "b": { "a.b": 1, "é": 2 } }), &path);
        }
    }
}
