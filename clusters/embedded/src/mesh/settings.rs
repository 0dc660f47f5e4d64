//! The mesh-wide settings of istiod: ConfigMap `istio-system/istio`, key `mesh`, and istiod's own environment.

use std::time::Duration;

use serde_json::Value;

use super::external::External;
use crate::object;
use crate::store::{Key, Store};

/// Namespace of istiod and of its ConfigMap.
pub(crate) const ISTIOD_NAMESPACE: &str = "istio-system";

/// What istiod reads from MeshConfig. Source: Istio's `MeshConfig` reference.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Policies in this namespace hold for the whole mesh.
    pub(crate) root_namespace: String,
    /// First part of every principal.
    pub(crate) trust_domain: String,
    /// Whether sidecars use mutual TLS towards sidecars without being told to.
    pub(crate) auto_mtls: bool,
    /// `extensionProviders` of the kind `envoyExtAuthzHttp`, by name.
    pub(crate) providers: Vec<(String, External)>,
    /// How often istiod fetches the keys of JWT issuers again (`PILOT_JWT_PUB_KEY_REFRESH_INTERVAL`, 20 minutes
    /// unless set).
    pub(crate) keys_refresh: Duration,
}

impl Settings {
    pub(crate) fn read(store: &Store) -> Self {
        let map = store.get(&Key::new("", "configmaps", ISTIOD_NAMESPACE, "istio"));
        let mesh = map.as_deref().map(|map| object::text(map, "/data/mesh")).unwrap_or_default();
        let mesh: Value = serde_saphyr::from_str(mesh).unwrap_or_default();
        let or = |pointer: &str, default: &str| match object::text(&mesh, pointer) {
            "" => default.to_owned(),
            text => text.to_owned(),
        };
        let providers = object::list(&mesh, "/extensionProviders")
            .iter()
            .filter_map(|provider| {
                let check = External::from_extension_provider(provider.get("envoyExtAuthzHttp")?)?;
                Some((object::text(provider, "/name").to_owned(), check))
            })
            .collect();
        Self {
            root_namespace: or("/rootNamespace", ISTIOD_NAMESPACE),
            trust_domain: or("/trustDomain", "cluster.local"),
            auto_mtls: mesh.pointer("/enableAutoMtls").and_then(Value::as_bool).unwrap_or(true),
            providers,
            keys_refresh: keys_refresh(store).unwrap_or(Duration::from_secs(20 * 60)),
        }
    }
}

fn keys_refresh(store: &Store) -> Option<Duration> {
    let istiod = store.get(&Key::new("apps", "deployments", ISTIOD_NAMESPACE, "istiod"))?;
    let variable = object::list(&istiod, "/spec/template/spec/containers")
        .iter()
        .flat_map(|container| object::list(container, "/env"))
        .find(|variable| object::text(variable, "/name") == "PILOT_JWT_PUB_KEY_REFRESH_INTERVAL")?;
    duration(object::text(variable, "/value"))
}

/// A duration as Go and protobuf write it: `10s`, `1m30s`, `0.5s`, `300ms`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let unit_length = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_length);
        total += number
            * match unit {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = next;
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(total).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, seconds) in [("10s", 10.0), ("1m30s", 90.0), ("300ms", 0.3), ("0s", 0.0), ("1.5h", 5400.0)] {
            assert_eq!(duration(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "10", "s", "10x", "-1s", "1e400s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
