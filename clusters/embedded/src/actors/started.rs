//! What a program keeps from its start: settings are read when the container starts, and stay until it starts again or the
//! pod is gone.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::Value;

use crate::kubelet;
use crate::object::{list, text, uid};
use crate::platform::World;

/// The program of a pod that starts once, or why it did not start.
struct Once<T>(OnceLock<Result<Arc<T>, String>>);

impl<T> Default for Once<T> {
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
    let started = world.memory.of::<Once<T>>(uid(pod));
    started.0.get_or_init(|| start().map(Arc::new)).clone()
}

/// What the program of a pod read when its container started last.
struct Last<T>(Mutex<Option<Arc<T>>>);

impl<T> Default for Last<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

/// Keeps what a container has read that starts now.
pub fn keep<T: Send + Sync + 'static>(world: &World, pod: &Value, read: T) {
    let last = world.memory.of::<Last<T>>(uid(pod));
    *last.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(read));
}

/// What the container read when it started last; nothing if it has not.
pub fn kept<T: Send + Sync + 'static>(world: &World, pod: &Value) -> Option<Arc<T>> {
    world.memory.of::<Last<T>>(uid(pod)).0.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The same, read now if it has not started.
pub fn kept_or<T: Send + Sync + 'static>(world: &World, pod: &Value, read: impl FnOnce() -> T) -> Arc<T> {
    let last = world.memory.of::<Last<T>>(uid(pod));
    let mut kept = last.0.lock().unwrap_or_else(PoisonError::into_inner);
    kept.get_or_insert_with(|| Arc::new(read())).clone()
}

/// The image of a container.
pub fn image<'a>(pod: &'a Value, container: &str) -> &'a str {
    kubelet::container(pod, container).map_or("", |found| text(found, "/image"))
}

/// The words of a container's command line.
pub fn arguments<'a>(pod: &'a Value, container: &str) -> impl Iterator<Item = &'a str> {
    let found = kubelet::container(pod, container).unwrap_or(&Value::Null);
    ["/command", "/args"].into_iter().flat_map(|key| list(found, key)).filter_map(Value::as_str)
}
