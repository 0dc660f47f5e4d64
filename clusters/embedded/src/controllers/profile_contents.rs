//! What the profile-controller puts into a Profile's namespace, and keeps as it should be.

use serde_json::{Value, json};

use super::profile_settings::Settings;
use crate::object::{name, text};
use crate::platform::World;
use crate::store::Key;

const RBAC: &str = "rbac.authorization.k8s.io";
const ISTIO: &str = "security.istio.io";

/// Makes what is missing and corrects what differs, in the controller's order. `None` if something is refused: what would
/// come after it is not made.
pub(super) fn provide(world: &World, profile: &Value, settings: &Settings) -> Option<()> {
    let home = name(profile);
    let mut owner = profile.pointer("/spec/owner").cloned().unwrap_or_default();
    let owned = |mut object: Value| {
        object["metadata"]["ownerReferences"] = super::profiles::owners(world, profile);
        object
    };
    let keep = |group: &str, plural: &str, of: &str, object: Value, fields: &[&str]| {
        keep(world, settings, &Key::new(group, plural, home, of), owned(object), fields)
    };
    let annotations = json!({"user": text(&owner, "/name"), "role": "admin"});
    let policy = json!({
        "apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy",
        "metadata": {"annotations": annotations}, "spec": {"rules": rules(home, text(&owner, "/name"), settings)},
    });
    keep(ISTIO, "authorizationpolicies", "ns-owner-access-istio", policy, &["spec"])?;
    for (account, role) in ACCOUNTS {
        let object = json!({"apiVersion": "v1", "kind": "ServiceAccount"});
        keep("", "serviceaccounts", account, object, &[])?;
        let subjects = json!([{"kind": "ServiceAccount", "name": account, "namespace": home}]);
        keep(RBAC, "rolebindings", account, binding(role, &subjects), &["subjects", "roleRef"])?;
    }
    // A RoleBinding takes no subject without a name, and none of another kind.
    let kind = text(&owner, "/kind").to_owned();
    if text(&owner, "/name").is_empty() || !matches!(kind.as_str(), "User" | "Group" | "ServiceAccount") {
        return None;
    }
    if kind != "ServiceAccount" && text(&owner, "/apiGroup").is_empty() {
        owner["apiGroup"] = json!(RBAC);
    }
    let mut admin = binding("kubeflow-admin", &json!([owner]));
    admin["metadata"]["annotations"] = annotations;
    keep(RBAC, "rolebindings", "namespaceAdmin", admin, &["subjects", "roleRef"])?;
    if kind == "ServiceAccount" {
        // Seen, not understood: the binding is there, and the controller fails at it for ever.
        return None;
    }
    let quota = "kf-resource-quota";
    match profile.pointer("/spec/resourceQuotaSpec/hard").and_then(Value::as_object) {
        Some(hard) if !hard.is_empty() => {
            if !hard.keys().all(|resource| is_resource(resource)) {
                return None;
            }
            let spec = profile["spec"]["resourceQuotaSpec"].clone();
            keep(
                "",
                "resourcequotas",
                quota,
                json!({"apiVersion": "v1", "kind": "ResourceQuota", "spec": spec}),
                &["spec"],
            )
        }
        _ => {
            let key = Key::new("", "resourcequotas", home, quota);
            if world.store.get(&key).is_none() {
                return Some(());
            }
            settings.may(world, "delete", "", "resourcequotas").then(|| world.store.delete(&key)).map(drop)
        }
    }
}

/// The service accounts of every profile, and the ClusterRoles that they are bound to in its namespace.
const ACCOUNTS: &[(&str, &str)] = &[("default-editor", "kubeflow-edit"), ("default-viewer", "kubeflow-view")];

/// Whether a quota may name a resource: a qualified name.
fn is_resource(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/'))
}

fn binding(role: &str, subjects: &Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "subjects": subjects,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
    })
}

fn rules(home: &str, owner: &str, settings: &Settings) -> Value {
    json!([
        {
            "from": [{"source": {"principals": [settings.gateway, settings.pipelines]}}],
            "when": [{
                "key": format!("request.headers[{}]", settings.header), "values": [format!("{}{owner}", settings.prefix)],
            }],
        },
        {"when": [{"key": "source.namespace", "values": [home]}]},
        {"to": [{"operation": {"paths": ["/healthz", "/metrics", "/wait-for-drain"]}}]},
        {
            "from": [{"source": {"principals": [settings.notebooks]}}],
            "to": [{"operation": {"methods": ["GET"], "paths": ["*/api/kernels"]}}],
        },
    ])
}

/// Creates an object, or sets the given fields of the one that is there; `None` if the controller may not.
fn keep(world: &World, settings: &Settings, key: &Key, object: Value, fields: &[&str]) -> Option<()> {
    if let Some(found) = world.store.get(key) {
        if fields.iter().all(|field| found[*field] == object[*field]) {
            return Some(());
        }
        if !settings.may(world, "update", &key.group, &key.plural) {
            return None;
        }
        let kept = world.store.update(key, None, |stored| {
            for field in fields {
                stored[*field] = object[*field].clone();
            }
            true
        });
        return kept.ok().map(drop);
    }
    if !settings.may(world, "create", &key.group, &key.plural) {
        return None;
    }
    super::bootstrap::put(world, &key.group, &key.plural, &key.namespace, &key.name, object);
    Some(())
}
