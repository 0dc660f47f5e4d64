//! A program that reads its settings once, when its container starts: what they say stays until the pod is gone.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::object;
use crate::platform::World;

/// What the memory of a pod holds: the running program, or why it did not start.
struct Started<T>(OnceLock<Result<Arc<T>, String>>);

impl<T> Default for Started<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

/// The program that runs in a pod, started now if it has not been yet.
///
/// # Errors
/// What the program wrote when it gave up.
pub fn once<T, F>(world: &World, pod: &Value, start: F) -> Result<Arc<T>, String>
where
    T: Send + Sync + 'static,
    F: FnOnce() -> Result<T, String>,
{
    let started = world.memory.of::<Started<T>>(object::uid(pod));
    started.0.get_or_init(|| start().map(Arc::new)).clone()
}

/// The words of a container's command line.
pub fn arguments<'a>(pod: &'a Value, container: &str) -> impl Iterator<Item = &'a str> {
    let specification = specification(pod, container);
    ["/command", "/args"].into_iter().flat_map(|key| object::list(specification, key)).filter_map(Value::as_str)
}

/// A container as its pod describes it; nothing if there is none of that name.
pub fn specification<'a>(pod: &'a Value, container: &str) -> &'a Value {
    let containers = object::list(pod, "/spec/containers");
    containers.iter().find(|one| object::text(one, "/name") == container).unwrap_or(&Value::Null)
}
