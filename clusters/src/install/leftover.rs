//! What an apply cannot take away: a part that an earlier release wrote, the manifests no longer have, and a controller has
//! filled in a field of.
//!
//! An apply gives up what it wrote itself; the authority that a controller put beside it (`caBundle`) stays, and keeps the
//! rest of a conversion or of a webhook standing, without what is required of one. The API server refuses that
//! (`apiextensions/validation/validation.go`, `admissionregistration/validation/validation.go`), so such a part is removed
//! whole before.

use kube::core::Status;
use serde_json::{Value, json};

use super::admission::is_configuration;
use super::kinds::is_definition;
use crate::manifests::Manifest;

/// The merge patch that removes the rest that a refusal is about, if it is about one.
pub(super) fn removal(manifest: &Manifest, status: &Status) -> Option<Value> {
    let about = |part: &str| status.code == 422 && status.message.contains(part);
    if is_definition(&manifest.id) && manifest.body.pointer("/spec/conversion").is_none() && about("spec.conversion.") {
        return Some(json!({ "spec": { "conversion": null } }));
    }
    // A merge patch sets the whole list; whoever fills in authorities does so again.
    (is_configuration(&manifest.id) && about("webhooks[")).then(|| json!({ "webhooks": manifest.body["webhooks"] }))
}

/// A merge patch that makes the object what the manifest says, and removes the rest: to ask what would come of it.
pub(super) fn whole(manifest: &Manifest, removal: &Value) -> Value {
    let mut whole = manifest.body.clone();
    if removal.pointer("/spec/conversion").is_some() {
        whole["spec"]["conversion"] = Value::Null;
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: u16, message: &str) -> Status {
        Status::failure(message, "Invalid").with_code(code)
    }

    #[test]
    fn only_what_is_left_over_is_removed() {
        let read = |text: &str| crate::manifests::parse("a", text.as_bytes()).expect("readable").objects.remove(0);
        let definition = read(
            "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a}, spec: {}}",
        );
        let left = refusal(422, "is invalid: spec.conversion.strategy: Required value");
        assert_eq!(removal(&definition, &left), Some(json!({ "spec": { "conversion": null } })));
        assert_eq!(removal(&definition, &refusal(422, "is invalid: spec.versions: Required value")), None);
        assert_eq!(removal(&definition, &refusal(409, "spec.conversion.strategy")), None);
        let converting = read(
            "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a}, spec: {conversion: {strategy: None}}}",
        );
        assert_eq!(removal(&converting, &left), None);
        let webhooks = read(
            "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: a}, webhooks: [{name: b}]}",
        );
        let left = refusal(422, "is invalid: webhooks[0].sideEffects: Required value");
        assert_eq!(removal(&webhooks, &left), Some(json!({ "webhooks": [{ "name": "b" }] })));
    }
}
