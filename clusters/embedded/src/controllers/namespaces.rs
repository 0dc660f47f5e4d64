//! Namespaces: what each one holds from the start, and its orderly end.
//!
//! As `pkg/controller/serviceaccount`, `pkg/controller/certificates/rootcacertpublisher` and
//! `pkg/controller/namespace/deletion` of Kubernetes 1.34: a namespace that is deleted stays, terminating, until all its
//! content is gone; content with finalizers holds it.

use serde_json::{Value, json};

use super::owned::{is_leaving, set_condition};
use super::reconciler::{Controller, Next};
use crate::object::list;
use crate::platform::World;
use crate::store::{Change, ChangeKind, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "namespace", concerns, reconcile };

const ROOT_CA: &str = "kube-root-ca.crt";

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    let key = &change.key;
    if key.group.is_empty() && key.plural == "namespaces" {
        return vec![key.clone()];
    }
    let home = Key::new("", "namespaces", "", &key.namespace);
    let provided = key.group.is_empty()
        && matches!((key.plural.as_str(), key.name.as_str()), ("configmaps", ROOT_CA) | ("serviceaccounts", "default"));
    let terminating = change.kind == ChangeKind::Deleted
        && !key.namespace.is_empty()
        && world.store.get(&home).is_some_and(|namespace| is_leaving(&namespace));
    if provided || terminating { vec![home] } else { Vec::new() }
}

fn reconcile(world: &World, key: &Key) -> Next {
    match world.store.get(key) {
        None => Next::Wait,
        Some(namespace) if is_leaving(&namespace) => terminate(world, key),
        Some(_) => provide(world, key),
    }
}

fn provide(world: &World, key: &Key) -> Next {
    let activated = world.store.update(key, None, |namespace| {
        namespace["status"]["phase"] = json!("Active");
        namespace["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(key.name);
        if namespace.pointer("/spec/finalizers").is_none() {
            namespace["spec"]["finalizers"] = json!(["kubernetes"]);
        }
        true
    });
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount"});
    super::bootstrap::put(world, "", "serviceaccounts", &key.name, "default", account);
    let authority = json!({"ca.crt": world.credentials.authority_pem()});
    let config_map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": authority,
        "metadata": {"annotations": {"kubernetes.io/description":
            "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints."}},
    });
    super::bootstrap::put(world, "", "configmaps", &key.name, ROOT_CA, config_map);
    let restored = world.store.update(&Key::new("", "configmaps", &key.name, ROOT_CA), None, |config_map| {
        config_map["data"] = authority;
        true
    });
    if activated.is_ok() && restored.is_ok() { Next::Wait } else { Next::Retry }
}

/// Deletes what the namespace holds; lets go of it once nothing is left.
fn terminate(world: &World, key: &Key) -> Next {
    let content: Vec<_> = world.store.all().into_iter().filter(|(of, _)| of.namespace == key.name).collect();
    let mut left = Vec::new();
    for (of, _) in content {
        if let Ok((object, false)) = world.store.delete(&of) {
            left.push((of, object));
        }
    }
    let empty = left.is_empty();
    let written = world.store.update(key, None, |namespace| {
        namespace["status"]["phase"] = json!("Terminating");
        let mut conditions = list(namespace, "/status/conditions").to_vec();
        explain(&mut conditions, &left);
        namespace["status"]["conditions"] = json!(conditions);
        if empty {
            namespace["spec"]["finalizers"] = json!([]);
        }
        true
    });
    if let Err(error) = written {
        tracing::debug!(%error, "namespace gone meanwhile");
    }
    Next::Wait
}

/// The conditions by which people see what holds a namespace.
fn explain(conditions: &mut Vec<Value>, left: &[(Key, std::sync::Arc<Value>)]) {
    for (kind, reason, message) in [
        ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
    ] {
        set_condition(conditions, kind, "False", reason, message);
    }
    let count = |group: &[String]| {
        let mut counted = std::collections::BTreeMap::<&str, usize>::new();
        group.iter().for_each(|one| *counted.entry(one).or_default() += 1);
        counted
            .into_iter()
            .map(|(one, count)| format!("{one} has {count} resource instances"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let resources: Vec<String> =
        left.iter()
            .map(|(key, _)| {
                if key.group.is_empty() { format!("{}.", key.plural) } else { format!("{}.{}", key.plural, key.group) }
            })
            .collect();
    let finalizers: Vec<String> = left
        .iter()
        .flat_map(|(_, object)| list(object, "/metadata/finalizers"))
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if left.is_empty() {
        set_condition(
            conditions,
            "NamespaceContentRemaining",
            "False",
            "ContentRemoved",
            "All content successfully removed",
        );
        set_condition(
            conditions,
            "NamespaceFinalizersRemaining",
            "False",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        );
        return;
    }
    let message = format!("Some resources are remaining: {}", count(&resources));
    set_condition(conditions, "NamespaceContentRemaining", "True", "SomeResourcesRemain", &message);
    let held = count(&finalizers).replace(" has ", " in ");
    let message = format!("Some content in the namespace has finalizers remaining: {held}");
    set_condition(conditions, "NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", &message);
}
