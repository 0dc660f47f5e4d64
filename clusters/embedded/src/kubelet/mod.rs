//! What a node does for a pod: its environment and files, its logs, commands and streams.

pub mod environment;
pub mod fields;
pub mod streams;
pub mod volumes;

use serde_json::Value;

use crate::object::{list, text};

/// A container of a pod by name, init containers included; with an empty name the first ordinary one.
#[must_use]
pub fn container<'a>(pod: &'a Value, wanted: &str) -> Option<&'a Value> {
    let ordinary = list(pod, "/spec/containers");
    if wanted.is_empty() {
        return ordinary.first();
    }
    ordinary.iter().chain(list(pod, "/spec/initContainers")).find(|container| text(container, "/name") == wanted)
}
