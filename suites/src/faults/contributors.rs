//! Faults that the checks of the suite `contributors` must notice.

use harness::fault::{Ref, fault, object};
use harness::{Change, Fault};

use super::{deployment, restart};

const CONFIG: Ref = object("v1", "ConfigMap", "kubeflow", "profiles-config-*");
const RIGHTS: Ref = object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "profiles-cluster-rolebinding");

/// The user manages everybody's members.
pub static USER_IS_ADMINISTRATOR: Fault = fault(
    "kfam-user-is-administrator",
    "KFAM takes the run's user for the administrator of every Profile",
    &[
        Change::Merge(CONFIG, r#"{"data":{"ADMIN":"user@example.com"}}"#),
        restart(deployment("kubeflow", "profiles-deployment")),
    ],
);

/// Whoever was let in stays.
pub static MAY_NOT_REVOKE: Fault = fault(
    "kfam-may-not-revoke",
    "The account of the profile controller and KFAM may delete nothing",
    &[
        Change::Delete(RIGHTS),
        Change::Create(
            r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                "metadata": {"name": "profiles-may-not-delete"}, "rules": [
                  {"apiGroups": ["*"], "resources": ["*"],
                   "verbs": ["get", "list", "watch", "create", "update", "patch"]}]}"#,
        ),
        Change::Create(
            r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                "metadata": {"name": "profiles-cluster-rolebinding"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                            "name": "profiles-may-not-delete"},
                "subjects": [{"kind": "ServiceAccount", "name": "profiles-controller-service-account",
                              "namespace": "kubeflow"}]}"#,
        ),
    ],
);

/// Half a contributor: rights, but not at the notebooks.
pub static POLICY_MISSING: Fault = fault(
    "contributor-policy-missing",
    "A contributor of the default Profile is bound, but no policy lets them in",
    &[Change::Create(
        r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "user-half-example-com-clusterrole-edit", "namespace": "kubeflow-user-example-com",
                         "annotations": {"user": "half@example.com", "role": "edit"}},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kubeflow-edit"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "half@example.com"}]}"#,
    )],
);

/// Half revoked: no rights, but still let in to the notebooks.
pub static BINDING_MISSING: Fault = fault(
    "contributor-binding-missing",
    "A policy lets a user into the default Profile's namespace who is bound no more",
    &[Change::Create(
        r#"{"apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "user-past-example-com-clusterrole-edit", "namespace": "kubeflow-user-example-com",
                         "annotations": {"user": "past@example.com", "role": "edit"}},
            "spec": {"rules": [{
              "from": [{"source": {"principals": [
                "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account",
                "cluster.local/ns/kubeflow/sa/ml-pipeline-ui"]}}],
              "when": [{"key": "request.headers[kubeflow-userid]", "values": ["past@example.com"]}]}]}}"#,
    )],
);

/// Editors may nothing.
pub static EDIT_EMPTIED: Fault = fault(
    "role-edit-emptied",
    "ClusterRole kubeflow-edit gathers no rights",
    &[Change::Merge(
        object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "kubeflow-edit"),
        r#"{"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"example.com/none":"true"}}]}}"#,
    )],
);

/// Viewers may nothing.
pub static VIEW_EMPTIED: Fault = fault(
    "role-view-emptied",
    "ClusterRole kubeflow-view gathers no rights",
    &[Change::Merge(
        object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "kubeflow-view"),
        r#"{"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"example.com/none":"true"}}]}}"#,
    )],
);

/// Nothing is ever taken from this user.
pub static USER_SEES_EVERYTHING: Fault = fault(
    "user-sees-everything",
    "The run's user is bound to kubeflow-edit in every namespace",
    &[Change::Create(
        r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "user-sees-everything"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kubeflow-edit"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "user@example.com"}]}"#,
    )],
);
