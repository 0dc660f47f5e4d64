//! What the profile-controller puts into a Profile's namespace, and keeps as it should be.

use serde_json::{Value, json};

use super::owned::controller_reference;
use crate::kubelet::environment;
use crate::object::{name, text};
use crate::platform::World;
use crate::store::Key;

const RBAC: &str = "rbac.authorization.k8s.io";
const ISTIO: &str = "security.istio.io";
const LABELS_FILE: &str = "/etc/profile-controller/namespace-labels.yaml";

/// How the controller is configured: its environment and the file of namespace labels.
pub(super) struct Settings {
    /// Labels for every namespace; an empty value removes one.
    pub(super) labels: Value,
    header: String,
    prefix: String,
    gateway: String,
    pipelines: String,
    notebooks: String,
}

impl Settings {
    /// Reads what the controller's container is given. Without it the values that kubeflow/manifests ships count.
    pub(super) fn of(world: &World, pod: &Value, container: Option<&Value>) -> Self {
        let container = container.map(|container| text(container, "/name")).unwrap_or_default();
        let variables = environment::variables(&world.store, pod, container);
        let file = environment::file(&world.store, pod, container, LABELS_FILE);
        let labels = file.and_then(|file| serde_saphyr::from_str::<Value>(&file).ok()).filter(Value::is_object);
        let variable = |name: &str, otherwise: &str| {
            variables.get(name).filter(|value| !value.is_empty()).cloned().unwrap_or_else(|| otherwise.to_owned())
        };
        let principal = |name: &str, account: &str| variable(name, &format!("cluster.local/ns/{account}"));
        Self {
            labels: labels.unwrap_or_else(|| {
                json!({
                    "katib.kubeflow.org/metrics-collector-injection": "enabled",
                    "serving.kubeflow.org/inferenceservice": "enabled",
                    "pipelines.kubeflow.org/enabled": "true",
                    "app.kubernetes.io/part-of": "kubeflow-profile",
                })
            }),
            header: variable("USERID_HEADER", "kubeflow-userid"),
            prefix: variable("USERID_PREFIX", ""),
            gateway: principal(
                "ISTIO_INGRESS_GATEWAY_PRINCIPAL",
                "istio-system/sa/istio-ingressgateway-service-account",
            ),
            pipelines: principal("KFP_UI_PRINCIPAL", "kubeflow/sa/ml-pipeline-ui"),
            notebooks: principal("NOTEBOOK_CONTROLLER_PRINCIPAL", "kubeflow/sa/notebook-controller-service-account"),
        }
    }
}

/// Makes what is missing and corrects what differs.
pub(super) fn provide(world: &World, profile: &Value, settings: &Settings) {
    let home = name(profile);
    let owner = profile.pointer("/spec/owner").cloned().unwrap_or_default();
    let owned = |mut object: Value| {
        object["metadata"]["ownerReferences"] = json!([controller_reference(profile, "kubeflow.org/v1", "Profile")]);
        object
    };
    let annotations = json!({"user": text(&owner, "/name"), "role": "admin"});
    let policy = owned(json!({
        "apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy",
        "metadata": {"annotations": annotations}, "spec": {"rules": rules(home, text(&owner, "/name"), settings)},
    }));
    keep(world, &Key::new(ISTIO, "authorizationpolicies", home, "ns-owner-access-istio"), policy, &["spec"]);
    for (account, role) in [("default-editor", "kubeflow-edit"), ("default-viewer", "kubeflow-view")] {
        let object = owned(json!({"apiVersion": "v1", "kind": "ServiceAccount"}));
        keep(world, &Key::new("", "serviceaccounts", home, account), object, &[]);
        let subjects = json!([{"kind": "ServiceAccount", "name": account, "namespace": home}]);
        let binding = owned(binding(role, &subjects));
        keep(world, &Key::new(RBAC, "rolebindings", home, account), binding, &["subjects", "roleRef"]);
    }
    if text(&owner, "/name").is_empty() {
        return;
    }
    let mut owner = owner;
    if text(&owner, "/kind") == "User" && text(&owner, "/apiGroup").is_empty() {
        owner["apiGroup"] = json!(RBAC);
    }
    let mut admin = owned(binding("kubeflow-admin", &json!([owner])));
    admin["metadata"]["annotations"] = annotations;
    keep(world, &Key::new(RBAC, "rolebindings", home, "namespaceAdmin"), admin, &["subjects", "roleRef"]);
    quota(world, profile, &owned);
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

fn quota(world: &World, profile: &Value, owned: &impl Fn(Value) -> Value) {
    let key = Key::new("", "resourcequotas", name(profile), "kf-resource-quota");
    let wanted = profile.pointer("/spec/resourceQuotaSpec/hard").and_then(Value::as_object);
    if wanted.is_some_and(|hard| !hard.is_empty()) {
        let spec = profile["spec"]["resourceQuotaSpec"].clone();
        let object = owned(json!({"apiVersion": "v1", "kind": "ResourceQuota", "spec": spec}));
        keep(world, &key, object, &["spec"]);
    } else if world.store.delete(&key).is_ok() {
        tracing::debug!(namespace = name(profile), "quota removed");
    }
}

/// Creates an object, or sets the given fields of the one that is there.
fn keep(world: &World, key: &Key, object: Value, fields: &[&str]) {
    let kept = world.store.update(key, None, |stored| {
        for field in fields {
            stored[*field] = object[*field].clone();
        }
        true
    });
    if kept.is_err() {
        super::bootstrap::put(world, &key.group, &key.plural, &key.namespace, &key.name, object);
    }
}
