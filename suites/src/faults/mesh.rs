//! Faults that the checks of the suite `mesh` must notice.
//!
//! From v1.9 on NetworkPolicies stand before the mesh, so what opens the mesh there takes them away as well: a network
//! that enforces them would hide the hole.

use clusters::versions::Contract;
use harness::fault::{Ref, fault, object};
use harness::{Change, Fault};

use super::{deployment, policy};

const A: &[Contract] = &[Contract::A];
const B: &[Contract] = &[Contract::B];

const EVERYBODY: &str = r#"{"spec":{"rules":[{}]}}"#;

const fn network(name: &'static str) -> Ref {
    object("networking.k8s.io/v1", "NetworkPolicy", "kubeflow", name)
}

const COVER: Change = Change::Delete(network("default-allow-same-namespace"));

const EVERYBODY_EVERYWHERE: Change = Change::Create(
    r#"{"apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy",
        "metadata": {"name": "pods-let-in-everywhere", "namespace": "istio-system"},
        "spec": {"action": "ALLOW", "rules": [{}]}}"#,
);

/// Every pod is let in everywhere.
pub static EVERYBODY_ALLOWED_A: Fault = fault(
    "pods-let-in-everywhere-a",
    "A policy of the whole mesh lets every pod to every workload",
    &[EVERYBODY_EVERYWHERE],
)
.only(A);

/// Every pod is let in everywhere, by the network, too.
pub static EVERYBODY_ALLOWED_B: Fault = fault(
    "pods-let-in-everywhere-b",
    "A policy of the whole mesh lets every pod to every workload, and the network keeps nobody from the applications",
    &[
        EVERYBODY_EVERYWHERE,
        COVER,
        Change::Delete(network("centraldashboard")),
        Change::Delete(network("jupyter-web-app")),
        Change::Delete(network("katib-ui")),
        Change::Delete(network("kserve-models-web-app")),
        Change::Delete(network("ml-pipeline-ui")),
        Change::Delete(network("tensorboards-web-app")),
        Change::Delete(network("volumes-web-app")),
    ],
)
.shows("pods-let-in-everywhere")
.only(B);

const NO_SIDECAR: Change = Change::Merge(
    deployment("kubeflow", "centraldashboard"),
    r#"{"spec":{"template":{"metadata":{"labels":{"sidecar.istio.io/inject":"false"}}}}}"#,
);

/// Nobody asks who speaks to the dashboard.
pub static DASHBOARD_UNGUARDED_A: Fault =
    fault("dashboard-unguarded-a", "The dashboard runs without a sidecar", &[NO_SIDECAR]).only(A);

/// Nobody asks who speaks to the dashboard.
pub static DASHBOARD_UNGUARDED_B: Fault = fault(
    "dashboard-unguarded-b",
    "The dashboard runs without a sidecar, and the network keeps nobody from it",
    &[NO_SIDECAR, Change::Delete(network("centraldashboard")), COVER],
)
.only(B);

/// Katib's application takes whoever comes.
pub static KATIB_OPENED_A: Fault = fault(
    "katib-opened-a",
    "The policy of Katib's application lets every pod in",
    &[Change::Merge(policy("kubeflow", "katib-ui"), EVERYBODY)],
)
.only(A);

/// Katib's application takes whoever comes.
pub static KATIB_OPENED_B: Fault = fault(
    "katib-opened-b",
    "The policy of Katib's application lets every pod in, and the network keeps nobody from it",
    &[Change::Merge(policy("kubeflow", "katib-ui"), EVERYBODY), Change::Delete(network("katib-ui")), COVER],
)
.only(B);

/// KFAM takes whoever comes.
pub static KFAM_OPENED_A: Fault = fault(
    "kfam-opened-to-pods-a",
    "The policy of KFAM lets every pod in",
    &[Change::Merge(policy("kubeflow", "profiles-kfam"), EVERYBODY)],
)
.only(A);

/// KFAM takes whoever comes.
pub static KFAM_OPENED_B: Fault = fault(
    "kfam-opened-to-pods-b",
    "The policy of KFAM lets every pod in, and the network keeps nobody from it",
    &[Change::Merge(policy("kubeflow", "profiles-kfam"), EVERYBODY), COVER],
)
.only(B);

/// The API server believes whoever comes.
pub static PIPELINES_OPENED: Fault = fault(
    "kfp-api-opened",
    "The policy of the API server of Kubeflow Pipelines lets every pod in, with whatever header",
    &[Change::Merge(policy("kubeflow", "ml-pipeline"), EVERYBODY)],
);

/// No notebook reaches the API server.
pub static PIPELINES_CLOSED: Fault = fault(
    "kfp-api-closed-to-tenants",
    "The policy of the API server of Kubeflow Pipelines lets only the platform's own accounts in",
    &[Change::Patch(policy("kubeflow", "ml-pipeline"), r#"[{"op": "remove", "path": "/spec/rules/1"}]"#)],
);

/// The network keeps nobody from what has no policy of its own.
pub static NAMESPACE_UNCOVERED: Fault =
    fault("namespace-uncovered", "The NetworkPolicy that selects every pod of the platform is gone", &[COVER]).only(B);
