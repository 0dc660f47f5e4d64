//! Programs that act on objects: they do so while a ready pod runs their image, wherever it comes from.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::actors;
use crate::kubelet::lifecycle::is_ready;
use crate::object::{list, text};
use crate::platform::World;
use crate::store::{Change, ChangeKind, Key};

/// The pod of a program that leads (client-go `tools/leaderelection`).
#[derive(Default)]
struct Leader(Mutex<Option<Key>>);

/// A ready pod that runs an image whose repository ends in one of `images`: the same as long as it is ready.
pub(super) fn running(world: &World, images: &[&str]) -> Option<Arc<Value>> {
    let fits = |pod: &Arc<Value>| container(pod, images).is_some() && is_ready(pod);
    let leader = world.memory.of::<Leader>(images.first()?);
    let mut leader = leader.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pod) = leader.as_ref().and_then(|key| world.store.get(key)).filter(fits) {
        return Some(pod);
    }
    let next = world.store.list("", "pods", None).into_iter().find(fits);
    *leader = next.as_ref().map(|pod| super::owned::key_of("", "pods", pod));
    next
}

/// The container of a pod that runs one of the images.
pub(super) fn container<'a>(pod: &'a Value, images: &[&str]) -> Option<&'a Value> {
    list(pod, "/spec/containers").iter().find(|container| {
        let last = actors::repository(text(container, "/image")).rsplit('/').next().unwrap_or_default();
        images.contains(&last)
    })
}

/// Whether a change is a program's pod becoming ready, or going: whichever pod leads then looks at everything that it is for
/// (client-go `tools/leaderelection`), by its own settings. In a rollout the new pod is ready before the old one has gone.
pub(super) fn begins(change: &Change, images: &[&str]) -> bool {
    let is_pod = change.key.group.is_empty() && change.key.plural == "pods";
    if !is_pod || container(&change.object, images).is_none() {
        return false;
    }
    let was = change.before.as_ref().is_some_and(|before| is_ready(before));
    let is = change.kind != ChangeKind::Deleted && is_ready(&change.object);
    was != is
}

/// The keys of all objects of a resource.
pub(super) fn all(world: &World, group: &str, plural: &str) -> Vec<Key> {
    world.store.list(group, plural, None).iter().map(|object| super::owned::key_of(group, plural, object)).collect()
}
