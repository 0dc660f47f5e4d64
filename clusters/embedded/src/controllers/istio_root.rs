//! istiod's namespace controller: the mesh's CA in ConfigMap `istio-ca-root-cert` of every namespace
//! (`pilot/pkg/serviceregistry/kube/controller/namespacecontroller.go`).

use serde_json::json;

use super::owned::is_leaving;
use super::reconciler::{Controller, Next};
use super::{certificates, operators};
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "istio-ca-root-cert", concerns, reconcile };

const IMAGES: &[&str] = &["pilot"];
const NAME: &str = "istio-ca-root-cert";

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    if operators::begins(change, IMAGES) {
        return operators::all(world, "", "namespaces");
    }
    match (change.key.group.as_str(), change.key.plural.as_str(), change.key.name.as_str()) {
        ("", "namespaces", _) => vec![change.key.clone()],
        ("", "configmaps", NAME) => vec![Key::new("", "namespaces", "", &change.key.namespace)],
        _ => Vec::new(),
    }
}

fn reconcile(world: &World, key: &Key) -> Next {
    #[derive(Default)]
    struct Root(std::sync::OnceLock<String>);
    let home = world.store.get(key).filter(|namespace| !is_leaving(namespace));
    let system = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"].contains(&key.name.as_str());
    if home.is_none() || system || operators::running(world, IMAGES).is_none() {
        return Next::Wait;
    }
    let root = world.memory.of::<Root>("istio-ca");
    let pem = root.0.get_or_init(|| {
        certificates::pem("cluster.local", Vec::new(), true).map(|(certificate, _)| certificate).unwrap_or_default()
    });
    let data = json!({"root-cert.pem": pem});
    let config_map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"labels": {"istio.io/config": "true"}}, "data": data,
    });
    super::bootstrap::put(world, "", "configmaps", &key.name, NAME, config_map);
    let restored = world.store.update(&Key::new("", "configmaps", &key.name, NAME), None, |config_map| {
        config_map["data"] = data;
        true
    });
    if restored.is_ok() { Next::Wait } else { Next::Retry }
}
