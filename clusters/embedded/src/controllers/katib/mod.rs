//! `katib-controller`: [`experiments`] ask for values through [`suggestions`] and try them in [`trials`], whose jobs are
//! made from the experiment's [`templates`]. It acts while a ready pod runs its image, with the rights of that pod's
//! account.
//!
//! Facts: kubeflow/katib v0.16.0 to v0.18.0 `pkg/controller.v1beta1`, checked against what the real controller of v0.17.0
//! was seen to do. Not played: early stopping, neural architecture search, volumes of `resumePolicy: FromVolume`, and
//! conditions of jobs in other forms than the defaults'.

mod conditions;
pub(super) mod experiments;
mod job_status;
pub(super) mod suggestions;
mod summary;
pub(crate) mod templates;
pub(super) mod trials;

use std::sync::Arc;

use serde_json::Value;

use super::events::{Severity, record};
use super::operators;
use crate::access::{Attributes, UserInfo, authorize};
use crate::actors::katib::{DB_MANAGER, GROUP, HOME};
use crate::api::handler::denied;
use crate::kubelet::environment;
use crate::object::{namespace, text};
use crate::platform::World;
use crate::store::{Change, Key};

const IMAGES: &[&str] = &["katib-controller"];

/// The running controller: where it is at home, and as whom it acts.
struct Operator {
    home: String,
    manager: String,
    account: UserInfo,
}

impl Operator {
    /// The controller, if one runs.
    fn running(world: &World) -> Option<Self> {
        let pod = operators::running(world, IMAGES)?;
        let container = operators::container(&pod, IMAGES).map(|container| text(container, "/name"))?;
        let get = |name: &str, otherwise: String| {
            let set = environment::variable(&world.store, &pod, container, name);
            set.filter(|value| !value.is_empty()).unwrap_or(otherwise)
        };
        let home = get("KATIB_CORE_NAMESPACE", HOME.to_owned());
        let address = format!(
            "{}.{}:{}",
            get("KATIB_DB_MANAGER_SERVICE_IP", DB_MANAGER.0.to_owned()),
            get("KATIB_DB_MANAGER_SERVICE_NAMESPACE", home.clone()),
            get("KATIB_DB_MANAGER_SERVICE_PORT", DB_MANAGER.1.to_string()),
        );
        let account = match text(&pod, "/spec/serviceAccountName") {
            "" => "default",
            account => account,
        };
        Some(Self { home, manager: address, account: UserInfo::service_account(namespace(&pod), account, "") })
    }

    /// Makes an object unless it is there.
    fn make(&self, world: &World, key: &Key, object: Value) -> Result<(), String> {
        if world.store.get(key).is_some() {
            return Ok(());
        }
        self.may(world, "create", key)?;
        world.store.create(key, object).map(drop).map_err(|error| error.to_string())
    }

    /// Removes an object if it is there.
    fn remove(&self, world: &World, key: &Key) -> Result<(), String> {
        if world.store.get(key).is_none() {
            return Ok(());
        }
        self.may(world, "delete", key)?;
        world.store.delete(key).map(drop).map_err(|error| error.to_string())
    }

    fn may(&self, world: &World, verb: &str, key: &Key) -> Result<(), String> {
        let wanted = Attributes::resource(verb, &key.group, &key.plural, &key.namespace, &key.name);
        if authorize(world, &self.account, &wanted) { Ok(()) } else { Err(denied(&self.account, &wanted).message) }
    }
}

/// The objects of Katib's resource that a change makes the controller look at: the object itself, all when the controller
/// begins.
fn of_resource(world: &World, change: &Change, plural: &str) -> Vec<Key> {
    if operators::begins(change, IMAGES) {
        return operators::all(world, GROUP, plural);
    }
    let itself = change.key.group == GROUP && change.key.plural == plural;
    if itself { vec![change.key.clone()] } else { Vec::new() }
}

/// Tells that something could not be brought about.
fn complain(world: &World, component: &str, about: &Arc<Value>, why: &str) {
    record(world, component, about, Severity::Warning, "ReconcileError", why);
}
