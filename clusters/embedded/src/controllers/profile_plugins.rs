//! The profile-controller's plugins: annotations of the account that a profile's workloads run as, for clouds
//! (`controllers/plugin_iam.go`, `plugin_workload_identity.go`). No cloud is asked here, so a plugin that needs one fails,
//! as it does on any other cluster. Other kinds are ignored.

use serde_json::{Value, json};

use super::profile_settings::Settings;
use crate::object::{list, name, text};
use crate::platform::World;
use crate::store::Key;

const ACCOUNT: &str = "default-editor";
const GOOGLE: &str = "iam.gke.io/gcp-service-account";
const AMAZON: &str = "eks.amazonaws.com/role-arn";

/// Applies all plugins in order; `None` if one fails. What a removed plugin has annotated stays.
pub(super) fn apply(world: &World, profile: &Value, settings: &Settings) -> Option<()> {
    let mut plugins = list(profile, "/spec/plugins").to_vec();
    let google = |plugin: &Value| text(plugin, "/kind") == "WorkloadIdentity";
    if !settings.workload_identity.is_empty() && !plugins.iter().any(google) {
        let spec = json!({"gcpServiceAccount": settings.workload_identity});
        plugins.push(json!({"kind": "WorkloadIdentity", "spec": spec}));
    }
    for plugin in &plugins {
        let (annotation, value, needs_cloud) = match text(plugin, "/kind") {
            "WorkloadIdentity" => (GOOGLE, text(plugin, "/spec/gcpServiceAccount"), true),
            "AwsIamForServiceAccount" => {
                (AMAZON, text(plugin, "/spec/awsIamRole"), plugin["spec"]["annotateOnly"] != true)
            }
            _ => continue,
        };
        annotate(world, settings, name(profile), annotation, value)?;
        if needs_cloud {
            return None;
        }
    }
    Some(())
}

fn annotate(world: &World, settings: &Settings, home: &str, annotation: &str, value: &str) -> Option<()> {
    if !settings.may(world, "update", "", "serviceaccounts") {
        return None;
    }
    let annotated = world.store.update(&Key::new("", "serviceaccounts", home, ACCOUNT), None, |account| {
        let before = account.pointer("/metadata/annotations").and_then(|all| all.get(annotation));
        let differs = before.and_then(Value::as_str) != Some(value);
        if differs {
            account["metadata"]["annotations"][annotation] = json!(value);
        }
        differs
    });
    annotated.ok().map(drop)
}
