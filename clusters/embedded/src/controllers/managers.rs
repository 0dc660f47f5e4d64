//! Controllers are field managers, too: an apply must not take back silently what one has written.

use std::sync::Arc;

use serde_json::Value;

use crate::api::apply::{Operation, Writer, record_update};
use crate::api::kinds;
use crate::platform::World;
use crate::store::{Key, StoreError};

/// Changes an object as `manager`, which owns from then on what it has changed.
pub(super) fn update(
    world: &World,
    key: &Key,
    manager: &str,
    change: impl FnOnce(&mut Value),
) -> Result<Arc<Value>, StoreError> {
    // Found before the store is locked for the write.
    let resource = world.store.get(key).and_then(|object| kinds::of_object(world, &object));
    world.store.update(key, None, |object| {
        let before = object.clone();
        change(object);
        if *object == before {
            return false;
        }
        if let Some(resource) = resource {
            let writer = Writer {
                manager: manager.to_owned(),
                operation: Operation::Update,
                api_version: resource.api_version(),
                subresource: String::new(),
            };
            record_update(&resource, Some(&before), object, &writer);
        }
        true
    })
}
