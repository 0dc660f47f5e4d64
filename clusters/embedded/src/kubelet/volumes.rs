//! The files that volumes put into a container: ConfigMaps, Secrets, the downward API, and projections of these.
//!
//! `items` choose and rename keys, `subPath` mounts a part; as `pkg/volume/{configmap,secret,downwardapi,projected}` of
//! Kubernetes 1.34. The tokens of service accounts are made for whoever reads them, apart from these
//! (`projected_tokens`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::environment::{contents, expand, optional};
use super::fields;
use crate::object::{list, name, namespace, text};
use crate::store::{Key, Store};

/// The content of a file in a container, by absolute path.
#[must_use]
pub fn file(store: &Store, pod: &Value, container: &Value, path: &str) -> Option<String> {
    let (mount, rest) = mount_of(container, path)?;
    let volume = list(pod, "/spec/volumes").iter().find(|volume| text(volume, "/name") == text(mount, "/name"))?;
    let sub = match text(mount, "/subPathExpr") {
        "" => text(mount, "/subPath").to_owned(),
        template => {
            let variables = super::environment::resolve(store, pod, container).variables;
            expand(template, |name| variables.get(name).cloned())
        }
    };
    let inside = [sub.trim_matches('/'), rest].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    files(store, pod, volume).ok()?.remove(&inside.join("/"))
}

/// The mount that a path lies in (the deepest one) and the rest of the path below it.
pub(crate) fn mount_of<'a, 'p>(container: &'a Value, path: &'p str) -> Option<(&'a Value, &'p str)> {
    list(container, "/volumeMounts")
        .iter()
        .filter_map(|mount| {
            let rest = path.strip_prefix(text(mount, "/mountPath").trim_end_matches('/'))?;
            (rest.is_empty() || rest.starts_with('/')).then(|| (mount, rest.trim_start_matches('/')))
        })
        .min_by_key(|(_, rest)| rest.len())
}

/// The files of one volume by their path in it; none for volumes that begin empty.
///
/// # Errors
/// Why the kubelet could not mount it, in its words.
pub fn files(store: &Store, pod: &Value, volume: &Value) -> Result<BTreeMap<String, String>, String> {
    match volume.pointer("/projected/sources").and_then(Value::as_array) {
        None => source_files(store, pod, volume),
        Some(sources) => {
            let mut all = BTreeMap::new();
            for source in sources {
                all.extend(source_files(store, pod, source)?);
            }
            Ok(all)
        }
    }
}

fn source_files(store: &Store, pod: &Value, source: &Value) -> Result<BTreeMap<String, String>, String> {
    if let Some(config_map) = source.get("configMap") {
        return keyed(store, pod, config_map, "configmaps", text(config_map, "/name"));
    }
    if let Some(secret) = source.get("secret") {
        // A Secret volume says `secretName`, a Secret projection `name`.
        let named = [text(secret, "/secretName"), text(secret, "/name")].concat();
        return keyed(store, pod, secret, "secrets", &named);
    }
    let items = source.get("downwardAPI").map(|source| list(source, "/items")).unwrap_or_default();
    Ok(items.iter().filter_map(|item| Some((text(item, "/path").to_owned(), downward(pod, item)?))).collect())
}

fn downward(pod: &Value, item: &Value) -> Option<String> {
    if let Some(reference) = item.get("fieldRef") {
        return fields::field(pod, text(reference, "/fieldPath"));
    }
    let reference = item.get("resourceFieldRef")?;
    fields::resource(super::container(pod, text(reference, "/containerName"))?, reference)
}

fn keyed(
    store: &Store,
    pod: &Value,
    source: &Value,
    kind: &str,
    object: &str,
) -> Result<BTreeMap<String, String>, String> {
    let mut contents = match contents(store, kind, namespace(pod), object) {
        Ok(contents) => contents,
        Err(_) if optional(source) => return Ok(BTreeMap::new()),
        Err(problem) => return Err(problem),
    };
    let items = list(source, "/items");
    if items.is_empty() {
        return Ok(contents);
    }
    let mut chosen = BTreeMap::new();
    for item in items {
        match contents.remove(text(item, "/key")) {
            Some(content) => {
                chosen.insert(text(item, "/path").trim_matches('/').to_owned(), content);
            }
            None if optional(source) => {}
            None => {
                let word = if kind == "secrets" { "secret" } else { "config" };
                return Err(format!("references non-existent {word} key: {}", text(item, "/key")));
            }
        }
    }
    Ok(chosen)
}

/// Why a pod's volumes cannot be mounted: the volume's name and the reason. `None` when all can.
#[must_use]
pub fn problem(store: &Store, pod: &Value) -> Option<(String, String)> {
    list(pod, "/spec/volumes").iter().find_map(|volume| {
        let reason = files(store, pod, volume).err()?;
        Some((text(volume, "/name").to_owned(), reason))
    })
}

/// The uid of the claim whose volume a container finds at a path; nothing if what is there dies with the pod.
#[must_use]
pub fn claim_at(store: &Store, pod: &Value, container: &str, path: &str) -> Option<String> {
    let (mount, _) = mount_of(super::container(pod, container)?, path)?;
    let volume = list(pod, "/spec/volumes").iter().find(|volume| text(volume, "/name") == text(mount, "/name"))?;
    let claim = text(volume, "/persistentVolumeClaim/claimName");
    let claim = store.get(&Key::new("", "persistentvolumeclaims", namespace(pod), claim))?;
    Some(crate::object::uid(&claim).to_owned())
}

/// The PersistentVolumeClaims that a pod mounts; a generic ephemeral volume's is named after pod and volume.
#[must_use]
pub fn claims(pod: &Value) -> Vec<String> {
    list(pod, "/spec/volumes")
        .iter()
        .filter_map(|volume| {
            if volume.get("ephemeral").is_some() {
                return Some(format!("{}-{}", name(pod), text(volume, "/name")));
            }
            volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str).map(str::to_owned)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn store() -> Store {
        let store = Store::default();
        store
            .create(&Key::new("", "configmaps", "auth", "dex"), json!({"data": {"config.yaml": "issuer: x"}}))
            .unwrap();
        store.create(&Key::new("", "secrets", "auth", "s"), json!({"data": {"k": "aGk=", "l": "bG8="}})).unwrap();
        store
    }

    fn pod(volumes: Value, mounts: Value) -> Value {
        json!({
            "metadata": {"name": "p", "namespace": "auth", "labels": {"app": "dex"}},
            "spec": {"volumes": volumes, "containers": [{"name": "main", "volumeMounts": mounts}]},
        })
    }

    fn read(pod: &Value, path: &str) -> Option<String> {
        file(&store(), pod, &pod["spec"]["containers"][0], path)
    }

    #[test]
    fn a_config_map_with_items_is_a_folder_of_the_chosen_keys() {
        let pod = pod(
            json!([{"name": "v", "configMap": {"name": "dex", "items": [{"key": "config.yaml", "path": "a/b.yaml"}]}}]),
            json!([{"name": "v", "mountPath": "/etc/dex/cfg"}]),
        );
        assert_eq!(read(&pod, "/etc/dex/cfg/a/b.yaml").as_deref(), Some("issuer: x"));
        assert_eq!(read(&pod, "/etc/dex/cfg/config.yaml"), None);
        assert_eq!(read(&pod, "/etc/dex/cfgx/a/b.yaml"), None);
    }

    #[test]
    fn a_sub_path_mounts_one_file_and_the_deepest_mount_wins() {
        let pod = pod(
            json!([{"name": "v", "configMap": {"name": "dex"}}, {"name": "s", "secret": {"secretName": "s"}}]),
            json!([
                {"name": "v", "mountPath": "/etc/proxy.cfg", "subPath": "config.yaml"},
                {"name": "v", "mountPath": "/data"}, {"name": "s", "mountPath": "/data/deep/"},
            ]),
        );
        assert_eq!(read(&pod, "/etc/proxy.cfg").as_deref(), Some("issuer: x"));
        assert_eq!(read(&pod, "/data/deep/k").as_deref(), Some("hi"));
        assert_eq!(read(&pod, "/data/config.yaml").as_deref(), Some("issuer: x"));
    }

    #[test]
    fn projections_are_laid_over_each_other() {
        let pod = pod(
            json!([{"name": "v", "projected": {"sources": [
                {"secret": {"name": "s", "items": [{"key": "k", "path": "one"}]}},
                {"configMap": {"name": "dex"}},
                {"configMap": {"name": "none", "optional": true}},
                {"downwardAPI": {"items": [{"path": "app", "fieldRef": {"fieldPath": "metadata.labels['app']"}}]}},
                {"serviceAccountToken": {"path": "token"}},
            ]}}]),
            json!([{"name": "v", "mountPath": "/v"}]),
        );
        assert_eq!(read(&pod, "/v/one").as_deref(), Some("hi"));
        assert_eq!(read(&pod, "/v/config.yaml").as_deref(), Some("issuer: x"));
        assert_eq!(read(&pod, "/v/app").as_deref(), Some("dex"));
        assert_eq!(problem(&store(), &pod), None);
    }

    #[test]
    fn what_cannot_be_mounted_is_named() {
        let of = |volume: Value| problem(&store(), &pod(json!([volume]), json!([]))).unwrap().1;
        assert_eq!(of(json!({"name": "v", "configMap": {"name": "none"}})), "configmap \"none\" not found");
        assert_eq!(
            of(json!({"name": "v", "secret": {"secretName": "s", "items": [{"key": "z", "path": "z"}]}})),
            "references non-existent secret key: z"
        );
    }
}
