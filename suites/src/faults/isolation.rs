//! Faults that the checks of the suite `isolation` must notice.

use harness::fault::fault;
use harness::{Change, Fault};

/// Every pod's account may edit everywhere.
pub static ACCOUNTS_EVERYWHERE: Fault = fault(
    "accounts-edit-everything",
    "All service accounts are bound to kubeflow-edit in every namespace",
    &[Change::Create(
        r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "accounts-edit-everything"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kubeflow-edit"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group",
                          "name": "system:serviceaccounts"}]}"#,
    )],
);

/// A tenant in the platform's own namespace.
pub static USER_IN_KUBEFLOW: Fault = fault(
    "user-in-kubeflow",
    "The run's user is bound to kubeflow-view in the namespace kubeflow",
    &[Change::Create(
        r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "user-in-kubeflow", "namespace": "kubeflow"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kubeflow-view"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "user@example.com"}]}"#,
    )],
);

/// Owners may more than the release gives them.
pub static ADMIN_WIDENED: Fault = fault(
    "role-admin-widened",
    "A ClusterRole of somebody adds nodes and the namespace itself to what owners may",
    &[Change::Create(
        r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "role-admin-widened",
                         "labels": {"rbac.authorization.kubeflow.org/aggregate-to-kubeflow-admin": "true"}},
            "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]},
                      {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["patch", "update", "delete"]}]}"#,
    )],
);

/// Editors may hand out rights.
pub static EDIT_WIDENED: Fault = fault(
    "role-edit-widened",
    "A ClusterRole of somebody adds RoleBindings to what editors may change",
    &[Change::Create(
        r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "role-edit-widened",
                         "labels": {"rbac.authorization.kubeflow.org/aggregate-to-kubeflow-edit": "true"}},
            "rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings"],
                       "verbs": ["create", "delete"]}]}"#,
    )],
);

/// Viewers may read secrets.
pub static VIEW_WIDENED: Fault = fault(
    "role-view-widened",
    "A ClusterRole of somebody adds Secrets to what viewers may read",
    &[Change::Create(
        r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "role-view-widened",
                         "labels": {"rbac.authorization.kubeflow.org/aggregate-to-kubeflow-view": "true"}},
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]}"#,
    )],
);

/// Notebooks are open to whoever reaches them.
pub static NAMESPACE_OPENED: Fault = fault(
    "profile-namespace-opened",
    "A policy in the default Profile's namespace allows everything",
    &[Change::Create(
        r#"{"apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "everyone-welcome", "namespace": "kubeflow-user-example-com"},
            "spec": {"rules": [{}]}}"#,
    )],
);
