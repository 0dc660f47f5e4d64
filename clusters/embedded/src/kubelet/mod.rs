//! What a node does for a pod: it runs it ([`lifecycle`]), gives it its [`environment`] and [`volumes`], and serves its
//! logs, commands and [`streams`].

mod containers;
pub mod environment;
pub mod fields;
pub mod images;
pub mod lifecycle;
mod programs;
mod scheduling;
pub mod streams;
pub mod volumes;

use serde_json::Value;

use crate::object::{list, text};

pub use containers::is_istio_proxy;

/// A container of a pod by name, init containers included; with an empty name the first ordinary one.
#[must_use]
pub fn container<'a>(pod: &'a Value, wanted: &str) -> Option<&'a Value> {
    let ordinary = list(pod, "/spec/containers");
    if wanted.is_empty() {
        return ordinary.first();
    }
    ordinary.iter().chain(list(pod, "/spec/initContainers")).find(|container| text(container, "/name") == wanted)
}
