//! Faults that the checks of the suites `notebooks`, `volumes` and `tensorboards` must notice.

use clusters::versions::Contract;
use harness::fault::{Ref, fault, object};
use harness::{Change, Fault};

use super::{AUTHSERVICE, AUTHSERVICE_CONFIG, CUSTOM_POLICY, DENY_POLICY, deployment, restart};

const A: &[Contract] = &[Contract::A];
const B: &[Contract] = &[Contract::B];

const RBAC: &str = "rbac.authorization.k8s.io/v1";
const SPAWNER_CONFIG: Ref = object("v1", "ConfigMap", "kubeflow", "jupyter-web-app-config*");
const NOTEBOOK_CONTROLLER: Ref = deployment("kubeflow", "notebook-controller-deployment");
const TENSORBOARD_CONTROLLER: Ref = deployment("kubeflow", "tensorboard-controller-deployment");
const CULLING: Ref = object("v1", "ConfigMap", "kubeflow", "notebook-controller-config-*");
const NOBODY: &str = r#"{"spec":{"replicas":0}}"#;
/// The last of two variables of a name counts, so this works wherever the first one stands.
const ON_OTHER_GATEWAY: &str = r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env",
    "value": [{"name": "USE_ISTIO", "value": "true"}, {"name": "ISTIO_GATEWAY", "value": "kubeflow/other-gateway"}]}]"#;

const fn role(name: &'static str) -> Ref {
    object(RBAC, "ClusterRole", "", name)
}

const fn binding(name: &'static str) -> Ref {
    object(RBAC, "ClusterRoleBinding", "", name)
}

const JUPYTER_ROLE: Ref = role("jupyter-web-app-cluster-role");
const VOLUMES_ROLE: Ref = role("volumes-web-app-cluster-role");
const TENSORBOARDS_ROLE: Ref = role("tensorboards-web-app-cluster-role");

/// The form has no defaults.
pub static SPAWNER_CONFIG_MISSPELT: Fault = fault(
    "spawner-config-misspelt",
    "The file with the defaults of the notebooks form has a misspelt key",
    &[Change::Replace {
        object: SPAWNER_CONFIG,
        key: "spawner_ui_config.yaml",
        find: "spawnerFormDefaults:",
        put: "spawnerFormDefault:",
    }],
);

/// The home directory is on no volume.
pub static HOME_NOT_KEPT: Fault = fault(
    "notebook-home-not-kept",
    "The form puts the home directory of new notebooks on a volume that ends with the pod",
    &[Change::Replace {
        object: SPAWNER_CONFIG,
        key: "spawner_ui_config.yaml",
        find: "newPvc:",
        put: "existingSource: {emptyDir: {}}\n      unused:",
    }],
);

/// The notebooks application may not ask the API anything.
pub static JUPYTER_RIGHTS_LOST: Fault = fault(
    "jupyter-rights-lost",
    "The account of the notebooks application has no rights",
    &[Change::Delete(binding("jupyter-web-app-cluster-role-binding"))],
);

/// The notebooks application may not read logs.
pub static LOGS_FORBIDDEN: Fault = fault(
    "jupyter-logs-forbidden",
    "The account of the notebooks application may not read pods and their logs",
    &[Change::Patch(JUPYTER_ROLE, r#"[{"op": "remove", "path": "/rules/5"}]"#)],
);

/// The notebooks application may not delete.
pub static NOTEBOOKS_NOT_DELETED: Fault = fault(
    "notebooks-not-deleted",
    "The account of the notebooks application may not delete notebooks",
    &[Change::Patch(
        JUPYTER_ROLE,
        r#"[{"op": "replace", "path": "/rules/1/verbs", "value": ["get", "list", "create", "patch", "update"]}]"#,
    )],
);

/// Nobody makes what a Notebook asks for.
pub static NOTEBOOK_CONTROLLER_STOPPED: Fault = fault(
    "notebook-controller-stopped",
    "The notebook-controller is scaled to zero",
    &[Change::Merge(NOTEBOOK_CONTROLLER, NOBODY)],
);

/// Notebooks run on for ever.
pub static CULLING_NOT_BEGUN: Fault = fault(
    "culling-not-begun",
    "Culling is switched on, and the notebook-controller was not started again",
    &[Change::Merge(CULLING, r#"{"data":{"ENABLE_CULLING":"true"}}"#)],
);

/// Notebooks are stopped while they are used.
pub static CULLING_AT_ONCE: Fault = fault(
    "culling-at-once",
    "Notebooks may be idle for no minute before they are stopped",
    &[
        Change::Merge(CULLING, r#"{"data":{"ENABLE_CULLING":"true","CULL_IDLE_TIME":"0"}}"#),
        restart(NOTEBOOK_CONTROLLER),
    ],
);

/// Routes of notebooks hang on a gateway that does not exist.
pub static NOTEBOOKS_ON_OTHER_GATEWAY: Fault = fault(
    "notebooks-on-other-gateway",
    "The notebook-controller attaches its routes to another gateway than the platform's",
    &[Change::Patch(NOTEBOOK_CONTROLLER, ON_OTHER_GATEWAY)],
);

/// Pods cannot be made in Profiles.
pub static POD_DEFAULTS_STOPPED: Fault = fault(
    "pod-defaults-stopped",
    "The webhook that applies PodDefaults is scaled to zero",
    &[Change::Merge(deployment("kubeflow", "admission-webhook-deployment"), NOBODY)],
)
.shows("admission-webhook-service");

const POD_DEFAULTS_DEFINITION: Ref =
    object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "poddefaults.kubeflow.org");

/// Nobody applies PodDefaults.
pub static POD_DEFAULTS_REMOVED: Fault = fault(
    "pod-defaults-removed",
    "The configuration of the webhook that applies PodDefaults is gone",
    &[Change::Delete(object(
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        "",
        "admission-webhook-mutating-webhook-configuration",
    ))],
);

/// Pods are made as if there were no PodDefaults.
pub static POD_DEFAULTS_PASSED_BY: Fault = fault(
    "pod-defaults-passed-by",
    "The webhook that applies PodDefaults is scaled to zero, and pods are let past it",
    &[
        Change::Patch(
            object(
                "admissionregistration.k8s.io/v1",
                "MutatingWebhookConfiguration",
                "",
                "admission-webhook-mutating-webhook-configuration",
            ),
            r#"[{"op": "add", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]"#,
        ),
        Change::Merge(deployment("kubeflow", "admission-webhook-deployment"), NOBODY),
    ],
);

/// What PodDefaults mount is lost before anybody reads it.
pub static POD_DEFAULTS_MOUNT_NOTHING: Fault = fault(
    "pod-defaults-mount-nothing",
    "The definition of PodDefaults knows nothing of what is mounted into containers",
    &[Change::Patch(
        POD_DEFAULTS_DEFINITION,
        r#"[{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema", "value": {"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "desc": {"type": "string"},
                "selector": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "env": {"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                "volumes": {"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}
            }}}}}]"#,
    )],
);

/// Tokens of PodDefaults are for the Kubernetes API.
pub static POD_DEFAULTS_LOSE_AUDIENCES: Fault = fault(
    "pod-defaults-lose-audiences",
    "The definition of PodDefaults knows nothing of whom a projected token is for",
    &[Change::Patch(
        POD_DEFAULTS_DEFINITION,
        r#"[{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema", "value": {"type": "object", "properties": {
            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
                "volumes": {"type": "array", "items": {"type": "object", "properties": {
                    "name": {"type": "string"},
                    "projected": {"type": "object", "properties": {"sources": {"type": "array", "items": {"type": "object",
                        "properties": {"serviceAccountToken": {"type": "object", "properties": {
                            "path": {"type": "string"}, "expirationSeconds": {"type": "integer"}}}}}}}}
                }}}
            }}}}}]"#,
    )],
);

/// New pods get no proxy.
pub static SIDECARS_OFF: Fault = fault(
    "sidecars-off",
    "The configuration of the webhook that gives pods their proxy is gone",
    &[Change::Delete(object(
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        "",
        "istio-sidecar-injector",
    ))],
);

/// The run's user is an administrator of the cluster.
pub static USER_IS_ADMIN: Fault = fault(
    "user-is-admin",
    "A ClusterRoleBinding makes the ordinary user an administrator of the cluster",
    &[Change::Create(
        r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "user-is-admin"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "user@example.com"}]}"#,
    )],
);

/// Everybody may talk to every workload.
pub static EVERYBODY_ALLOWED: Fault =
    fault("everybody-allowed", "A policy of the whole mesh lets everybody to every workload", &[ALLOW_EVERYBODY]);

const ALLOW_EVERYBODY: Change = Change::Create(
    r#"{"apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy",
        "metadata": {"name": "everybody-allowed", "namespace": "istio-system"},
        "spec": {"action": "ALLOW", "rules": [{}]}}"#,
);
const WITH_WORKSPACES: &str = r#"[
    {"op": "add", "path": "/spec/rules/0/to/0/operation/notPaths/-", "value": "/notebook/*"},
    {"op": "add", "path": "/spec/rules/0/to/0/operation/notPaths/-", "value": "/tensorboard/*"}]"#;

/// What runs in the workspaces is open to the world.
pub static WORKSPACES_OPENED_A: Fault = fault(
    "workspaces-opened-a",
    "authservice lets everybody onto the paths of notebooks and TensorBoards, and so does a policy of the whole mesh",
    &[
        Change::Merge(AUTHSERVICE_CONFIG, r#"{"data":{"SKIP_AUTH_URLS":"/dex,/notebook/,/tensorboard/"}}"#),
        restart(AUTHSERVICE),
        ALLOW_EVERYBODY,
    ],
)
.only(A);

/// What runs in the workspaces is open to the world.
pub static WORKSPACES_OPENED_B: Fault = fault(
    "workspaces-opened-b",
    "The gateway's policies leave the paths of notebooks and TensorBoards out, and a policy of the whole mesh lets \
     everybody in",
    &[Change::Patch(CUSTOM_POLICY, WITH_WORKSPACES), Change::Patch(DENY_POLICY, WITH_WORKSPACES), ALLOW_EVERYBODY],
)
.only(B);

/// The applications take changes from anywhere.
pub static TOKEN_UNCHECKED: Fault = fault(
    "csrf-token-unchecked",
    "The web applications do not compare the page's token",
    &[Change::Switch("csrf-token-unchecked")],
);

/// The volumes application may not ask the API anything.
pub static VOLUMES_RIGHTS_LOST: Fault = fault(
    "volumes-rights-lost",
    "The account of the volumes application has no rights",
    &[Change::Delete(binding("volumes-web-app-cluster-role-binding"))],
);

/// The volumes application may not make claims.
pub static CLAIMS_NOT_MADE: Fault = fault(
    "claims-not-made",
    "The account of the volumes application may not create claims",
    &[Change::Patch(
        VOLUMES_ROLE,
        r#"[{"op": "replace", "path": "/rules/2/verbs", "value": ["get", "list", "watch", "delete"]}]"#,
    )],
);

/// The volumes application may not delete claims.
pub static CLAIMS_NOT_DELETED: Fault = fault(
    "claims-not-deleted",
    "The account of the volumes application may not delete claims",
    &[Change::Patch(
        VOLUMES_ROLE,
        r#"[{"op": "replace", "path": "/rules/2/verbs", "value": ["get", "list", "watch", "create"]}]"#,
    )],
);

/// The volumes application does not see who uses a volume.
pub static PODS_HIDDEN: Fault = fault(
    "volumes-pods-hidden",
    "The account of the volumes application may not see pods",
    &[Change::Patch(VOLUMES_ROLE, r#"[{"op": "replace", "path": "/rules/0/resources", "value": ["namespaces"]}]"#)],
);

/// Nobody makes what a viewer asks for.
pub static VIEWER_CONTROLLER_STOPPED: Fault = fault(
    "pvcviewer-controller-stopped",
    "The pvcviewer-controller is scaled to zero",
    &[Change::Merge(deployment("kubeflow", "pvcviewer-controller-manager"), NOBODY)],
);

/// The TensorBoards application may not ask the API anything.
pub static TENSORBOARDS_RIGHTS_LOST: Fault = fault(
    "tensorboards-rights-lost",
    "The account of the TensorBoards application has no rights",
    &[Change::Delete(binding("tensorboards-web-app-cluster-role-binding"))],
);

/// The TensorBoards application may not delete.
pub static TENSORBOARDS_NOT_DELETED: Fault = fault(
    "tensorboards-not-deleted",
    "The account of the TensorBoards application may not delete TensorBoards",
    &[Change::Patch(
        TENSORBOARDS_ROLE,
        r#"[{"op": "replace", "path": "/rules/2/verbs", "value": ["get", "list", "create"]}]"#,
    )],
);

/// Nobody makes what a Tensorboard asks for.
pub static TENSORBOARD_CONTROLLER_STOPPED: Fault = fault(
    "tensorboard-controller-stopped",
    "The tensorboard-controller is scaled to zero",
    &[Change::Merge(TENSORBOARD_CONTROLLER, NOBODY)],
);

/// Routes of TensorBoards hang on a gateway that does not exist.
pub static TENSORBOARDS_ON_OTHER_GATEWAY: Fault = fault(
    "tensorboards-on-other-gateway",
    "The tensorboard-controller attaches its routes to another gateway than the platform's",
    &[Change::Patch(TENSORBOARD_CONTROLLER, ON_OTHER_GATEWAY)],
);
