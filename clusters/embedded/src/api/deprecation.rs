//! Warnings that a resource is deprecated.

use super::kinds::Resource;
use crate::object::{list, text};

/// The warning of every answer about a deprecated resource.
#[must_use]
pub fn warning(resource: &Resource) -> Option<String> {
    let Some(definition) = &resource.definition else { return built_in(resource).map(str::to_owned) };
    let version = definition.version(&resource.version)?;
    if version["deprecated"] != true {
        return None;
    }
    if let Some(own) = version["deprecationWarning"].as_str() {
        return Some(own.to_owned());
    }
    let (group, kind) = (&resource.group, &resource.kind);
    let old = format!("{group}/{} {kind} is deprecated", resource.version);
    let newer = list(&definition.object, "/spec/versions")
        .iter()
        .filter(|version| version["served"] == true && version["deprecated"] != true)
        .map(|version| text(version, "/name"))
        .max_by_key(|version| super::crd::version_rank(version));
    Some(match newer {
        Some(newer) => format!("{old}; use {group}/{newer} {kind}"),
        None => old,
    })
}

/// The built-in ones (`k8s.io/api`, `zz_generated.prerelease-lifecycle.go` and `core/v1` of 1.34).
fn built_in(resource: &Resource) -> Option<&'static str> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "componentstatuses") => Some("v1 ComponentStatus is deprecated in v1.19+"),
        ("", "endpoints") => Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
        _ => None,
    }
}
