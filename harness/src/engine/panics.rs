//! Panics of checks: caught with their place, and kept out of the terminal.

use std::future::Future;
use std::sync::{Arc, Mutex, Once, PoisonError};

/// Where the hook leaves what a check's panic says.
#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<Mutex<Option<String>>>);

tokio::task_local! {
    static CURRENT: Slot;
}

/// Installs a hook that keeps a check's panic for its report. Any other panic is left to the hook there was before.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = match info.location() {
                Some(place) => format!("{} at {place}", said(info.payload())),
                None => said(info.payload()).to_owned(),
            };
            if CURRENT.try_with(|slot| slot.fill(text)).is_err() {
                before(info);
            }
        }));
    });
}

impl Slot {
    /// Runs a check; what its panic says is left in the slot.
    pub(crate) async fn watch<T>(self, check: impl Future<Output = T>) -> T {
        CURRENT.scope(self, check).await
    }

    fn fill(&self, text: String) {
        // The first panic is the cause; another one while unwinding is its consequence.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
    }

    /// What the panic said and where.
    pub(crate) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn said(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}
