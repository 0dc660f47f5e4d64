//! What a Profile's namespace must hold, and how what is there differs.
//!
//! Facts: kubeflow/kubeflow `components/profile-controller/controllers/profile_controller.go`, the same from v1.8.0 to
//! v1.10.0. Annotations of the policy and the binding are not compared: the controller does not correct them.

use clusters::versions::Version;
use clusters::versions::tenancy::{NOTEBOOK_CONTROLLER, ON_BEHALF, USERID_HEADER};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::quantity;
use crate::objects::{annotation, items, label, text};

/// The service accounts of every Profile, and the ClusterRoles that they are bound to.
pub const ACCOUNTS: [(&str, &str); 2] = [("default-editor", "kubeflow-edit"), ("default-viewer", "kubeflow-view")];

/// The policy of every Profile.
pub const POLICY: &str = "ns-owner-access-istio";
/// The binding of every Profile's owner.
pub const ADMIN: &str = "namespaceAdmin";
/// The quota of a Profile that asks for one.
pub const QUOTA: &str = "kf-resource-quota";

/// A place and how it differs.
pub type Difference = String;

/// The namespace's owner.
pub fn ownership(name: &str, owner: &str, namespace: Option<&DynamicObject>) -> Vec<Difference> {
    let Some(namespace) = namespace else { return vec![format!("there is no namespace {name}")] };
    let named = annotation(namespace, "owner");
    let mut found = Vec::new();
    if named != owner {
        found.push(format!("annotation owner of namespace {name} is {named:?}, not {owner:?}"));
    }
    if namespace.metadata.deletion_timestamp.is_some() {
        found.push(format!("namespace {name} is terminating"));
    }
    found
}

/// The namespace's labels.
pub fn labels(version: &'static Version, namespace: &DynamicObject) -> Vec<Difference> {
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    version
        .namespace_labels()
        .filter(|wanted| !is_enough(wanted.key, wanted.value, label(namespace, wanted.key)))
        .map(|wanted| {
            let (key, value, found) = (wanted.key, wanted.value, label(namespace, wanted.key));
            let purpose = wanted.purpose;
            match found {
                "" => format!("namespace {name} lacks the label {key}={value} ({purpose})"),
                found => format!("label {key} of namespace {name} is {found}, not {value} ({purpose})"),
            }
        })
        .collect()
}

/// Whether a label's value serves its purpose: a site may hold its tenants to more than the release does.
fn is_enough(key: &str, wanted: &str, found: &str) -> bool {
    found == wanted || key == POD_SECURITY && wanted == "baseline" && found == "restricted"
}

/// The label of the Pod Security level that new pods are held to.
const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";

/// A RoleBinding's role and subjects.
pub fn binding(home: &str, name: &str, role: &str, subject: &Value, found: Option<&DynamicObject>) -> Vec<Difference> {
    let Some(found) = found else { return vec![format!("there is no RoleBinding {home}/{name}")] };
    let mut differences = Vec::new();
    let bound = text(&found.data, "/roleRef/name");
    if (text(&found.data, "/roleRef/kind"), bound) != ("ClusterRole", role) {
        differences.push(format!("RoleBinding {home}/{name} binds to {bound}, not to ClusterRole {role}"));
    }
    let subjects = items(&found.data, "/subjects");
    let same = |one: &Value| ["kind", "name", "namespace"].iter().all(|key| one.get(key) == subject.get(key));
    if subjects.len() != 1 || !subjects.iter().all(same) {
        let (bound, wanted) = (Value::from(subjects.to_vec()), subject);
        differences.push(format!("RoleBinding {home}/{name} binds {bound}, not {wanted} alone"));
    }
    differences
}

/// The subject of one of the namespace's service accounts.
#[must_use]
pub fn account(home: &str, name: &str) -> Value {
    json!({"kind": "ServiceAccount", "name": name, "namespace": home})
}

/// The owner as a subject.
#[must_use]
pub fn owner(profile: &DynamicObject) -> Value {
    let mut subject = json!({});
    for key in ["kind", "name", "namespace"] {
        let value = text(&profile.data, &format!("/spec/owner/{key}"));
        if !value.is_empty() {
            subject[key] = json!(value);
        }
    }
    subject
}

/// The rules of the policy: the owner through the gateway and the pipelines UI, the namespace's own pods, probes of
/// anyone, and the notebook controller asking for kernels.
#[must_use]
pub fn rules(home: &str, owner: &str) -> Vec<Value> {
    vec![
        through_gateway(owner),
        json!({"when": [{"key": "source.namespace", "values": [home]}]}),
        json!({"to": [{"operation": {"paths": ["/healthz", "/metrics", "/wait-for-drain"]}}]}),
        json!({"from": [{"source": {"principals": [NOTEBOOK_CONTROLLER]}}],
               "to": [{"operation": {"methods": ["GET"], "paths": ["*/api/kernels"]}}]}),
    ]
}

/// The rule that lets one user in through the gateway and the pipelines UI.
#[must_use]
pub fn through_gateway(user: &str) -> Value {
    json!({
        "from": [{"source": {"principals": ON_BEHALF}}],
        "when": [{"key": format!("request.headers[{USERID_HEADER}]"), "values": [user]}],
    })
}

/// A policy that allows by exactly these rules, whatever their order, in the whole namespace.
pub fn policy(home: &str, name: &str, wanted: &[Value], found: Option<&DynamicObject>) -> Vec<Difference> {
    let Some(found) = found else { return vec![format!("there is no AuthorizationPolicy {home}/{name}")] };
    let mut differences = Vec::new();
    let action = text(&found.data, "/spec/action");
    if !matches!(action, "" | "ALLOW") {
        differences.push(format!("AuthorizationPolicy {home}/{name} has the action {action}, not ALLOW"));
    }
    if found.data.pointer("/spec/selector").is_some_and(|selector| *selector != json!({})) {
        differences.push(format!("AuthorizationPolicy {home}/{name} selects some pods only"));
    }
    let rules = items(&found.data, "/spec/rules");
    for rule in wanted.iter().filter(|rule| !rules.contains(rule)) {
        differences.push(format!("AuthorizationPolicy {home}/{name} lacks the rule {rule}"));
    }
    for rule in rules.iter().filter(|rule| !wanted.contains(rule)) {
        differences.push(format!("AuthorizationPolicy {home}/{name} has a rule of somebody else: {rule}"));
    }
    differences
}

/// The quota that a Profile asks for.
pub fn quota(home: &str, profile: &DynamicObject, found: Option<&DynamicObject>) -> Vec<Difference> {
    let hard = |value: Option<&Value>| value.and_then(Value::as_object).filter(|hard| !hard.is_empty()).cloned();
    let wanted = hard(profile.data.pointer("/spec/resourceQuotaSpec/hard"));
    let given = hard(found.and_then(|found| found.data.pointer("/spec/hard")));
    let same = match (&wanted, &given) {
        (None, None) => true,
        (Some(wanted), Some(given)) => {
            wanted.len() == given.len()
                && wanted.iter().all(|(of, limit)| given.get(of).is_some_and(|other| quantity::same(limit, other)))
        }
        _ => false,
    };
    if same {
        return Vec::new();
    }
    let said = |hard: Option<serde_json::Map<String, Value>>| {
        hard.map_or_else(|| "none".to_owned(), |hard| Value::from(hard).to_string())
    };
    vec![format!("ResourceQuota {home}/{QUOTA} is {}, not {}", said(given), said(wanted))]
}
