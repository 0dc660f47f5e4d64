//! The ClusterRoles and bindings that every cluster has (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy` of Kubernetes
//! 1.34), as far as people and platforms use them: those of the control plane's own components are left out.

use serde_json::{Value, json};

use super::bootstrap::put;
use crate::access::rbac::GROUP;
use crate::platform::World;

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "delete", "deletecollection", "patch", "update"];

pub(super) fn load(world: &World) {
    role(
        world,
        "cluster-admin",
        &[],
        vec![rule(&["*"], &["*"], &["*"]), json!({"verbs": ["*"], "nonResourceURLs": ["*"]})],
    );
    aggregated(world, "admin", &["admin"]);
    aggregated(world, "edit", &["edit"]);
    aggregated(world, "view", &["view"]);
    role(world, "system:aggregate-to-admin", &["admin"], admin_rules());
    role(world, "system:aggregate-to-edit", &["edit"], edit_rules());
    role(world, "system:aggregate-to-view", &["view"], view_rules());
    // `admin` takes what is for `edit`, `edit` what is for `view`.
    label(world, "edit", "admin");
    label(world, "view", "edit");
    role(
        world,
        "system:discovery",
        &[],
        vec![json!({"verbs": ["get"], "nonResourceURLs": [
            "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version",
            "/version/",
        ]})],
    );
    role(
        world,
        "system:public-info-viewer",
        &[],
        vec![json!({"verbs": ["get"], "nonResourceURLs": [
            "/healthz", "/livez", "/readyz", "/version", "/version/",
        ]})],
    );
    role(
        world,
        "system:basic-user",
        &[],
        vec![
            rule(&["create"], &["authorization.k8s.io"], &["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
            rule(&["create"], &["authentication.k8s.io"], &["selfsubjectreviews"]),
        ],
    );
    role(
        world,
        "system:service-account-issuer-discovery",
        &[],
        vec![json!({"verbs": ["get"], "nonResourceURLs": [
            "/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks", "/openid/v1/jwks/",
        ]})],
    );
    role(
        world,
        "system:auth-delegator",
        &[],
        vec![
            rule(&["create"], &["authentication.k8s.io"], &["tokenreviews"]),
            rule(&["create"], &["authorization.k8s.io"], &["subjectaccessreviews"]),
        ],
    );
    bind(world, "cluster-admin", "system:masters");
    bind(world, "system:basic-user", "system:authenticated");
    bind(world, "system:discovery", "system:authenticated");
    bind(world, "system:public-info-viewer", "system:authenticated");
    bind(world, "system:public-info-viewer", "system:unauthenticated");
    bind(world, "system:service-account-issuer-discovery", "system:serviceaccounts");
}

fn rule(verbs: &[&str], groups: &[&str], resources: &[&str]) -> Value {
    json!({"verbs": verbs, "apiGroups": groups, "resources": resources})
}

fn metadata(labels: &[&str]) -> Value {
    let mut all = json!({"kubernetes.io/bootstrapping": "rbac-defaults"});
    for label in labels {
        all[format!("rbac.authorization.k8s.io/aggregate-to-{label}")] = json!("true");
    }
    json!({"labels": all, "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}})
}

fn role(world: &World, name: &str, aggregate_to: &[&str], rules: Vec<Value>) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata(aggregate_to),
        "rules": rules,
    });
    put(world, GROUP, "clusterroles", "", name, role);
}

fn aggregated(world: &World, name: &str, labels: &[&str]) {
    let selectors: Vec<Value> = labels
        .iter()
        .map(|label| json!({"matchLabels": {format!("rbac.authorization.k8s.io/aggregate-to-{label}"): "true"}}))
        .collect();
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata(&[]),
        "aggregationRule": {"clusterRoleSelectors": selectors}, "rules": [],
    });
    put(world, GROUP, "clusterroles", "", name, role);
}

fn label(world: &World, name: &str, aggregate_to: &str) {
    let key = crate::store::Key::new(GROUP, "clusterroles", "", name);
    let labelled = world.store.update(&key, None, |role| {
        role["metadata"]["labels"][format!("rbac.authorization.k8s.io/aggregate-to-{aggregate_to}")] = json!("true");
        true
    });
    debug_assert!(labelled.is_ok());
}

/// A binding of a ClusterRole to a group. A second group joins the first.
fn bind(world: &World, role: &str, group: &str) {
    let subject = json!({"apiGroup": GROUP, "kind": "Group", "name": group});
    let key = crate::store::Key::new(GROUP, "clusterrolebindings", "", role);
    let joined = world.store.update(&key, None, |binding| {
        if let Some(subjects) = binding.pointer_mut("/subjects").and_then(Value::as_array_mut) {
            subjects.push(subject.clone());
        }
        true
    });
    if joined.is_err() {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": metadata(&[]),
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role}, "subjects": [subject],
        });
        put(world, GROUP, "clusterrolebindings", "", role, binding);
    }
}

fn admin_rules() -> Vec<Value> {
    let all = [WRITE, READ].concat();
    vec![
        rule(&["create"], &["authorization.k8s.io"], &["localsubjectaccessreviews"]),
        rule(&all, &[GROUP], &["rolebindings", "roles"]),
    ]
}

fn edit_rules() -> Vec<Value> {
    vec![
        rule(READ, &[""], &["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"]),
        rule(&["impersonate"], &[""], &["serviceaccounts"]),
        rule(WRITE, &[""], &["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"]),
        rule(&["create"], &[""], &["pods/eviction"]),
        rule(
            WRITE,
            &[""],
            &[
                "configmaps",
                "events",
                "persistentvolumeclaims",
                "replicationcontrollers",
                "replicationcontrollers/scale",
                "secrets",
                "serviceaccounts",
                "services",
                "services/proxy",
            ],
        ),
        rule(&["create"], &[""], &["serviceaccounts/token"]),
        rule(
            WRITE,
            &["apps"],
            &[
                "daemonsets",
                "deployments",
                "deployments/rollback",
                "deployments/scale",
                "replicasets",
                "replicasets/scale",
                "statefulsets",
                "statefulsets/scale",
            ],
        ),
        rule(WRITE, &["autoscaling"], &["horizontalpodautoscalers"]),
        rule(WRITE, &["batch"], &["cronjobs", "jobs"]),
        rule(
            WRITE,
            &["extensions"],
            &[
                "daemonsets",
                "deployments",
                "deployments/rollback",
                "deployments/scale",
                "ingresses",
                "networkpolicies",
                "replicasets",
                "replicasets/scale",
                "replicationcontrollers/scale",
            ],
        ),
        rule(WRITE, &["policy"], &["poddisruptionbudgets"]),
        rule(WRITE, &["networking.k8s.io"], &["ingresses", "networkpolicies"]),
        rule(&[WRITE, READ].concat(), &["coordination.k8s.io"], &["leases"]),
    ]
}

fn view_rules() -> Vec<Value> {
    vec![
        rule(
            READ,
            &[""],
            &[
                "configmaps",
                "endpoints",
                "persistentvolumeclaims",
                "persistentvolumeclaims/status",
                "pods",
                "replicationcontrollers",
                "replicationcontrollers/scale",
                "serviceaccounts",
                "services",
                "services/status",
            ],
        ),
        rule(
            READ,
            &[""],
            &[
                "bindings",
                "events",
                "limitranges",
                "namespaces/status",
                "pods/log",
                "pods/status",
                "replicationcontrollers/status",
                "resourcequotas",
                "resourcequotas/status",
            ],
        ),
        rule(READ, &[""], &["namespaces"]),
        rule(READ, &["discovery.k8s.io"], &["endpointslices"]),
        rule(
            READ,
            &["apps"],
            &[
                "controllerrevisions",
                "daemonsets",
                "daemonsets/status",
                "deployments",
                "deployments/scale",
                "deployments/status",
                "replicasets",
                "replicasets/scale",
                "replicasets/status",
                "statefulsets",
                "statefulsets/scale",
                "statefulsets/status",
            ],
        ),
        rule(READ, &["autoscaling"], &["horizontalpodautoscalers", "horizontalpodautoscalers/status"]),
        rule(READ, &["batch"], &["cronjobs", "cronjobs/status", "jobs", "jobs/status"]),
        rule(
            READ,
            &["extensions"],
            &[
                "daemonsets",
                "daemonsets/status",
                "deployments",
                "deployments/scale",
                "deployments/status",
                "ingresses",
                "ingresses/status",
                "networkpolicies",
                "replicasets",
                "replicasets/scale",
                "replicasets/status",
                "replicationcontrollers/scale",
            ],
        ),
        rule(READ, &["policy"], &["poddisruptionbudgets", "poddisruptionbudgets/status"]),
        rule(READ, &["networking.k8s.io"], &["ingresses", "ingresses/status", "networkpolicies"]),
    ]
}
