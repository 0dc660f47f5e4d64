//! What the dashboard reads from the Kubernetes API with its own account.

use std::sync::Arc;

use axum::body::Body;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::express;
use crate::access::{Attributes, UserInfo, authorize};
use crate::actors::Visit;
use crate::kubelet::environment;
use crate::object;
use crate::store::Key;

/// `/api/namespaces`: all of them, for everybody; none if the account may not list them.
pub fn namespaces(visit: &Visit) -> Response<Body> {
    let found = if may(visit, "list", "namespaces", "", "") {
        visit.world.store.list("", "namespaces", None)
    } else {
        Vec::new()
    };
    items(&found)
}

/// `/api/activities/:namespace`: its events.
pub fn activities(visit: &Visit, namespace: &str) -> Response<Body> {
    let found = if may(visit, "list", "events", namespace, "") {
        visit.world.store.list("", "events", Some(namespace))
    } else {
        Vec::new()
    };
    items(&found)
}

/// The items of a list, without apiVersion and kind, as the Kubernetes API lists them.
fn items(found: &[Arc<Value>]) -> Response<Body> {
    let bare = |object: &Arc<Value>| {
        let mut object = Value::clone(object);
        if let Some(members) = object.as_object_mut() {
            members.retain(|name, _| name != "apiVersion" && name != "kind");
        }
        object
    };
    express::json(StatusCode::OK, &json!(found.iter().map(bare).collect::<Vec<_>>()))
}

/// `/api/dashboard-links`.
pub fn links(visit: &Visit) -> Response<Body> {
    configured(visit, "links", "Cannot load dashboard menu link")
}

/// `/api/dashboard-settings`.
pub fn settings(visit: &Visit) -> Response<Body> {
    configured(visit, "settings", "Cannot load dashboard settings")
}

fn configured(visit: &Visit, key: &str, failure: &str) -> Response<Body> {
    let store = &visit.world.store;
    let variables = environment::variables(store, &visit.pod, &visit.container);
    let name = variables.get("DASHBOARD_CONFIGMAP").map_or("centraldashboard-config", String::as_str);
    let namespace = object::namespace(&visit.pod);
    may(visit, "get", "configmaps", namespace, name)
        .then(|| store.get(&Key::new("", "configmaps", namespace, name)))
        .flatten()
        .and_then(|map| serde_json::from_str::<Value>(map.get("data")?.get(key)?.as_str()?).ok())
        .map_or_else(
            || express::error(StatusCode::INTERNAL_SERVER_ERROR, failure),
            |value| express::json(StatusCode::OK, &value),
        )
}

fn may(visit: &Visit, verb: &str, resource: &str, namespace: &str, name: &str) -> bool {
    let caller = visit.as_caller();
    let account = UserInfo::service_account(&caller.namespace, &caller.service_account, "");
    authorize(&visit.world, &account, &Attributes::resource(verb, "", resource, namespace, name))
}
