//! Faults that the checks of the suite `install` must notice.

use clusters::versions::Contract;
use harness::fault::{Ref, fault, object};
use harness::{Change, Fault};

use super::deployment;

const A: &[Contract] = &[Contract::A];
const B: &[Contract] = &[Contract::B];

const STORAGE_CLASS: Ref = object("storage.k8s.io/v1", "StorageClass", "", "standard");
const CAINJECTOR: Ref = deployment("cert-manager", "cert-manager-cainjector");
const KATIB_WEBHOOK: Ref =
    object("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "", "katib.kubeflow.org");

const fn service(name: &'static str) -> Ref {
    object("v1", "Service", "kubeflow", name)
}

const STOP: &str = r#"{"spec":{"replicas":0}}"#;

/// Part of the platform is gone.
pub static NAMESPACE_REMOVED: Fault = fault(
    "namespace-removed",
    "The namespace knative-serving is gone",
    &[Change::Delete(object("v1", "Namespace", "", "knative-serving"))],
);

/// No notebooks any more.
pub static DEFINITION_REMOVED: Fault = fault(
    "definition-removed",
    "The definition of Notebooks is gone, as after a refused client-side apply",
    &[Change::Delete(object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "notebooks.kubeflow.org"))],
);

/// Nothing signs certificates for the whole cluster.
pub static CLUSTER_ISSUER_REMOVED: Fault = fault(
    "cluster-issuer-removed",
    "cert-manager's issuer for the whole cluster is gone, as after a single apply",
    &[Change::Delete(object("cert-manager.io/v1", "ClusterIssuer", "", "kubeflow-self-signing-issuer"))],
);

/// Katib does nothing.
pub static DEPLOYMENT_REMOVED: Fault = fault(
    "deployment-removed",
    "Katib's controller is gone",
    &[Change::Delete(deployment("kubeflow", "katib-controller"))],
);

/// A new form that never comes up.
pub static IMAGE_NOT_FOUND: Fault = fault(
    "image-not-found",
    "The notebook controller's image is in a registry that does not exist",
    &[Change::Patch(
        deployment("kubeflow", "notebook-controller-deployment"),
        r#"[{"op": "replace", "path": "/spec/template/spec/containers/0/image",
             "value": "registry.invalid/notebook-controller:v1"}]"#,
    )],
);

/// Tenants get no Pipelines.
pub static METACONTROLLER_STOPPED: Fault = fault(
    "metacontroller-stopped",
    "metacontroller is scaled to zero",
    &[Change::Merge(object("apps/v1", "StatefulSet", "kubeflow", "metacontroller"), STOP)],
);

/// An application trusts everybody.
pub static SIDECAR_LEFT_OUT: Fault = fault(
    "sidecar-left-out",
    "The volumes web app's pods opt out of the mesh",
    &[Change::Merge(
        deployment("kubeflow", "volumes-web-app-deployment"),
        r#"{"spec":{"template":{"metadata":{"labels":{"sidecar.istio.io/inject":"false"},
                                           "annotations":{"sidecar.istio.io/inject":"false"}}}}}"#,
    )],
);

/// The next restart takes the applications out of the mesh.
pub static INJECTION_LABEL_REMOVED: Fault = fault(
    "injection-label-removed",
    "The namespace kubeflow has no label istio-injection",
    &[Change::Merge(object("v1", "Namespace", "", "kubeflow"), r#"{"metadata":{"labels":{"istio-injection":null}}}"#)],
);

/// Somebody's pod that never starts.
pub static STRAY_POD: Fault = fault(
    "stray-pod",
    "A pod in the namespace kubeflow waits for an image for ever",
    &[Change::Create(
        r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stray-pod", "namespace": "kubeflow"},
            "spec": {"containers": [{"name": "main", "image": "registry.invalid/stray:v1"}]}}"#,
    )],
);

/// Another program tomorrow.
pub static IMAGE_UNPINNED: Fault = fault(
    "image-unpinned",
    "The image of the Pipelines profile controller has no tag",
    &[Change::Patch(
        deployment("kubeflow", "kubeflow-pipelines-profile-controller"),
        r#"[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "python"}]"#,
    )],
);

/// A Service selects nothing.
pub static SELECTOR_CHANGED: Fault = fault(
    "selector-changed",
    "The Service of Katib's database manager selects labels that no pod has",
    &[Change::Merge(service("katib-db-manager"), r#"{"spec":{"selector":{"app":"katib-db-manager"}}}"#)],
);

/// A Service is gone.
pub static SERVICE_REMOVED: Fault = fault(
    "service-removed",
    "The Service of ML Metadata's server is gone",
    &[Change::Delete(service("metadata-grpc-service"))],
);

/// A Service lacks a port.
pub static PORT_REMOVED: Fault = fault(
    "port-removed",
    "The Service of the Pipelines API publishes HTTP only",
    &[Change::Patch(service("ml-pipeline"), r#"[{"op": "remove", "path": "/spec/ports/1"}]"#)],
);

/// Discovery breaks.
pub static LEFTOVER_API: Fault = fault(
    "leftover-api",
    "An aggregated API leads to a Service that does not exist",
    &[Change::Create(
        r#"{"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": "v1beta1.leftover.example.com"},
            "spec": {"group": "leftover.example.com", "version": "v1beta1", "groupPriorityMinimum": 100,
                     "versionPriority": 10, "insecureSkipTLSVerify": true,
                     "service": {"namespace": "kubeflow", "name": "leftover-api"}}}"#,
    )],
);

/// Experiments are not completed, pods not given a collector.
pub static WEBHOOK_REMOVED: Fault =
    fault("webhook-removed", "Katib's mutating webhooks are gone", &[Change::Delete(KATIB_WEBHOOK)]);

/// No pod starts in tenants.
pub static WEBHOOK_STOPPED: Fault = fault(
    "webhook-stopped",
    "The PodDefaults webhook is scaled to zero",
    &[Change::Merge(deployment("kubeflow", "admission-webhook-deployment"), STOP)],
)
.shows("admission-webhook-service");

/// A component that is gone still decides.
pub static LEFTOVER_WEBHOOK: Fault = fault(
    "leftover-webhook",
    "A webhook of an uninstalled component calls a Service that does not exist",
    &[Change::Create(
        r#"{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "leftover.seldon.io"},
            "webhooks": [{"name": "v1.vseldondeployment.kb.io", "sideEffects": "None", "failurePolicy": "Fail",
              "admissionReviewVersions": ["v1"],
              "clientConfig": {"caBundle": "Cg==",
                "service": {"namespace": "kubeflow", "name": "seldon-webhook-service", "path": "/validate"}},
              "rules": [{"apiGroups": ["machinelearning.seldon.io"], "apiVersions": ["v1"],
                         "operations": ["CREATE"], "resources": ["seldondeployments"]}]}]}"#,
    )],
);

/// Nobody trusts Katib's webhook.
pub static AUTHORITY_REMOVED: Fault = fault(
    "authority-removed",
    "Katib's mutating webhooks have no CA bundle, and nobody injects one",
    &[
        Change::Merge(CAINJECTOR, STOP),
        Change::Patch(KATIB_WEBHOOK, r#"[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]"#),
    ],
);

/// Katib's webhook is trusted by an outdated authority.
pub static AUTHORITY_OUTDATED: Fault = fault(
    "authority-outdated",
    "Katib's mutating webhooks have the CA bundle of an earlier certificate, and nobody injects the new one",
    &[
        Change::Merge(CAINJECTOR, STOP),
        // The text between the marks is no certificate: nobody verifies by it.
        Change::Patch(
            KATIB_WEBHOOK,
            r#"[{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value":
             "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmVhcmxpZXIKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="}]"#,
        ),
    ],
);

/// A certificate that nobody issues.
pub static CERTIFICATE_NOT_ISSUED: Fault = fault(
    "certificate-not-issued",
    "A Certificate in kubeflow names an Issuer that does not exist",
    &[Change::Create(
        r#"{"apiVersion": "cert-manager.io/v1", "kind": "Certificate",
            "metadata": {"name": "not-issued", "namespace": "kubeflow"},
            "spec": {"secretName": "not-issued", "dnsNames": ["not-issued.kubeflow.svc"],
                     "issuerRef": {"kind": "Issuer", "name": "no-such-issuer"}}}"#,
    )],
);

/// No volume without a class by name.
pub static NO_DEFAULT_CLASS: Fault = fault(
    "no-default-class",
    "No StorageClass is the default",
    &[Change::Merge(
        STORAGE_CLASS,
        r#"{"metadata":{"annotations":{"storageclass.kubernetes.io/is-default-class":"false"}}}"#,
    )],
);

/// Which class a volume gets is chance.
pub static TWO_DEFAULT_CLASSES: Fault = fault(
    "two-default-classes",
    "Two StorageClasses are the default",
    &[Change::Create(
        r#"{"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": "another-default",
                         "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": "rancher.io/local-path", "reclaimPolicy": "Delete",
            "volumeBindingMode": "WaitForFirstConsumer"}"#,
    )],
);

/// Katib's metrics are gone.
pub static CLAIM_REMOVED: Fault = fault(
    "claim-removed",
    "The volume claim of Katib's database is gone",
    &[
        Change::Delete(deployment("kubeflow", "katib-mysql")),
        Change::Delete(object("v1", "PersistentVolumeClaim", "kubeflow", "katib-mysql")),
    ],
);

/// Another MySQL answers.
pub static DATABASE_TAKEN_OVER: Fault = fault(
    "database-taken-over",
    "The Service mysql selects the pods of another database",
    &[
        Change::Create(
            r#"{"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "another-database", "namespace": "kubeflow"},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "another-database"}},
                  "template": {"metadata": {"labels": {"app": "another-database"}},
                    "spec": {"containers": [{"name": "mysql", "image": "mysql:8.0.29",
                      "env": [{"name": "MYSQL_ALLOW_EMPTY_PASSWORD", "value": "true"}],
                      "ports": [{"containerPort": 3306}]}]}}}}"#,
        ),
        Change::Patch(
            service("mysql"),
            r#"[{"op": "replace", "path": "/spec/selector", "value": {"app": "another-database"}}]"#,
        ),
    ],
);

/// A restart loses all artifacts.
pub static STORE_WITHOUT_VOLUME: Fault = fault(
    "store-without-volume",
    "MinIO keeps its data in the pod instead of on its claim",
    &[Change::Patch(
        deployment("kubeflow", "minio"),
        r#"[{"op": "remove", "path": "/spec/template/spec/volumes/0/persistentVolumeClaim"},
            {"op": "add", "path": "/spec/template/spec/volumes/0/emptyDir", "value": {}}]"#,
    )],
);

/// Two Pipelines.
pub static STANDALONE_PIPELINES: Fault = fault(
    "standalone-pipelines",
    "A standalone Kubeflow Pipelines runs in another namespace",
    &[Change::Create(
        r#"{"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "ml-pipeline", "namespace": "default"},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "ml-pipeline"}},
              "template": {"metadata": {"labels": {"app": "ml-pipeline"}},
                "spec": {"containers": [{"name": "ml-pipeline-api-server",
                                         "image": "gcr.io/ml-pipeline/api-server:2.0.5"}]}}}}"#,
    )],
);

/// The standalone cache replaces the platform's webhook.
pub static CACHE_DEPLOYER_LEFT: Fault = fault(
    "cache-deployer-left",
    "The cache deployer of a standalone Kubeflow Pipelines is left in kubeflow",
    &[Change::Create(
        r#"{"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "cache-deployer-deployment", "namespace": "kubeflow"},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "cache-deployer"}},
              "template": {"metadata": {"labels": {"app": "cache-deployer"}},
                "spec": {"containers": [{"name": "main", "image": "gcr.io/ml-pipeline/cache-deployer:2.0.5"}]}}}}"#,
    )],
);

/// Two Katibs.
pub static STANDALONE_KATIB: Fault = fault(
    "standalone-katib",
    "A standalone Katib runs in another namespace",
    &[Change::Create(
        r#"{"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "katib-controller", "namespace": "default"},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "katib-controller"}},
              "template": {"metadata": {"labels": {"app": "katib-controller"}},
                "spec": {"containers": [{"name": "katib-controller",
                                         "image": "docker.io/kubeflowkatib/katib-controller:v0.16.0"}]}}}}"#,
    )],
);

/// Katib shows everybody everything.
pub static KATIB_WITHOUT_AUTHORIZATION: Fault = fault(
    "katib-without-authorization",
    "Katib's UI asks nobody for permission, as in a standalone installation",
    &[Change::Patch(
        deployment("kubeflow", "katib-ui"),
        r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
             "value": {"name": "APP_DISABLE_AUTH", "value": "true"}}]"#,
    )],
);

/// Another MinIO.
pub static CHART_LEFT: Fault = fault(
    "chart-left",
    "A MinIO of a Helm chart is left in kubeflow",
    &[Change::Create(
        r#"{"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "kfp-minio", "namespace": "kubeflow",
                         "labels": {"app.kubernetes.io/name": "minio", "app.kubernetes.io/instance": "kfp-minio",
                                    "app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "minio-14.1.0"}},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app.kubernetes.io/instance": "kfp-minio"}},
              "template": {"metadata": {"labels": {"app.kubernetes.io/instance": "kfp-minio"}},
                "spec": {"containers": [{"name": "minio", "image": "docker.io/bitnami/minio:2024.3.3"}]}}}}"#,
    )],
);

/// The old data is still there.
pub static CHART_CLAIM_LEFT: Fault = fault(
    "chart-claim-left",
    "The volume claim of an uninstalled MySQL chart is left in kubeflow",
    &[Change::Create(
        r#"{"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data-kfp-mysql-0", "namespace": "kubeflow",
                         "labels": {"app.kubernetes.io/name": "mysql", "app.kubernetes.io/instance": "kfp-mysql",
                                    "app.kubernetes.io/component": "primary"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "8Gi"}}}}"#,
    )],
);

/// Helm believes that it is installed.
pub static CHART_RECORD_LEFT: Fault = fault(
    "chart-record-left",
    "Helm's record of a MySQL release is left in kubeflow",
    &[Change::Create(
        r#"{"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
            "metadata": {"name": "sh.helm.release.v1.kfp-mysql.v1", "namespace": "kubeflow",
                         "labels": {"owner": "helm", "name": "kfp-mysql", "status": "deployed", "version": "1"}},
            "stringData": {"release": "x"}}"#,
    )],
);

/// Two guards.
pub static FOREIGN_LOGIN_A: Fault = fault(
    "foreign-login-a",
    "The Service of a later release's oauth2-proxy stands beside authservice",
    &[
        Change::Create(r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "oauth2-proxy"}}"#),
        Change::Create(
            r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "oauth2-proxy", "namespace": "oauth2-proxy"},
                "spec": {"selector": {"app.kubernetes.io/name": "oauth2-proxy"},
                         "ports": [{"name": "http", "port": 80, "targetPort": 4180}]}}"#,
        ),
    ],
)
.only(A);

/// Two guards.
pub static FOREIGN_LOGIN_B: Fault = fault(
    "foreign-login-b",
    "The Service of v1.8's authservice is left beside oauth2-proxy",
    &[Change::Create(
        r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "authservice", "namespace": "istio-system"},
            "spec": {"selector": {"app": "authservice"},
                     "ports": [{"name": "http-authservice", "port": 8080, "targetPort": "http-api"}]}}"#,
    )],
)
.only(B);

/// An old controller goes on.
pub static EARLIER_WORKLOAD_LEFT: Fault = fault(
    "earlier-workload-left",
    "v1.8's domain mapping controller of Knative is left",
    &[Change::Create(
        r#"{"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "domain-mapping", "namespace": "knative-serving"},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "domain-mapping"}},
              "template": {"metadata": {"labels": {"app": "domain-mapping"}},
                "spec": {"containers": [{"name": "domain-mapping",
                  "image": "gcr.io/knative-releases/knative.dev/serving/cmd/domain-mapping@sha256:00"}]}}}}"#,
    )],
)
.only(B);
