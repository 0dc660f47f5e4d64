//! ConfigMap `katib-config`: which image proposes values for an algorithm, and which collects metrics. It is read anew
//! each time (`pkg/util/v1beta1/katibconfig/config.go`).

use serde_json::{Value, json};

use crate::object::{list, text};
use crate::store::{Key, Store};

/// Name of the ConfigMap.
pub const NAME: &str = "katib-config";
const FILE: &str = "katib-config.yaml";

/// A container that the configuration describes.
#[derive(Debug, Clone, PartialEq)]
pub struct Configured {
    /// Its image.
    pub image: String,
    /// When it is pulled.
    pub pull_policy: String,
    /// What it asks for and what it may use.
    pub resources: Value,
}

/// The service of an algorithm.
///
/// # Errors
/// Why there is none, in the real program's words.
pub fn suggestion(store: &Store, home: &str, algorithm: &str) -> Result<Configured, String> {
    let absent = format!("failed to find suggestion config for algorithm: {algorithm} in ConfigMap: {NAME}");
    let imageless = format!("required value for image configuration of algorithm name: {algorithm}");
    find(store, home, ("/runtime/suggestions", "/algorithmName", algorithm), absent, imageless)
}

/// The service of an algorithm for early stopping.
///
/// # Errors
/// Why there is none.
pub fn early_stopping(store: &Store, home: &str, algorithm: &str) -> Result<Configured, String> {
    let absent = format!("failed to find early stopping config for algorithm: {algorithm} in ConfigMap: {NAME}");
    let imageless = format!("required value for image configuration of algorithm name: {algorithm}");
    find(store, home, ("/runtime/earlyStoppings", "/algorithmName", algorithm), absent, imageless)
}

/// The collector of a kind, for example `StdOut`.
///
/// # Errors
/// Why there is none.
pub fn collector(store: &Store, home: &str, kind: &str) -> Result<Configured, String> {
    let absent = format!("failed to find metrics collector config for kind: {kind} in ConfigMap: {NAME}");
    let imageless = format!("required value for image configuration of metrics collector kind: {kind}");
    find(store, home, ("/runtime/metricsCollectors", "/kind", kind), absent, imageless)
}

fn find(
    store: &Store,
    home: &str,
    (section, field, wanted): (&str, &str, &str),
    absent: String,
    imageless: String,
) -> Result<Configured, String> {
    let map = store.get(&Key::new("", "configmaps", home, NAME));
    let map = map.ok_or_else(|| format!("ConfigMap \"{NAME}\" not found"))?;
    let file = map.get("data").and_then(|data| data.get(FILE)).and_then(Value::as_str);
    let file = file.ok_or_else(|| format!("failed to find {FILE} in ConfigMap: {NAME}"))?;
    let read: Value = serde_saphyr::from_str(file).map_err(|error| format!("couldn't decode {FILE}: {error}"))?;
    let entry = list(&read, section).iter().rev().find(|entry| text(entry, field) == wanted).ok_or(absent)?;
    let image = text(entry, "/image").trim();
    if image.is_empty() {
        return Err(imageless);
    }
    let policy = match text(entry, "/imagePullPolicy") {
        "" => "IfNotPresent",
        policy => policy,
    };
    Ok(Configured { image: image.to_owned(), pull_policy: policy.to_owned(), resources: resources(entry) })
}

/// What the configuration leaves open (`pkg/apis/config/v1beta1/defaults.go`).
fn resources(entry: &Value) -> Value {
    let mut resources = json!({
        "limits": {"cpu": "500m", "ephemeral-storage": "5Gi", "memory": "100Mi"},
        "requests": {"cpu": "50m", "ephemeral-storage": "500Mi", "memory": "10Mi"},
    });
    for part in ["limits", "requests"] {
        for (name, amount) in entry["resources"][part].as_object().into_iter().flatten() {
            resources[part][name] = amount.clone();
        }
    }
    resources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_says_why() {
        let store = Store::default();
        assert_eq!(suggestion(&store, "kubeflow", "random").unwrap_err(), "ConfigMap \"katib-config\" not found");
        let key = Key::new("", "configmaps", "kubeflow", NAME);
        let file = "---\nruntime:\n  suggestions:\n  - {algorithmName: random, image: 'x/suggestion-hyperopt:v1', \
                    resources: {limits: {memory: 1Gi}}}\n  - {algorithmName: tpe, image: ' '}\n";
        store.create(&key, json!({"data": {FILE: file}})).unwrap();
        let found = suggestion(&store, "kubeflow", "random").unwrap();
        assert_eq!(
            (found.image.as_str(), &found.resources["limits"]["memory"]),
            ("x/suggestion-hyperopt:v1", &json!("1Gi"))
        );
        assert_eq!(found.resources["limits"]["cpu"], json!("500m"));
        let why = suggestion(&store, "kubeflow", "tpe").unwrap_err();
        assert_eq!(why, "required value for image configuration of algorithm name: tpe");
        let why = collector(&store, "kubeflow", "File").unwrap_err();
        assert_eq!(why, "failed to find metrics collector config for kind: File in ConfigMap: katib-config");
        for broken in ["{", "[1", "\0"] {
            store
                .update(&key, None, |map| {
                    map["data"][FILE] = json!(broken);
                    true
                })
                .unwrap();
            assert!(suggestion(&store, "kubeflow", "random").is_err());
        }
    }
}
