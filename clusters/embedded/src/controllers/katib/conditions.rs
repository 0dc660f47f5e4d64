//! Conditions of Katib's objects: the newest is the last, and one that is set again with the same status and reason stays
//! (`pkg/apis/controller/*/v1beta1/util.go`).

use serde_json::{Value, json};

use crate::object::{list, text};
use crate::store::now;

/// Whether a condition of an object is true.
pub(super) fn holds(object: &Value, kind: &str) -> bool {
    has(list(object, "/status/conditions"), kind)
}

/// Whether a condition is true.
pub(super) fn has(conditions: &[Value], kind: &str) -> bool {
    conditions.iter().any(|condition| text(condition, "/type") == kind && text(condition, "/status") == "True")
}

/// Sets a condition.
pub(super) fn set(conditions: &mut Vec<Value>, kind: &str, status: &str, reason: &str, message: &str) {
    let at = now();
    let mut fresh = json!({
        "type": kind, "status": status, "reason": reason, "message": message, "lastUpdateTime": at,
        "lastTransitionTime": at,
    });
    if let Some(index) = conditions.iter().position(|condition| text(condition, "/type") == kind) {
        let old = &conditions[index];
        if text(old, "/status") == status {
            if text(old, "/reason") == reason {
                return;
            }
            fresh["lastTransitionTime"] = old["lastTransitionTime"].clone();
        }
        conditions.remove(index);
    }
    conditions.push(fresh);
}

/// Sets a condition that ends the object's work: it is no longer running.
pub(super) fn end(conditions: &mut Vec<Value>, kind: &str, reason: &str, message: &str) {
    let running = conditions.iter().find(|condition| text(condition, "/type") == "Running").cloned();
    if let Some(running) = running {
        set(conditions, "Running", "False", text(&running, "/reason"), text(&running, "/message"));
    }
    set(conditions, kind, "True", reason, message);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_condition_is_the_last_and_the_same_again_stays() {
        let mut conditions = Vec::new();
        for kind in ["Created", "Running", "Created"] {
            set(&mut conditions, kind, "True", "Because", "");
        }
        end(&mut conditions, "Succeeded", "Done", "");
        let shown: Vec<(&str, &str)> =
            conditions.iter().map(|condition| (text(condition, "/type"), text(condition, "/status"))).collect();
        assert_eq!(shown, [("Created", "True"), ("Running", "False"), ("Succeeded", "True")]);
        assert!(has(&conditions, "Succeeded") && !has(&conditions, "Running"));
    }
}
