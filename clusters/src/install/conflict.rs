//! Fields that others have written since the last apply: a controller keeps its field, another deployer's is taken over.
//!
//! `caBundle` of a webhook, `rules` of an aggregated ClusterRole, `replicas` under an autoscaler: manifests give such
//! fields a first value, and a controller sets them from then on. To force the manifests' value would break what works
//! until the controller repairs it.

use kube::core::Status;
use serde::Serialize;
use serde_json::Value;

use super::kinds::is_definition;
use crate::manifests::Id;

/// Field managers that deploy as we do; what they own is meant to be replaced.
const DEPLOYERS: &[&str] =
    &["kubectl", "helm", "kustomize", "argocd", "flux", "before-first-apply", super::FIELD_MANAGER];

/// Whether an apply was refused because others own some of its fields.
pub(super) fn is_conflict(status: &Status) -> bool {
    status.code == 409 && causes(status).next().is_some()
}

/// A field of an object that another manager owns, with another value than the manifests'.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Claim {
    /// The object.
    pub object: String,
    /// The field.
    pub field: String,
    /// Its owner.
    pub manager: String,
    /// Whether the owner keeps it; else it is taken over.
    pub kept: bool,
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { object, field, manager, kept } = self;
        let what = if *kept { "is left to" } else { "is taken over from" };
        write!(f, "{object}: {field} {what} field manager {manager:?}")
    }
}

/// The fields that a conflict is about.
pub(super) fn claims(id: &Id, status: &Status) -> Vec<Claim> {
    let claims = causes(status).map(|(manager, field)| {
        let kept = !DEPLOYERS.iter().any(|deployer| manager.starts_with(deployer));
        Claim { object: id.to_string(), field: field.to_owned(), manager: manager.to_owned(), kept }
    });
    claims.collect()
}

/// Leaves to controllers the fields that they own; the rest may be forced.
pub(super) fn give_way(body: &mut Value, claims: &[Claim]) {
    for claim in claims.iter().filter(|claim| claim.kept) {
        remove(body, &claim.field);
    }
}

/// Why a definition cannot be written: somebody who is no deployer owns more of it than a controller fills in, so another
/// platform uses the same kind. The fields that controllers of a definition fill in are the authority of its conversion
/// webhook (cert-manager's cainjector, knative's webhooks) and annotations.
pub(super) fn of_another_platform(id: &Id, claims: &[Claim]) -> Option<String> {
    let filled_in = |field: &str| field.ends_with(".caBundle") || field.starts_with(".metadata.");
    let theirs = claims.iter().find(|claim| is_definition(id) && claim.kept && !filled_in(&claim.field))?;
    let Claim { field, manager, .. } = theirs;
    Some(format!(
        "field manager {manager:?} owns {field}, with another value than the manifests': another platform uses this \
         definition; remove that platform first, or hand its fields over: kubectl get crd {} -o yaml | kubectl apply \
         --server-side --force-conflicts --field-manager=kubectl -f -",
        id.name
    ))
}

/// The managers and paths of a conflict (apimachinery `managedfields/internal/conflict.go`).
fn causes(status: &Status) -> impl Iterator<Item = (&str, &str)> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.filter(|cause| cause.reason == "FieldManagerConflict").map(|cause| {
        let quoted = cause.message.trim_start_matches("conflict with ").trim_start_matches('"');
        (quoted.split('"').next().unwrap_or(quoted), cause.field.as_str())
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
        let claims = claims(&id("Deployment", "apps"), &status);
        give_way(&mut body, &claims);
        assert_eq!(body, json!({ "b": 2 }));
        let told: Vec<String> = claims.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "Deployment n: .a is left to field manager \"cainjector\"",
                "Deployment n: .b is taken over from field manager \"kubectl-client-side-apply\"",
            ]
        );
    }

    fn id(kind: &str, group: &str) -> Id {
        let (kind, group) = (kind.to_owned(), group.to_owned());
        Id { group, version: "v1".to_owned(), kind, namespace: None, name: "n".to_owned() }
    }

    #[test]
    fn a_definition_of_another_platform_is_told_by_name() {
        let status = |manager: &str, field: &str| {
            status(
                json!([{ "reason": "FieldManagerConflict", "message": format!("conflict with {manager:?}"), "field": field }]),
            )
        };
        let definition = id("CustomResourceDefinition", "apiextensions.k8s.io");
        let refused = |manager: &str, field: &str| {
            of_another_platform(&definition, &claims(&definition, &status(manager, field)))
        };
        let words = refused("other-operator", ".spec.versions").expect("it is another's");
        assert!(words.contains("\"other-operator\" owns .spec.versions"), "{words}");
        assert_eq!(refused("kubectl", ".spec.versions"), None);
        assert_eq!(refused("cainjector", ".spec.conversion.webhook.clientConfig.caBundle"), None);
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic(path in r#"(\.[a-b.]{0,2}|\[|\]|=|"|[a-b]|,|é|1){0,8}"#) {
            remove(&mut json!({ "a": [{ "b": 1 }, "a", 1], "b": { "a.b": 1, "é": 2 } }), &path);
        }
    }
}
