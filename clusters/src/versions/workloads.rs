//! The workloads and Services of each release.

use super::Releases;
use super::inventory::{Service, Workload, WorkloadKind};

/// Istio adds a sidecar.
const MESH: bool = true;
/// Outside the mesh.
const PLAIN: bool = false;
const ALL: Releases = Releases::ALL;
const V1_8: Releases = Releases::V1_8;
const V1_10: Releases = Releases::V1_10;
const UNTIL_1_9: Releases = Releases::UNTIL_1_9;
const SINCE_1_9: Releases = Releases::SINCE_1_9;

const fn workload(
    kind: WorkloadKind,
    (namespace, name): (&'static str, &'static str),
    (replicas, containers): (u32, u32),
    in_mesh: bool,
    releases: Releases,
) -> Workload {
    Workload { namespace, kind, name, replicas, containers, in_mesh, releases }
}

const fn deployment(
    namespace: &'static str,
    name: &'static str,
    replicas: u32,
    containers: u32,
    in_mesh: bool,
    releases: Releases,
) -> Workload {
    workload(WorkloadKind::Deployment, (namespace, name), (replicas, containers), in_mesh, releases)
}

const fn statefulset(
    namespace: &'static str,
    name: &'static str,
    replicas: u32,
    containers: u32,
    in_mesh: bool,
    releases: Releases,
) -> Workload {
    workload(WorkloadKind::StatefulSet, (namespace, name), (replicas, containers), in_mesh, releases)
}

const fn daemonset(
    namespace: &'static str,
    name: &'static str,
    replicas: u32,
    containers: u32,
    in_mesh: bool,
    releases: Releases,
) -> Workload {
    workload(WorkloadKind::DaemonSet, (namespace, name), (replicas, containers), in_mesh, releases)
}

const fn service(namespace: &'static str, name: &'static str, ports: &'static [u16], releases: Releases) -> Service {
    Service { namespace, name, ports, releases }
}

pub(super) static WORKLOADS: &[Workload] = &[
    deployment("auth", "dex", 1, 1, PLAIN, ALL),
    deployment("cert-manager", "cert-manager", 1, 1, PLAIN, ALL),
    deployment("cert-manager", "cert-manager-cainjector", 1, 1, PLAIN, ALL),
    deployment("cert-manager", "cert-manager-webhook", 1, 1, PLAIN, ALL),
    deployment("istio-system", "cluster-local-gateway", 1, 1, PLAIN, ALL),
    deployment("istio-system", "istio-ingressgateway", 1, 1, PLAIN, ALL),
    deployment("istio-system", "istiod", 1, 1, PLAIN, ALL),
    statefulset("istio-system", "oidc-authservice", 1, 1, PLAIN, V1_8),
    deployment("knative-eventing", "eventing-controller", 1, 1, PLAIN, V1_8),
    deployment("knative-eventing", "eventing-webhook", 1, 1, PLAIN, V1_8),
    deployment("knative-eventing", "pingsource-mt-adapter", 0, 1, PLAIN, V1_8),
    deployment("knative-serving", "activator", 1, 1, MESH, ALL),
    deployment("knative-serving", "autoscaler", 1, 1, MESH, ALL),
    deployment("knative-serving", "controller", 1, 1, MESH, ALL),
    deployment("knative-serving", "domain-mapping", 1, 1, MESH, V1_8),
    deployment("knative-serving", "domainmapping-webhook", 1, 1, MESH, V1_8),
    deployment("knative-serving", "net-istio-controller", 1, 1, MESH, ALL),
    deployment("knative-serving", "net-istio-webhook", 1, 1, MESH, ALL),
    deployment("knative-serving", "webhook", 1, 1, MESH, ALL),
    daemonset("kube-system", "istio-cni-node", 1, 1, PLAIN, V1_10),
    deployment("kubeflow", "admission-webhook-deployment", 1, 1, PLAIN, ALL),
    deployment("kubeflow", "cache-server", 1, 1, MESH, ALL),
    deployment("kubeflow", "centraldashboard", 1, 1, MESH, ALL),
    deployment("kubeflow", "jupyter-web-app-deployment", 1, 1, MESH, ALL),
    deployment("kubeflow", "katib-controller", 1, 1, PLAIN, ALL),
    deployment("kubeflow", "katib-db-manager", 1, 1, PLAIN, ALL),
    deployment("kubeflow", "katib-mysql", 1, 1, PLAIN, ALL),
    deployment("kubeflow", "katib-ui", 1, 1, MESH, ALL),
    deployment("kubeflow", "kserve-controller-manager", 1, 2, PLAIN, ALL),
    deployment("kubeflow", "kserve-localmodel-controller-manager", 1, 1, MESH, V1_10),
    deployment("kubeflow", "kserve-models-web-app", 1, 1, MESH, ALL),
    deployment("kubeflow", "kubeflow-pipelines-profile-controller", 1, 1, PLAIN, ALL),
    deployment("kubeflow", "metadata-envoy-deployment", 1, 1, PLAIN, ALL),
    deployment("kubeflow", "metadata-grpc-deployment", 1, 1, MESH, ALL),
    deployment("kubeflow", "metadata-writer", 1, 1, MESH, ALL),
    deployment("kubeflow", "minio", 1, 1, MESH, ALL),
    deployment("kubeflow", "ml-pipeline", 1, 1, MESH, ALL),
    deployment("kubeflow", "ml-pipeline-persistenceagent", 1, 1, MESH, ALL),
    deployment("kubeflow", "ml-pipeline-scheduledworkflow", 1, 1, MESH, ALL),
    deployment("kubeflow", "ml-pipeline-ui", 1, 1, MESH, ALL),
    deployment("kubeflow", "ml-pipeline-viewer-crd", 1, 1, MESH, ALL),
    deployment("kubeflow", "ml-pipeline-visualizationserver", 1, 1, MESH, ALL),
    deployment("kubeflow", "mysql", 1, 1, MESH, ALL),
    deployment("kubeflow", "notebook-controller-deployment", 1, 1, MESH, ALL),
    deployment("kubeflow", "profiles-deployment", 1, 2, MESH, ALL),
    deployment("kubeflow", "pvcviewer-controller-manager", 1, 2, MESH, ALL),
    deployment("kubeflow", "spark-operator-controller", 1, 1, PLAIN, V1_10),
    deployment("kubeflow", "spark-operator-webhook", 1, 1, PLAIN, V1_10),
    deployment("kubeflow", "tensorboard-controller-deployment", 1, 2, MESH, ALL),
    deployment("kubeflow", "tensorboards-web-app-deployment", 1, 1, MESH, ALL),
    deployment("kubeflow", "training-operator", 1, 1, PLAIN, ALL),
    deployment("kubeflow", "volumes-web-app-deployment", 1, 1, MESH, ALL),
    deployment("kubeflow", "workflow-controller", 1, 1, MESH, ALL),
    statefulset("kubeflow", "metacontroller", 1, 1, PLAIN, ALL),
    deployment("oauth2-proxy", "oauth2-proxy", 2, 1, PLAIN, SINCE_1_9),
];

pub(super) static SERVICES: &[Service] = &[
    service("auth", "dex", &[5556], ALL),
    service("cert-manager", "cert-manager", &[9402], ALL),
    service("cert-manager", "cert-manager-cainjector", &[9402], V1_10),
    service("cert-manager", "cert-manager-webhook", &[443], UNTIL_1_9),
    service("cert-manager", "cert-manager-webhook", &[443, 9402], V1_10),
    service("istio-system", "authservice", &[8080], V1_8),
    service("istio-system", "cluster-local-gateway", &[15020, 80], ALL),
    service("istio-system", "istio-ingressgateway", &[15021, 80, 443], ALL),
    service("istio-system", "istiod", &[15010, 15012, 443, 15014], ALL),
    service("istio-system", "knative-local-gateway", &[80], UNTIL_1_9),
    service("istio-system", "knative-local-gateway", &[80, 443], V1_10),
    service("knative-eventing", "eventing-webhook", &[443], V1_8),
    service("knative-serving", "activator-service", &[9090, 8008, 80, 81, 443], ALL),
    service("knative-serving", "autoscaler", &[9090, 8008, 8080], ALL),
    service("knative-serving", "controller", &[9090, 8008], ALL),
    service("knative-serving", "domainmapping-webhook", &[9090, 8008, 443], V1_8),
    service("knative-serving", "net-istio-webhook", &[9090, 8008, 443], ALL),
    service("knative-serving", "webhook", &[9090, 8008, 443], ALL),
    service("kubeflow", "admission-webhook-service", &[443], ALL),
    service("kubeflow", "cache-server", &[443], ALL),
    service("kubeflow", "centraldashboard", &[80], ALL),
    service("kubeflow", "jupyter-web-app-service", &[80], ALL),
    service("kubeflow", "katib-controller", &[443, 8080, 18080], ALL),
    service("kubeflow", "katib-db-manager", &[6789], ALL),
    service("kubeflow", "katib-mysql", &[3306], ALL),
    service("kubeflow", "katib-ui", &[80], ALL),
    service("kubeflow", "kserve-controller-manager-metrics-service", &[8443], ALL),
    service("kubeflow", "kserve-controller-manager-service", &[8443], ALL),
    service("kubeflow", "kserve-models-web-app", &[80], ALL),
    service("kubeflow", "kserve-webhook-server-service", &[443], ALL),
    service("kubeflow", "kubeflow-pipelines-profile-controller", &[80], ALL),
    service("kubeflow", "metadata-envoy-service", &[9090], ALL),
    service("kubeflow", "metadata-grpc-service", &[8080], ALL),
    service("kubeflow", "minio-service", &[9000], ALL),
    service("kubeflow", "ml-pipeline", &[8888, 8887], ALL),
    service("kubeflow", "ml-pipeline-ui", &[80], ALL),
    service("kubeflow", "ml-pipeline-visualizationserver", &[8888], ALL),
    service("kubeflow", "mysql", &[3306], ALL),
    service("kubeflow", "notebook-controller-service", &[443], ALL),
    service("kubeflow", "profiles-kfam", &[8081], ALL),
    service("kubeflow", "pvcviewer-controller-manager-metrics-service", &[8443], ALL),
    service("kubeflow", "pvcviewer-webhook-service", &[443], ALL),
    service("kubeflow", "spark-operator-webhook-svc", &[9443], V1_10),
    service("kubeflow", "tensorboard-controller-controller-manager-metrics-service", &[8443], ALL),
    service("kubeflow", "tensorboards-web-app-service", &[80], ALL),
    service("kubeflow", "training-operator", &[8080], V1_8),
    service("kubeflow", "training-operator", &[8080, 443], SINCE_1_9),
    service("kubeflow", "volumes-web-app-service", &[80], ALL),
    service("kubeflow", "workflow-controller-metrics", &[9090], V1_8),
    service("oauth2-proxy", "oauth2-proxy", &[80], SINCE_1_9),
];
