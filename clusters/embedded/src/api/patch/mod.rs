//! The patch types: JSON (RFC 6902), merge (RFC 7386), strategic merge; apply has a module of its own.

mod strategic;

use json_patch::{AddOperation, PatchOperation};
use serde_json::{Value, json};

use super::Status;
use super::call::type_name;
use super::kinds::Resource;

/// The type of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own, for built-in kinds.
    Strategic,
    /// Server-side apply.
    Apply,
}

impl Kind {
    /// Reads the media type.
    ///
    /// # Errors
    /// 415 for another one, and for a strategic merge patch of a custom resource.
    pub fn of(content_type: &str, custom: bool) -> Result<Self, Status> {
        match content_type {
            "application/json-patch+json" => Ok(Self::Json),
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/strategic-merge-patch+json" if !custom => Ok(Self::Strategic),
            "application/apply-patch+yaml" => Ok(Self::Apply),
            "application/strategic-merge-patch+json" => Err(Status::new(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
            )),
            _ => Err(Status::new(415, "UnsupportedMediaType", "415: Unsupported Media Type").with_details(json!({}))),
        }
    }
}

/// The patched object.
///
/// # Errors
/// 400 for a patch that is none, 422 for one that cannot be applied.
pub fn patched(kind: Kind, resource: &Resource, old: &Value, patch: &Value) -> Result<Value, Status> {
    let mut new = super::answer::in_version(resource, old);
    match kind {
        Kind::Json => {
            if !patch.is_array() {
                return Err(Status::bad_request(format!(
                    "error decoding patch: json: cannot unmarshal {} into Go value of type []handlers.jsonPatchOp",
                    type_name(patch)
                )));
            }
            let why = "the server rejected our request due to an error in our request";
            let refused = || Status::new(422, "Invalid", why).with_details(json!({}));
            let mut patch: json_patch::Patch = serde_json::from_value(patch.clone()).map_err(|_| refused())?;
            for operation in &mut patch.0 {
                replace_or_add(operation, &new);
            }
            json_patch::patch(&mut new, &patch).map_err(|_| refused())?;
        }
        Kind::Merge | Kind::Apply => {
            if !patch.is_object() {
                return Err(Status::bad_request(format!(
                    "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                    type_name(patch)
                )));
            }
            json_patch::merge(&mut new, patch);
        }
        Kind::Strategic => {
            // Nothing to change.
            if patch.is_null() {
                return Ok(new);
            }
            if !patch.is_object() {
                return Err(Status::bad_request(format!(
                    "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                    type_name(patch)
                )));
            }
            strategic::merge(&mut new, patch, &super::schema::of(resource))?;
        }
    }
    Ok(new)
}

/// Kubernetes lets a `replace` of a key pass that is not there yet, against RFC 6902 (evanphx/json-patch v4).
fn replace_or_add(operation: &mut PatchOperation, object: &Value) {
    if let PatchOperation::Replace(replace) = operation
        && object.pointer(replace.path.as_str()).is_none()
        && let Some((parent, _)) = replace.path.as_str().rsplit_once('/')
        && object.pointer(parent).is_some_and(Value::is_object)
    {
        *operation = PatchOperation::Add(AddOperation { path: replace.path.clone(), value: replace.value.clone() });
    }
}
