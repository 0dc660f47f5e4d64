//! The patch types: JSON (RFC 6902), merge (RFC 7386), strategic merge; apply has a module of its own.

mod strategic;

use serde_json::Value;

use super::Status;
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
            _ => {
                let strategic = if custom { "" } else { ", application/strategic-merge-patch+json" };
                Err(Status::new(
                    415,
                    "UnsupportedMediaType",
                    format!(
                        "the body of the request was in an unknown format - accepted media types include: \
                         application/json-patch+json, application/merge-patch+json{strategic}, \
                         application/apply-patch+yaml"
                    ),
                ))
            }
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
            let patch: json_patch::Patch = serde_json::from_value(patch.clone())
                .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
            json_patch::patch(&mut new, &patch).map_err(|error| {
                Status::new(
                    422,
                    "Invalid",
                    format!("the server rejected our request due to an error in our request: {error}"),
                )
                .with_details(serde_json::json!({}))
            })?;
        }
        Kind::Merge | Kind::Apply => {
            if !patch.is_object() {
                return Err(Status::bad_request("error decoding patch: a merge patch must be an object"));
            }
            json_patch::merge(&mut new, patch);
        }
        Kind::Strategic => {
            if !patch.is_object() {
                return Err(Status::bad_request("error decoding patch: a strategic merge patch must be an object"));
            }
            strategic::merge(&mut new, patch, &super::schema::of(resource))?;
        }
    }
    Ok(new)
}
