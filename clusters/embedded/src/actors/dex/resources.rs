//! What Dex with `storage: kubernetes` puts into the cluster: the definitions of its kinds, and its signing keys. What
//! else it stores stays in memory.
//!
//! Facts: dexidp/dex `storage/kubernetes/types.go` (kinds, `Keys`) and `storage/kubernetes/storage.go` (`keysName`) at
//! v2.39.1. The definition of `authcodes` comes with kubeflow/manifests; Dex makes the others when it starts.

use serde_json::{Value, json};

use super::keys::Keys;
use crate::api::crd;
use crate::object::text;
use crate::platform::World;
use crate::store::Key;

const GROUP: &str = "dex.coreos.com";
/// The plural of the kind `SigningKey`, as Dex spells it.
const KEYS: &str = "signingkeies";
/// The one object that holds all keys.
const KEYS_NAME: &str = "openid-connect-keys";

/// Plural and kind.
const KINDS: &[(&str, &str)] = &[
    ("authcodes", "AuthCode"),
    ("authrequests", "AuthRequest"),
    ("oauth2clients", "OAuth2Client"),
    (KEYS, "SigningKey"),
    ("refreshtokens", "RefreshToken"),
    ("passwords", "Password"),
    ("offlinesessionses", "OfflineSessions"),
    ("connectors", "Connector"),
    ("devicerequests", "DeviceRequest"),
    ("devicetokens", "DeviceToken"),
];

/// Makes the definitions that are missing.
pub fn define(world: &World) {
    for (plural, kind) in KINDS {
        let name = format!("{plural}.{GROUP}");
        let key = Key::new(crd::GROUP, crd::PLURAL, "", &name);
        if world.store.get(&key).is_some() {
            continue;
        }
        let mut definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
            "spec": {
                "group": GROUP, "scope": "Namespaced",
                "names": {"plural": plural, "kind": kind, "listKind": format!("{kind}List"),
                          "singular": kind.to_lowercase()},
                "conversion": {"strategy": "None"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
            },
        });
        crd::accept(&mut definition);
        if let Err(error) = world.store.create(&key, definition) {
            tracing::debug!(%error, "another Dex was faster");
        }
    }
}

/// Puts the keys into their object, if they are not in it.
pub fn keep(world: &World, namespace: &str, keys: &Keys) {
    let Some(fields) = keys.stored() else { return };
    let key = Key::new(GROUP, KEYS, namespace, KEYS_NAME);
    let change = |object: &mut Value| {
        if text(object, "/signingKey/kid") == text(&fields, "/signingKey/kid") {
            return false;
        }
        if let (Some(object), Some(fields)) = (object.as_object_mut(), fields.as_object()) {
            object.extend(fields.clone());
        }
        true
    };
    let kept = match world.store.get(&key) {
        Some(before) if text(&before, "/signingKey/kid") == text(&fields, "/signingKey/kid") => return,
        Some(_) => world.store.update(&key, None, change),
        None => {
            let mut object = json!({"apiVersion": "dex.coreos.com/v1", "kind": "SigningKey", "metadata": {}});
            change(&mut object);
            world.store.create(&key, object)
        }
    };
    if let Err(error) = kept {
        tracing::debug!(%error, "another request was faster");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::platform::{Options, Platform};

    #[tokio::test]
    async fn the_key_that_signs_is_in_its_object() {
        let platform = Platform::start(Options::default()).await.unwrap();
        let world = platform.world();
        define(world);
        assert_eq!(world.store.list(crd::GROUP, crd::PLURAL, None).len(), KINDS.len());
        let keys = Keys::default();
        keep(world, "auth", &keys);
        let place = Key::new(GROUP, KEYS, "auth", KEYS_NAME);
        assert!(world.store.get(&place).is_none());
        let day = Duration::from_secs(86400);
        let first = keys.signing(Duration::ZERO, day).await.unwrap();
        keep(world, "auth", &keys);
        let object = world.store.get(&place).unwrap();
        assert_eq!(text(&object, "/signingKey/kid"), first.id);
        assert!(!text(&object, "/signingKey/d").is_empty() && text(&object, "/signingKeyPub/d").is_empty());
        let second = keys.signing(day, day).await.unwrap();
        keep(world, "auth", &keys);
        let object = world.store.get(&place).unwrap();
        assert_eq!(text(&object, "/signingKey/kid"), second.id);
        assert_eq!(text(&object, "/verificationKeys/0/publicKey/kid"), first.id);
    }
}
