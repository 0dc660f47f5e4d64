//! The built-in platform: compact objects of our own making for each supported release, so that a fresh clone needs no
//! download. A release's data file lists what upstream's rendered `example` consists of, a row an object; login differs
//! by contract and stands in two files of whole objects.
//!
//! Left out, because nothing here looks at them: RBAC of the controllers (not that of the web applications), CRD schemas, serving runtimes, probes,
//! resources. Credentials are our own, but for the default user's published password.

mod expand;
mod rows;
pub(crate) mod standalone;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::api::crd::conditions;
use crate::api::defaults;
use crate::object;
use crate::platform::{Release, Start, World};
use crate::store::Key;

const COMMON: &str = include_str!("data/common.yaml");
const WORKSPACES: &str = include_str!("data/workspaces.yaml");
const CONTRACT_A: &str = include_str!("data/contract_a.yaml");
const CONTRACT_B: &str = include_str!("data/contract_b.yaml");

/// Puts the objects of a start into the store.
///
/// # Errors
/// What does not load: a defect of this program.
pub fn load(world: &World, start: Start) -> Result<(), String> {
    match start {
        Start::Blank => Ok(()),
        Start::Release(release) => put(world, objects(release)?),
        Start::Standalone => put(world, standalone::objects()?),
    }
}

/// Puts objects into the store, with the defaults that the API would give them; what is there already stays.
///
/// # Errors
/// An object without kind or apiVersion.
pub fn put(world: &World, objects: impl IntoIterator<Item = Value>) -> Result<(), String> {
    for mut object in objects {
        let key = key(&object)?;
        let kind = object::text(&object, "/kind").to_owned();
        defaults::built_in(&key.group, &kind, &mut object);
        if kind == "CustomResourceDefinition" {
            conditions::accept(&mut object);
        }
        // As if it had come through the API: a later change of it must not look like one of what was left out.
        let kind = object::text(&object, "/kind").to_owned();
        defaults::built_in(&key.group, &kind, &mut object);
        // A namespace or account that every cluster has may be there already.
        if world.store.get(&key).is_none() {
            world.store.create(&key, object).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// The objects of a release.
///
/// # Errors
/// What does not parse.
pub fn objects(release: Release) -> Result<Vec<Value>, String> {
    let (rows, login, images, hook, pipelines) = match release {
        Release::V1_8_1 => (include_str!("data/v1.8.1.yaml"), CONTRACT_A, ("", ""), "CompositeController", "2.0.5"),
        Release::V1_9_1 => {
            (include_str!("data/v1.9.1.yaml"), CONTRACT_B, ("v2.39.1", "v7.6.0"), "CompositeController", "2.3.0")
        }
        Release::V1_10_2 => {
            (include_str!("data/v1.10.2.yaml"), CONTRACT_B, ("v2.41.1", "v7.7.1"), "DecoratorController", "2.5.0")
        }
    };
    let rows: rows::Release = serde_saphyr::from_str(rows).map_err(|error| error.to_string())?;
    let mut objects = expand::objects(&rows);
    let login = login
        .replace("${DEX_IMAGE}", &format!("ghcr.io/dexidp/dex:{}", images.0))
        .replace("${PROXY_IMAGE}", &format!("quay.io/oauth2-proxy/oauth2-proxy:{}", images.1));
    let (servers, tag) = match release {
        Release::V1_8_1 => ("kubeflownotebookswg", "v1.8.0"),
        Release::V1_9_1 => ("kubeflownotebookswg", "v1.9.2"),
        Release::V1_10_2 => ("ghcr.io/kubeflow/kubeflow/notebook-servers", "v1.10.0"),
    };
    let workspaces = WORKSPACES.replace("${NOTEBOOK_IMAGES}", servers).replace("${NOTEBOOK_TAG}", tag);
    let common = COMMON.replace("${HOOK_KIND}", hook).replace("${PIPELINES_VERSION}", pipelines);
    for text in [&common, &workspaces, &login] {
        objects.extend(serde_saphyr::from_multiple::<Value>(text).map_err(|error| error.to_string())?);
    }
    objects.iter_mut().for_each(encode_secret);
    Ok(objects)
}

/// What the API server does with a Secret's `stringData`.
fn encode_secret(object: &mut Value) {
    let Some(Value::Object(plain)) = object.as_object_mut().and_then(|object| object.remove("stringData")) else {
        return;
    };
    for (key, value) in plain {
        object["data"][key] = json!(BASE64_STANDARD.encode(value.as_str().unwrap_or_default()));
    }
}

/// Plurals that are not the lower-case kind with an `s`.
const PLURALS: &[(&str, &str)] = &[
    ("AuthorizationPolicy", "authorizationpolicies"),
    ("NetworkPolicy", "networkpolicies"),
    ("Gateway", "gateways"),
    ("PriorityClass", "priorityclasses"),
];

/// Where an object of the blueprint stands in the store.
///
/// # Errors
/// An object without kind or apiVersion.
pub(crate) fn key(object: &Value) -> Result<Key, String> {
    let kind = object::text(object, "/kind");
    let api_version = object::text(object, "/apiVersion");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    if kind.is_empty() || api_version.is_empty() {
        return Err(format!("no kind or apiVersion in {object}"));
    }
    let plural = PLURALS
        .iter()
        .find(|(of, _)| *of == kind)
        .map_or_else(|| format!("{}s", kind.to_lowercase()), |(_, plural)| (*plural).to_owned());
    Ok(Key::new(group, &plural, object::namespace(object), object::name(object)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Release; 3] = [Release::V1_8_1, Release::V1_9_1, Release::V1_10_2];

    #[test]
    fn every_release_loads_without_a_doubled_object() {
        for release in ALL {
            let objects = objects(release).unwrap();
            let mut keys: Vec<Key> = objects.iter().map(|object| key(object).unwrap()).collect();
            let count = keys.len();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), count, "{release:?}");
            assert!(count > 250, "{release:?} has {count} objects");
        }
    }

    #[test]
    fn every_namespace_and_service_that_is_named_exists() {
        for release in ALL {
            let objects = objects(release).unwrap();
            let has = |kind: &str, namespace: &str, name: &str| {
                objects.iter().any(|object| {
                    object["kind"] == kind && object::name(object) == name && object::namespace(object) == namespace
                })
            };
            for object in &objects {
                let namespace = object::namespace(object);
                assert!(
                    namespace.is_empty() || namespace == "kube-system" || has("Namespace", "", namespace),
                    "{release:?}: no namespace for {object}"
                );
                for http in object::list(object, "/spec/http") {
                    let host = object::text(http, "/route/0/destination/host");
                    let mut parts = host.split('.');
                    let (name, namespace) = (parts.next().unwrap(), parts.next().unwrap());
                    assert!(has("Service", namespace, name), "{release:?}: no Service for {host}");
                }
            }
        }
    }

    #[test]
    fn secrets_are_encoded() {
        let objects = objects(Release::V1_9_1).unwrap();
        let secret = objects.iter().find(|object| object::name(object) == "dex-oidc-client").unwrap();
        assert_eq!(secret["data"]["OIDC_CLIENT_ID"], "a3ViZWZsb3ctb2lkYy1hdXRoc2VydmljZQ==");
        assert!(secret.get("stringData").is_none());
    }
}
