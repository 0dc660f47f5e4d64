//! What the release of `katib-controller` behind the webhooks makes a difference for.

use crate::actors::{repository, tag};
use crate::object::{list, text};
use crate::platform::World;

/// Whether a refusal names all reasons: from v0.18 on.
pub(super) fn tells_all(world: &World, home: &str) -> bool {
    let pods = world.store.list("", "pods", Some(home));
    let containers = pods.iter().flat_map(|pod| list(pod, "/spec/containers"));
    let mut images = containers.map(|container| text(container, "/image"));
    let image = images.find(|image| repository(image).rsplit('/').next() == Some("katib-controller"));
    let mut numbers =
        tag(image.unwrap_or_default()).trim_start_matches('v').split('.').map_while(|part| part.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(0), Some(minor)) => minor >= 18_u32,
        _ => true,
    }
}
