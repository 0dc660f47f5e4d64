//! In which version objects are stored, as discovery tells it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use super::kinds::Resource;

/// Tells one form of storage from another (`apiserver/pkg/endpoints/discovery/storageversionhash.go`).
#[must_use]
pub fn storage_version_hash(resource: &Resource) -> String {
    let version = resource.definition.as_ref().map_or(resource.version.as_str(), |definition| &definition.storage);
    let version = match resource.plural.as_str() {
        "horizontalpodautoscalers" => "v2",
        "customresourcedefinitions" | "volumeattributesclasses" => "v1beta1",
        _ => version,
    };
    let whole = format!("{}/{version}/{}", resource.kept_as, resource.kind);
    BASE64_STANDARD.encode(&Sha256::digest(whole)[..8])
}
