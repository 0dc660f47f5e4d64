//! What the controllers of the workspaces (notebooks, tensorboards, viewers) make for an object of theirs: a workload, a
//! Service, a route; made if it is missing, corrected where it differs.

use serde_json::{Value, json};

use super::bootstrap;
use super::owned::controller_reference;
use super::services;
use crate::api::defaults;
use crate::object::{list, name, text};
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const ROUTES: &str = "networking.istio.io";

/// The owner of what is made.
pub(super) struct Owner<'a> {
    /// The object.
    pub(super) object: &'a Value,
    /// The version that its references name.
    pub(super) api_version: &'static str,
    /// Its kind.
    pub(super) kind: &'static str,
}

impl Owner<'_> {
    /// Makes a workload, or gives one that is there the wanted replicas and pods; labels and annotations of its pods stay
    /// as they were made (`components/common/reconcilehelper/util.go`). Nobody else's is taken.
    pub(super) fn workload(&self, world: &World, kind: &str, plural: &str, child: &str, spec: Value) {
        let mut wanted = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {}, "spec": spec});
        defaults::built_in("apps", kind, &mut wanted);
        self.keep(world, &self.key("apps", plural, child), wanted, &["replicas", "template/spec"]);
    }

    /// Makes the Service with one port, 80.
    pub(super) fn service(&self, world: &World, child: &str, port_name: &str, target: &Value, selector: Value) {
        let mut wanted = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {},
            "spec": {"type": "ClusterIP", "selector": selector,
                "ports": [{"name": port_name, "protocol": "TCP", "port": 80, "targetPort": target}]},
            "status": {"loadBalancer": {}},
        });
        let key = self.key("", "services", child);
        if world.store.get(&key).is_none() {
            services::allocate(world, &mut wanted);
        }
        self.keep(world, &key, wanted, &["ports", "selector"]);
    }

    /// Makes the route of a prefix to the Service.
    pub(super) fn route(&self, world: &World, child: &str, api_version: &str, settings: &Settings, http: Value) {
        let wanted = json!({
            "apiVersion": api_version, "kind": "VirtualService", "metadata": {},
            "spec": {"hosts": [settings.host], "gateways": [settings.gateway], "http": [http]},
        });
        self.keep(world, &self.key(ROUTES, "virtualservices", child), wanted, &["hosts", "gateways", "http"]);
    }

    fn key(&self, group: &str, plural: &str, child: &str) -> Key {
        Key::new(group, plural, crate::object::namespace(self.object), child)
    }

    fn keep(&self, world: &World, key: &Key, mut wanted: Value, fields: &[&str]) {
        let kept = world.store.update(key, None, |stored| {
            for field in fields {
                match field.split_once('/') {
                    Some((outer, inner)) => stored["spec"][outer][inner] = wanted["spec"][outer][inner].clone(),
                    None => stored["spec"][*field] = wanted["spec"][*field].clone(),
                }
            }
            true
        });
        if kept.is_err() {
            let owner = controller_reference(self.object, self.api_version, self.kind);
            wanted["metadata"]["ownerReferences"] = json!([owner]);
            bootstrap::put(world, &key.group, &key.plural, &key.namespace, &key.name, wanted);
        }
    }
}

/// What the routes look like, from the controllers' environment.
pub(super) struct Settings {
    pub(super) host: String,
    pub(super) gateway: String,
    pub(super) domain: String,
}

impl Settings {
    /// The values that kubeflow/manifests ships count where the environment says nothing.
    pub(super) fn of(variables: &std::collections::BTreeMap<String, String>) -> Self {
        let variable = |name: &str, otherwise: &str| {
            variables.get(name).filter(|value| !value.is_empty()).cloned().unwrap_or_else(|| otherwise.to_owned())
        };
        Self {
            host: variable("ISTIO_HOST", "*"),
            gateway: variable("ISTIO_GATEWAY", "kubeflow/kubeflow-gateway"),
            domain: variable("CLUSTER_DOMAIN", "cluster.local"),
        }
    }

    /// The destination of a route to a Service's port 80.
    pub(super) fn destination(&self, owner: &Value, service: &str) -> Value {
        let host = format!("{service}.{}.svc.{}", crate::object::namespace(owner), self.domain);
        json!([{"destination": {"host": host, "port": {"number": 80}}}])
    }
}

/// The objects of a kind that own the changed one.
pub(super) fn owners(change: &Change, kind: &str, group: &str, plural: &str) -> Vec<Key> {
    let owner = |reference: &&Value| text(reference, "/kind") == kind;
    list(&change.object, "/metadata/ownerReferences")
        .iter()
        .filter(owner)
        .map(|reference| Key::new(group, plural, &change.key.namespace, text(reference, "/name")))
        .collect()
}

/// Whether a name may be that of a Service (RFC 1035), with so many characters of its own for the port's name.
pub(super) fn serves(object: &Value, beside: usize) -> bool {
    let name = name(object);
    name.starts_with(|first: char| first.is_ascii_lowercase()) && !name.contains('.') && name.len() + beside <= 63
}
