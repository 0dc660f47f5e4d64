//! What a node does for a pod: it runs it ([`lifecycle`]), gives it its [`environment`] and [`volumes`], and serves its
//! logs, commands and [`streams`].

mod containers;
pub mod environment;
pub mod fields;
pub mod images;
pub mod lifecycle;
pub(crate) mod programs;
pub(crate) mod projected_tokens;
mod scheduling;
pub mod start_up;
pub mod streams;
pub mod throttle;
pub mod volumes;

use serde_json::Value;

use crate::object::{list, text};

pub use containers::is_istio_proxy;

/// How well a pod is served when its node runs short (`pkg/apis/core/v1/helper/qos`).
#[must_use]
pub fn quality_of_service(pod: &Value) -> &'static str {
    let containers = || list(pod, "/spec/containers").iter().chain(list(pod, "/spec/initContainers"));
    let said = |container: &Value, part: &str, of: &str| container["resources"][part].get(of).cloned();
    let of = ["cpu", "memory"];
    if containers()
        .all(|one| of.iter().all(|of| said(one, "limits", of).is_none() && said(one, "requests", of).is_none()))
    {
        return "BestEffort";
    }
    let whole = |one: &Value, of: &str| {
        let limit = said(one, "limits", of);
        limit.is_some() && said(one, "requests", of).is_none_or(|request| Some(request) == limit)
    };
    if containers().all(|one| of.iter().all(|of| whole(one, of))) { "Guaranteed" } else { "Burstable" }
}

/// A container of a pod by name, init containers included; with an empty name the first ordinary one.
#[must_use]
pub fn container<'a>(pod: &'a Value, wanted: &str) -> Option<&'a Value> {
    let ordinary = list(pod, "/spec/containers");
    if wanted.is_empty() {
        return ordinary.first();
    }
    ordinary.iter().chain(list(pod, "/spec/initContainers")).find(|container| text(container, "/name") == wanted)
}
