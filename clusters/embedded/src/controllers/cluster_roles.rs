//! Aggregated ClusterRoles: their rules are those of the ClusterRoles that their selectors find
//! (`pkg/controller/clusterroleaggregation` of Kubernetes 1.34).

use serde_json::{Value, json};

use super::reconciler::{Controller, Next};
use super::{label_selector, managers};
use crate::access::rbac::GROUP;
use crate::object::{list, name};
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "clusterrole-aggregation", concerns, reconcile };

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    if change.key.group != GROUP || change.key.plural != "clusterroles" {
        return Vec::new();
    }
    let labels = |object: &Value| object.pointer("/metadata/labels").cloned();
    let all = world.store.list(GROUP, "clusterroles", None);
    all.iter()
        .filter(|role| {
            *name(role) == change.key.name
                || selects(role, labels(&change.object).as_ref())
                || change.before.as_ref().is_some_and(|before| selects(role, labels(before).as_ref()))
        })
        .filter(|role| role.get("aggregationRule").is_some_and(Value::is_object))
        .map(|role| Key::new(GROUP, "clusterroles", "", name(role)))
        .collect()
}

fn selects(role: &Value, labels: Option<&Value>) -> bool {
    list(role, "/aggregationRule/clusterRoleSelectors")
        .iter()
        .any(|selector| label_selector::matches(Some(selector), labels))
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(role) = world.store.get(key) else { return Next::Wait };
    let mut rules: Vec<Value> = Vec::new();
    for part in world.store.list(GROUP, "clusterroles", None) {
        if name(&part) != key.name && selects(&role, part.pointer("/metadata/labels")) {
            for rule in list(&part, "/rules") {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    let manager = "clusterrole-aggregation-controller";
    let written = managers::update(world, key, manager, |role| role["rules"] = json!(rules));
    if written.is_ok() { Next::Wait } else { Next::Retry }
}
