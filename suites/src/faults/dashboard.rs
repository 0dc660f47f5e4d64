//! Faults that the checks of the suite `dashboard` must notice.

use clusters::versions::Contract;
use harness::fault::{Ref, fault, object};
use harness::{Change, Fault};

use super::{AUTHSERVICE, AUTHSERVICE_CONFIG, CUSTOM_POLICY, DENY_POLICY, deployment, policy, restart};

const A: &[Contract] = &[Contract::A];
const B: &[Contract] = &[Contract::B];

const SETTINGS: Ref = object("v1", "ConfigMap", "kubeflow", "centraldashboard-config");

/// Another application answers for the dashboard's API.
pub static API_TAKEN: Fault = fault(
    "dashboard-api-taken",
    "The route of another application takes the paths of the dashboard's API",
    &[Change::Create(
        r#"{"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService",
            "metadata": {"name": "dashboard-api-taken", "namespace": "kubeflow"},
            "spec": {"hosts": ["*"], "gateways": ["kubeflow-gateway"], "http": [{
              "match": [{"uri": {"prefix": "/api"}}], "rewrite": {"uri": "/unknown"},
              "route": [{"destination": {"host": "volumes-web-app-service.kubeflow.svc.cluster.local",
                                         "port": {"number": 80}}}]}]}}"#,
    )],
);

/// The dashboard's scripts and styles come from somewhere else.
pub static ASSETS_TAKEN: Fault = fault(
    "dashboard-assets-taken",
    "The route of another application takes the paths of the dashboard's script and style",
    &[Change::Create(
        r#"{"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService",
            "metadata": {"name": "dashboard-assets-taken", "namespace": "kubeflow"},
            "spec": {"hosts": ["*"], "gateways": ["kubeflow-gateway"], "http": [{
              "match": [{"uri": {"prefix": "/app."}}], "rewrite": {"uri": "/katib/"},
              "route": [{"destination": {"host": "katib-ui.kubeflow.svc.cluster.local", "port": {"number": 80}}}]}]}}"#,
    )],
);

/// Nobody tells the dashboard who may do what.
pub static KFAM_STOPPED: Fault = fault(
    "kfam-stopped",
    "KFAM is scaled to zero",
    &[Change::Merge(deployment("kubeflow", "profiles-deployment"), r#"{"spec":{"replicas":0}}"#)],
);

/// KFAM answers with errors of a server.
pub static KFAM_ANSWERS_500: Fault = fault(
    "kfam-answers-500",
    "The mesh answers every request to KFAM with 500",
    &[Change::Create(
        r#"{"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService",
            "metadata": {"name": "kfam-answers-500", "namespace": "kubeflow"},
            "spec": {"hosts": ["profiles-kfam.kubeflow.svc.cluster.local"], "gateways": ["mesh"], "http": [{
              "fault": {"abort": {"httpStatus": 500, "percentage": {"value": 100}}},
              "route": [{"destination": {"host": "profiles-kfam.kubeflow.svc.cluster.local"}}]}]}}"#,
    )],
);

/// KFAM lets nobody in.
pub static KFAM_POLICY_REMOVED: Fault = fault(
    "kfam-policy-removed",
    "No policy lets the dashboard into KFAM",
    &[Change::Delete(policy("kubeflow", "profiles-kfam"))],
);

/// The button leads nowhere.
pub static SIGN_OUT_ADDRESS_CHANGED: Fault = fault(
    "sign-out-address-changed",
    "The dashboard's sign-out button leads to a path that nobody owns",
    // The last of two variables of a name counts, so this works wherever the first one stands.
    &[Change::Patch(
        deployment("kubeflow", "centraldashboard"),
        r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
             "value": {"name": "LOGOUT_URL", "value": "/sign-out"}}]"#,
    )],
);

/// A link of the menu leads to the dashboard itself.
pub static LINK_MISSPELT: Fault = fault(
    "menu-link-misspelt",
    "The menu's link to the notebooks leads to a path that no application owns",
    &[Change::Replace { object: SETTINGS, key: "links", find: "\"/jupyter/\"", put: "\"/notebooks/\"" }],
);

/// The menu cannot be read.
pub static LINKS_MALFORMED: Fault = fault(
    "menu-malformed",
    "The menu's settings are no JSON",
    &[Change::Replace { object: SETTINGS, key: "links", find: "\"menuLinks\"", put: "menuLinks" }],
);

/// The settings cannot be read.
pub static SETTINGS_MALFORMED: Fault = fault(
    "dashboard-settings-malformed",
    "The dashboard's settings are no JSON",
    &[Change::Replace {
        object: SETTINGS,
        key: "settings",
        find: "\"DASHBOARD_FORCE_IFRAME\"",
        put: "DASHBOARD_FORCE_IFRAME",
    }],
);

/// The dashboard may not list namespaces.
pub static CLUSTER_RIGHTS_LOST: Fault = fault(
    "dashboard-rights-lost",
    "The dashboard's account has no rights in the cluster",
    &[Change::Delete(object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "centraldashboard"))],
);

const WITH_DEBUG: &str = r#"[{"op": "add", "path": "/spec/rules/0/to/0/operation/notPaths/-", "value": "/debug"}]"#;

/// Everybody may look at the dashboard's settings.
pub static DEBUG_OPENED_A: Fault = fault(
    "debug-opened-a",
    "authservice lets everybody onto /debug",
    &[Change::Merge(AUTHSERVICE_CONFIG, r#"{"data":{"SKIP_AUTH_URLS":"/dex,/debug"}}"#), restart(AUTHSERVICE)],
)
.only(A);

/// Everybody may look at the dashboard's settings.
pub static DEBUG_OPENED_B: Fault = fault(
    "debug-opened-b",
    "The gateway's policies leave /debug out",
    &[Change::Patch(CUSTOM_POLICY, WITH_DEBUG), Change::Patch(DENY_POLICY, WITH_DEBUG)],
)
.only(B);
