//! Faults that the checks of the suite `retired` must notice.

use harness::fault::{fault, object};
use harness::{Change, Fault};

use super::deployment;

/// A program reads artifacts from a former store.
pub static WORKLOAD_POINTS_BACK: Fault = fault(
    "ret-workload-points-back",
    "The UI server is told to read artifacts from a chart's MinIO",
    &[Change::Patch(
        deployment("kubeflow", "ml-pipeline-ui"),
        r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
             "value": {"name": "AWS_S3_ENDPOINT", "value": "release-minio.storage.svc.cluster.local"}}]"#,
    )],
);

/// Runs of a tenant go to a former store.
pub static CONFIG_POINTS_BACK: Fault = fault(
    "ret-config-points-back",
    "A tenant's kfp-launcher names a chart's MinIO",
    &[Change::Create(
        r#"{"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "kfp-launcher", "namespace": "kubeflow-user-example-com"},
            "data": {"providers": "minio:\n  default:\n    endpoint: release-minio.storage.svc:9000\n"}}"#,
    )],
);

/// Somebody connects to a former database.
pub static SECRET_POINTS_BACK: Fault = fault(
    "ret-secret-points-back",
    "A Secret of the platform holds the address of a chart's MySQL",
    &[Change::Create(
        r#"{"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "database-of-before", "namespace": "kubeflow"},
            "data": {"url": "bXlzcWw6Ly9yb290QHJlbGVhc2UtbXlzcWwuc3RvcmFnZS5zdmM6MzMwNi9tbHBpcGVsaW5l"}}"#,
    )],
);

/// Half of all connections go to another database.
pub static STRANGER_BEHIND_SERVICE: Fault = fault(
    "ret-stranger-behind-service",
    "Another Deployment's pods have the labels that Service mysql selects",
    &[Change::Create(
        r#"{"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "release-mysql", "namespace": "kubeflow"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "mysql", "release": "before"}},
              "template": {"metadata": {"labels": {"app": "mysql", "release": "before",
                                                   "application-crd-id": "kubeflow-pipelines"}},
                "spec": {"containers": [{"name": "mysql", "image": "mysql:8.0.29",
                  "env": [{"name": "MYSQL_ALLOW_EMPTY_PASSWORD", "value": "true"}],
                  "ports": [{"containerPort": 3306}]}]}}}}"#,
    )],
);

/// The object store's Service leads to a former one.
pub static SERVICE_LEADS_AWAY: Fault = fault(
    "ret-service-leads-away",
    "Service minio-service selects the pods of a chart",
    &[Change::Merge(
        object("v1", "Service", "kubeflow", "minio-service"),
        r#"{"spec":{"selector":{"app":null,"application-crd-id":null,"app.kubernetes.io/name":"minio"}}}"#,
    )],
);

/// A chart's program is still there.
pub static CHART_IMAGE: Fault = fault(
    "ret-chart-image",
    "A Deployment in the platform's namespace runs the image of a chart",
    &[Change::Create(
        r#"{"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "release-minio", "namespace": "kubeflow"},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "release-minio"}},
              "template": {"metadata": {"labels": {"app": "release-minio"}},
                "spec": {"containers": [{"name": "minio", "image": "docker.io/bitnami/minio:2024.8.29"}]}}}}"#,
    )],
);
