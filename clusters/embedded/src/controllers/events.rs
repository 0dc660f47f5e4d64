//! Events: what happened to an object, for people who describe it.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::object::{name, namespace, text, uid};
use crate::platform::World;
use crate::store::{Key, now};

/// How an event reads at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// As it should be.
    Normal,
    /// Something is wrong.
    Warning,
}

/// Records that something happened to an object; the same again only counts up (as client-go's event correlator).
pub fn record(world: &World, component: &str, about: &Value, severity: Severity, reason: &str, message: &str) {
    let home = if namespace(about).is_empty() { "default" } else { namespace(about) };
    let digest = Sha256::digest(format!("{}/{component}/{reason}/{message}", uid(about)));
    let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let key = Key::new("", "events", home, &format!("{}.{digest}", name(about)));
    let again = world.store.update(&key, None, |event| {
        let count = event.get("count").and_then(Value::as_u64).unwrap_or(1) + 1;
        event["count"] = json!(count);
        event["lastTimestamp"] = json!(now());
        true
    });
    if again.is_ok() {
        return;
    }
    let severity = if severity == Severity::Normal { "Normal" } else { "Warning" };
    let created = world.store.create(
        &key,
        json!({
            "apiVersion": "v1", "kind": "Event",
            "involvedObject": {
                "apiVersion": text(about, "/apiVersion"), "kind": text(about, "/kind"), "namespace": namespace(about),
                "name": name(about), "uid": uid(about), "resourceVersion": text(about, "/metadata/resourceVersion"),
            },
            "type": severity, "reason": reason, "message": message, "count": 1,
            "firstTimestamp": now(), "lastTimestamp": now(), "eventTime": null,
            "source": {"component": component}, "reportingComponent": component, "reportingInstance": "",
        }),
    );
    if let Err(error) = created {
        tracing::debug!(%error, "event not recorded");
    }
}
