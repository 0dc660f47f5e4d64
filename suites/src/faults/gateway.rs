//! Faults of routes and of the gateway's objects.

use clusters::versions::Contract;
use harness::fault::{Ref, fault, object};
use harness::{Change, Fault};

use super::{deployment, policy, virtual_service};

const GATEWAY: Ref = object("networking.istio.io/v1beta1", "Gateway", "kubeflow", "kubeflow-gateway");
const JUPYTER_ROUTE: Ref = virtual_service("jupyter-web-app-jupyter-web-app");
const KATIB_ROUTE: Ref = virtual_service("katib-ui");
const KATIB_POLICY: Ref = policy("kubeflow", "katib-ui");

/// The catch-all route is gone, and with it the guard's callback, which has no route of its own.
pub static DASHBOARD_ROUTE_REMOVED_A: Fault = fault(
    "dashboard-route-removed-a",
    "The dashboard's VirtualService is gone",
    &[Change::Delete(virtual_service("centraldashboard"))],
)
.only(&[Contract::A]);

/// The catch-all route is gone.
pub static DASHBOARD_ROUTE_REMOVED_B: Fault = fault(
    "dashboard-route-removed-b",
    "The dashboard's VirtualService is gone",
    &[Change::Delete(virtual_service("centraldashboard"))],
)
.only(&[Contract::B]);

/// The dashboard's sidecar refuses everybody.
pub static DASHBOARD_POLICY_REMOVED: Fault = fault(
    "dashboard-policy-removed",
    "No policy lets the gateway into the dashboard",
    &[Change::Delete(policy("kubeflow", "central-dashboard"))],
);

/// Pipelines' route is gone.
pub static PIPELINES_ROUTE_REMOVED: Fault = fault(
    "pipelines-route-removed",
    "The VirtualService of Kubeflow Pipelines is gone",
    &[Change::Delete(virtual_service("ml-pipeline-ui"))],
);

/// Katib's route is gone.
pub static KATIB_ROUTE_REMOVED: Fault =
    fault("katib-route-removed", "Katib's VirtualService is gone", &[Change::Delete(KATIB_ROUTE)]);

/// Katib's page has no pod.
pub static KATIB_UI_STOPPED: Fault = fault(
    "katib-ui-stopped",
    "Katib's UI server is scaled to zero",
    &[Change::Merge(deployment("kubeflow", "katib-ui"), r#"{"spec":{"replicas":0}}"#)],
);

/// Katib's page has pods that nobody finds.
pub static KATIB_SELECTOR_CHANGED: Fault = fault(
    "katib-selector-changed",
    "The Service of Katib's UI server selects labels that no pod has",
    &[Change::Merge(
        object("v1", "Service", "kubeflow", "katib-ui"),
        r#"{"spec":{"selector":{"katib.kubeflow.org/component":"web"}}}"#,
    )],
);

/// Katib's sidecar refuses everybody.
pub static KATIB_POLICY_REMOVED: Fault =
    fault("katib-policy-removed", "No policy lets the gateway into Katib", &[Change::Delete(KATIB_POLICY)]);

/// Katib's sidecar knows the gateway by another name.
pub static KATIB_POLICY_RENAMED: Fault = fault(
    "katib-policy-renamed",
    "Katib's policy names another account than the gateway's",
    &[Change::Patch(
        KATIB_POLICY,
        r#"[{"op": "replace", "path": "/spec/rules/0/from/0/source/principals/0",
             "value": "cluster.local/ns/istio-ingress/sa/istio-ingress"}]"#,
    )],
);

/// Katib's route has the wrong Service.
pub static KATIB_DESTINATION_MISSPELT: Fault = fault(
    "katib-destination-misspelt",
    "Katib's route leads to a Service that does not exist",
    &[Change::Patch(
        KATIB_ROUTE,
        r#"[{"op": "replace", "path": "/spec/http/0/route/0/destination/host",
             "value": "katib-web.kubeflow.svc.cluster.local"}]"#,
    )],
);

/// Katib's server sees other paths than it knows.
pub static KATIB_REWRITE_CHANGED: Fault = fault(
    "katib-rewrite-changed",
    "Katib's prefix is cut off before its server sees it",
    &[Change::Patch(KATIB_ROUTE, r#"[{"op": "replace", "path": "/spec/http/0/rewrite/uri", "value": "/"}]"#)],
);

/// Jupyter's path shows another application.
pub static JUPYTER_ROUTE_MISDIRECTED: Fault = fault(
    "jupyter-route-misdirected",
    "The route of the Jupyter web app leads to the volumes web app",
    &[Change::Patch(
        JUPYTER_ROUTE,
        r#"[{"op": "replace", "path": "/spec/http/0/route/0/destination/host",
             "value": "volumes-web-app-service.kubeflow.svc.cluster.local"}]"#,
    )],
);

/// Jupyter's app sees its prefix.
pub static JUPYTER_REWRITE_REMOVED: Fault = fault(
    "jupyter-rewrite-removed",
    "The prefix of the Jupyter web app is not rewritten",
    &[Change::Patch(JUPYTER_ROUTE, r#"[{"op": "remove", "path": "/spec/http/0/rewrite"}]"#)],
);

/// Jupyter's prefix also takes words that begin so.
pub static JUPYTER_PREFIX_WITHOUT_SLASH: Fault = fault(
    "jupyter-prefix-without-slash",
    "The prefix of the Jupyter web app lacks its final slash",
    &[Change::Patch(
        JUPYTER_ROUTE,
        r#"[{"op": "replace", "path": "/spec/http/0/match/0/uri/prefix", "value": "/jupyter"}]"#,
    )],
);

/// Volumes' route is gone.
pub static VOLUMES_ROUTE_REMOVED: Fault = fault(
    "volumes-route-removed",
    "The VirtualService of the volumes web app is gone",
    &[Change::Delete(virtual_service("volumes-web-app-volumes-web-app"))],
);

/// TensorBoards' route is gone.
pub static TENSORBOARDS_ROUTE_REMOVED: Fault = fault(
    "tensorboards-route-removed",
    "The VirtualService of the TensorBoards web app is gone",
    &[Change::Delete(virtual_service("tensorboards-web-app-tensorboards-web-app"))],
);

/// KServe's route is gone.
pub static MODELS_ROUTE_REMOVED: Fault = fault(
    "models-route-removed",
    "The VirtualService of the KServe models web app is gone",
    &[Change::Delete(virtual_service("kserve-models-web-app"))],
);

/// ML Metadata's route is gone.
pub static METADATA_ROUTE_REMOVED: Fault = fault(
    "metadata-route-removed",
    "The VirtualService of ML Metadata is gone",
    &[Change::Delete(virtual_service("metadata-grpc"))],
);

/// Dex's route is gone.
pub static DEX_ROUTE_REMOVED: Fault = fault(
    "dex-route-removed",
    "Dex's VirtualService is gone",
    &[Change::Delete(object("networking.istio.io/v1beta1", "VirtualService", "auth", "dex"))],
);

/// The gateway serves nothing.
pub static GATEWAY_UNBOUND: Fault = fault(
    "gateway-unbound",
    "The platform's Gateway selects no gateway pod",
    &[Change::Merge(GATEWAY, r#"{"spec":{"selector":{"istio":"another-gateway"}}}"#)],
);

/// The gateway listens where nobody can come.
pub static GATEWAY_PORT_UNPUBLISHED: Fault = fault(
    "gateway-port-unpublished",
    "The platform's Gateway listens on a port that its Service does not publish",
    &[Change::Patch(GATEWAY, r#"[{"op": "replace", "path": "/spec/servers/0/port/number", "value": 8081}]"#)],
);

/// One letter takes many paths.
pub static GREEDY_ROUTE: Fault = fault(
    "greedy-route",
    "A route's prefix is so short that it takes paths of notebooks",
    &[Change::Create(
        r#"{"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService",
            "metadata": {"name": "greedy", "namespace": "kubeflow"},
            "spec": {"hosts": ["*"], "gateways": ["kubeflow-gateway"], "http": [{
              "match": [{"uri": {"prefix": "/n"}}], "rewrite": {"uri": "/katib/"},
              "route": [{"destination": {"host": "katib-ui.kubeflow.svc.cluster.local", "port": {"number": 80}}}]}]}}"#,
    )],
);

/// A prefix with two owners.
pub static PIPELINES_ROUTE_DOUBLED: Fault = fault(
    "pipelines-route-doubled",
    "Two VirtualServices claim /pipeline",
    &[Change::Create(
        r#"{"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService",
            "metadata": {"name": "pipelines-again", "namespace": "kubeflow"},
            "spec": {"hosts": ["*"], "gateways": ["kubeflow-gateway"], "http": [{
              "match": [{"uri": {"prefix": "/pipeline"}}],
              "route": [{"destination": {"host": "ml-pipeline-ui.kubeflow.svc.cluster.local",
                                         "port": {"number": 80}}}]}]}}"#,
    )],
);

/// Everybody may call KFAM.
pub static KFAM_OPENED: Fault = fault(
    "kfam-opened",
    "KFAM's policy lets the gateway in",
    &[Change::Patch(
        policy("kubeflow", "profiles-kfam"),
        r#"[{"op": "add", "path": "/spec/rules/0/from/0/source/principals/-",
             "value": "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"}]"#,
    )],
);

/// The platform can be looked at only.
pub static WRITES_DENIED: Fault = fault(
    "writes-denied",
    "A policy on the gateway denies every method that changes something",
    &[Change::Create(
        r#"{"apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "read-only", "namespace": "istio-system"},
            "spec": {"action": "DENY", "selector": {"matchLabels": {"app": "istio-ingressgateway"}}, "rules": [
              {"to": [{"operation": {"methods": ["POST", "PUT", "PATCH", "DELETE"],
                                     "notPaths": ["/dex/*", "/oauth2/*"]}}]}]}}"#,
    )],
);

/// Probes fail.
pub static HEAD_DENIED: Fault = fault(
    "head-denied",
    "A policy on the gateway denies HEAD",
    &[Change::Create(
        r#"{"apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "no-head", "namespace": "istio-system"},
            "spec": {"action": "DENY", "selector": {"matchLabels": {"app": "istio-ingressgateway"}}, "rules": [
              {"to": [{"operation": {"methods": ["HEAD"]}}]}]}}"#,
    )],
);

/// Unknown headers are refused.
pub static PADDING_DENIED: Fault = fault(
    "padding-denied",
    "A policy on the gateway denies requests that carry an additional header",
    &[Change::Create(
        r#"{"apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "no-padding", "namespace": "istio-system"},
            "spec": {"action": "DENY", "selector": {"matchLabels": {"app": "istio-ingressgateway"}}, "rules": [
              {"when": [{"key": "request.headers[x-conformance-padding]", "values": ["*"]}]}]}}"#,
    )],
);

/// The platform goes by local names only.
pub static OTHER_HOSTS_DENIED: Fault = fault(
    "other-hosts-denied",
    "A policy on the gateway denies every host name that is not local",
    &[Change::Create(
        r#"{"apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "local-names", "namespace": "istio-system"},
            "spec": {"action": "DENY", "selector": {"matchLabels": {"app": "istio-ingressgateway"}}, "rules": [
              {"to": [{"operation": {"notHosts": ["localhost*", "127.0.0.1*"]}}]}]}}"#,
    )],
);

/// The mesh lets everybody in.
pub static DENY_BY_DEFAULT_REMOVED: Fault = fault(
    "deny-by-default-removed",
    "The mesh-wide policy without rules is gone",
    &[Change::Delete(policy("istio-system", "global-deny-all"))],
);
