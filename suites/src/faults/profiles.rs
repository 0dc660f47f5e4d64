//! Faults that the checks of the suite `profiles` must notice.
//!
//! Where a fault changes what the profile controller would set right at once, it first takes the controller's rights
//! away. Three switches stand for defects of the controller itself.

use harness::fault::{Ref, fault, object};
use harness::{Change, Fault};

use super::{deployment, policy, restart};

const HOME: &str = "kubeflow-user-example-com";
const RIGHTS: Ref = object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "profiles-cluster-rolebinding");
const CONFIG: Ref = object("v1", "ConfigMap", "kubeflow", "profiles-config-*");
const LABELS: Ref = object("v1", "ConfigMap", "kubeflow", "namespace-labels-data-*");
const NAMESPACE: Ref = object("v1", "Namespace", "", HOME);

const fn binding(name: &'static str) -> Ref {
    object("rbac.authorization.k8s.io/v1", "RoleBinding", HOME, name)
}

/// The controller and KFAM may do nothing.
pub static RIGHTS_LOST: Fault = fault(
    "profile-controller-rights-lost",
    "The account of the profile controller and KFAM is bound to no role",
    &[Change::Delete(RIGHTS)],
);

/// The controller may make things, but change none.
pub static MAY_NOT_CORRECT: Fault = fault(
    "profile-controller-may-not-correct",
    "The account of the profile controller may create and delete, but not change what is in a Profile's namespace",
    &[
        Change::Delete(RIGHTS),
        Change::Create(
            r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                "metadata": {"name": "profiles-may-not-correct"}, "rules": [
                  {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch", "create", "delete"]},
                  {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["update"]},
                  {"apiGroups": ["kubeflow.org"], "resources": ["profiles"], "verbs": ["update"]}]}"#,
        ),
        Change::Create(
            r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                "metadata": {"name": "profiles-cluster-rolebinding"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                            "name": "profiles-may-not-correct"},
                "subjects": [{"kind": "ServiceAccount", "name": "profiles-controller-service-account",
                              "namespace": "kubeflow"}]}"#,
        ),
    ],
);

/// New namespaces lack a label.
pub static LABEL_LEFT_OUT: Fault = fault(
    "profile-label-left-out",
    "The controller's file of labels no longer has the one of Kubeflow's namespaces",
    &[Change::Replace {
        object: LABELS,
        key: "namespace-labels.yaml",
        find: "app.kubernetes.io/part-of",
        put: "example.com/part-of",
    }],
)
.shows("app.kubernetes.io/part-of");

/// New namespaces are outside the mesh.
pub static INJECTION_SWITCHED_OFF: Fault = fault(
    "profile-injection-switched-off",
    "The controller's file of labels takes istio-injection away",
    &[Change::Replace {
        object: LABELS,
        key: "namespace-labels.yaml",
        find: "katib.kubeflow.org/metrics-collector-injection: \"enabled\"",
        put: "istio-injection: \"\"",
    }],
)
.shows("istio-injection");

/// Policies name another gateway.
pub static GATEWAY_PRINCIPAL_CHANGED: Fault = fault(
    "profile-gateway-principal-changed",
    "The controller writes another gateway's principal into every policy",
    &[
        Change::Replace {
            object: CONFIG,
            key: "ISTIO_INGRESS_GATEWAY_PRINCIPAL",
            find: "istio-ingressgateway-service-account",
            put: "another-gateway",
        },
        restart(deployment("kubeflow", "profiles-deployment")),
    ],
);

/// The controller lets go of a namespace.
pub static NAMESPACE_DISOWNED: Fault = fault(
    "profile-namespace-disowned",
    "The annotation of the default Profile's namespace names another owner",
    &[Change::Merge(NAMESPACE, r#"{"metadata":{"annotations":{"owner":"mallory@example.com"}}}"#)],
);

/// PodDefaults and network policies no longer know the namespace.
pub static LABEL_CHANGED: Fault = fault(
    "profile-label-changed",
    "The default Profile's namespace says that it is part of something else",
    &[Change::Merge(NAMESPACE, r#"{"metadata":{"labels":{"app.kubernetes.io/part-of":"other"}}}"#)],
);

/// New pods get no sidecar.
pub static INJECTION_LABEL_REMOVED: Fault = fault(
    "profile-injection-label-removed",
    "The default Profile's namespace lacks the label that puts its pods into the mesh",
    &[Change::Merge(NAMESPACE, r#"{"metadata":{"labels":{"istio-injection":null}}}"#)],
);

/// No pod of the tenant can start.
pub static EDITOR_ACCOUNT_REMOVED: Fault = fault(
    "profile-editor-account-removed",
    "Service account default-editor is gone, and the controller may not make it again",
    &[Change::Delete(RIGHTS), Change::Delete(object("v1", "ServiceAccount", HOME, "default-editor"))],
);

/// Whoever may only look may change.
pub static VIEWER_PROMOTED: Fault = fault(
    "profile-viewer-promoted",
    "The editors' binding is the viewers' account's",
    &[
        Change::Delete(RIGHTS),
        Change::Merge(
            binding("default-editor"),
            r#"{"subjects":[{"kind":"ServiceAccount","name":"default-viewer","namespace":"kubeflow-user-example-com"}]}"#,
        ),
    ],
);

/// The namespace is another's.
pub static ADMIN_REPLACED: Fault = fault(
    "profile-admin-replaced",
    "The administrators' binding names another user beside the owner",
    &[
        Change::Delete(RIGHTS),
        Change::Merge(
            binding("namespaceAdmin"),
            r#"{"subjects":[
              {"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"user@example.com"},
              {"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"mallory@example.com"}]}"#,
        ),
    ],
);

/// The owner is locked out.
pub static POLICY_REMOVED: Fault = fault(
    "profile-policy-removed",
    "The default Profile's policy is gone",
    &[Change::Delete(RIGHTS), Change::Delete(policy(HOME, "ns-owner-access-istio"))],
);

/// Everybody is let in.
pub static POLICY_OPENED: Fault = fault(
    "profile-policy-opened",
    "The default Profile's policy allows everything",
    &[Change::Delete(RIGHTS), Change::Merge(policy(HOME, "ns-owner-access-istio"), r#"{"spec":{"rules":[{}]}}"#)],
);

/// A quota that nobody set.
pub static QUOTA_UNMET: Fault = fault(
    "profile-quota-unmet",
    "The default Profile asks for a quota, and there is none",
    &[
        Change::Delete(RIGHTS),
        Change::Merge(
            object("kubeflow.org/v1", "Profile", "", HOME),
            r#"{"spec":{"resourceQuotaSpec":{"hard":{"cpu":"4"}}}}"#,
        ),
    ],
);

/// What is deleted stays away.
pub static CHILDREN_UNWATCHED: Fault = fault(
    "profile-children-unwatched",
    "The controller looks at Profiles and namespaces alone",
    &[Change::Switch("profile-children-unwatched")],
);

/// What was a Profile's stays behind.
pub static UNOWNED: Fault = fault(
    "profile-objects-unowned",
    "What the controller makes does not belong to the Profile",
    &[Change::Switch("profile-objects-unowned")],
);

/// A namespace changes hands.
pub static TAKES_OVER: Fault = fault(
    "profile-takes-namespaces-over",
    "The controller takes over namespaces that are somebody else's",
    &[Change::Switch("profile-takes-namespaces-over")],
);

/// The API server looks at no pod's privileges.
pub static POD_SECURITY_OFF: Fault = fault(
    "pod-security-off",
    "The API server admits every pod, whatever the label of its namespace says",
    &[Change::Switch("pod-security-unenforced")],
);
