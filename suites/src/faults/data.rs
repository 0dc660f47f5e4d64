//! Faults that the checks of what is in the stores must notice.

use harness::fault::{Ref, fault, object};
use harness::{Change, Fault};

use super::deployment;
use super::pipelines::{OTHER_MYSQL, OTHER_MYSQL_SERVICE, RESTART, STOPPED};

const API: Ref = deployment("kubeflow", "ml-pipeline");
const MINIO: Ref = deployment("kubeflow", "minio");
const MYSQL: Ref = deployment("kubeflow", "mysql");
const METADATA: Ref = deployment("kubeflow", "metadata-grpc-deployment");
const STARTED: &str = r#"{"spec":{"replicas":1}}"#;
const HOOK: Ref = deployment("kubeflow", "kubeflow-pipelines-profile-controller");

/// No objects can be read.
pub static STORE_STOPPED: Fault =
    fault("kfp-store-stopped", "The bundled object store is scaled to zero", &[Change::Merge(MINIO, STOPPED)]);

/// The volume takes no more.
pub static STORE_FULL: Fault =
    fault("kfp-store-full", "The volume of the object store takes no more", &[Change::Switch("object-store-full")]);

/// Results go where nothing can be put.
pub static BUCKET_ABSENT: Fault = fault(
    "kfp-bucket-absent",
    "The pipeline root of the tenant's namespace lies in a bucket that the object store does not have",
    &[Change::Create(
        r#"{"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "kfp-launcher", "namespace": "kubeflow-user-example-com"},
            "data": {"defaultPipelineRoot": "minio://no-such-bucket/v2/artifacts"}}"#,
    )],
);

/// What is stored is not what was written.
pub static STORE_CORRUPTS: Fault = fault(
    "kfp-store-corrupts",
    "The object store drops the last byte of what it stores",
    &[Change::Switch("object-store-corrupts")],
);

/// Whoever asks gets everything.
pub static STORE_OPEN: Fault =
    fault("kfp-store-open", "The object store lets in who has no keys", &[Change::Switch("object-store-open")]);

/// The Service leads to a store that nobody backs up.
pub static STORE_ELSEWHERE: Fault = fault(
    "kfp-store-elsewhere",
    "Service minio-service leads to another store than the bundled one",
    &[Change::Merge(
        object("v1", "Service", "kubeflow", "minio-service"),
        r#"{"spec":{"selector":{"app":"minio-of-before"}}}"#,
    )],
);

/// Logs go to a store that nobody backs up.
pub static ARCHIVE_ELSEWHERE: Fault = fault(
    "kfp-archive-elsewhere",
    "The artifact repository of Argo names another store than the bundled one",
    &[Change::Merge(
        object("v1", "ConfigMap", "kubeflow", "workflow-controller-configmap"),
        r#"{"data":{"artifactRepository":"archiveLogs: true\ns3:\n  endpoint: minio.storage.svc:9000\n  bucket: mlpipeline\n"}}"#,
    )],
);

/// Logs die with their pods.
pub static ARCHIVE_OFF: Fault = fault(
    "kfp-archive-off",
    "The artifact repository of Argo takes no logs",
    &[Change::Merge(
        object("v1", "ConfigMap", "kubeflow", "workflow-controller-configmap"),
        r#"{"data":{"artifactRepository":"s3:\n  endpoint: minio-service.kubeflow:9000\n  bucket: mlpipeline\n  insecure: true\n"}}"#,
    )],
)
.shows("artifactRepository");

/// Records go to a database that nobody backs up.
pub static METADATA_ELSEWHERE: Fault = fault(
    "kfp-metadata-elsewhere",
    "ML Metadata uses another MySQL than the bundled one",
    &[
        OTHER_MYSQL_SERVICE,
        OTHER_MYSQL,
        Change::Patch(
            METADATA,
            r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
                 "value": {"name": "MYSQL_HOST", "value": "mysql-elsewhere"}}]"#,
        ),
        Change::Merge(METADATA, RESTART),
    ],
);

/// Browsers reach no records.
pub static BRIDGE_STOPPED: Fault = fault(
    "kfp-metadata-bridge-stopped",
    "The bridge from browsers to ML Metadata is scaled to zero",
    &[Change::Merge(deployment("kubeflow", "metadata-envoy-deployment"), STOPPED)],
);

/// The store does not know what it is asked.
pub static BRIDGE_PATH_CUT: Fault = fault(
    "kfp-metadata-path-cut",
    "The route to ML Metadata takes the service's name out of the path",
    &[Change::Patch(
        object("networking.istio.io/v1beta1", "VirtualService", "kubeflow", "metadata-grpc"),
        r#"[{"op": "replace", "path": "/spec/http/0/rewrite/uri", "value": "/"}]"#,
    )],
)
.shows("VirtualService kubeflow/metadata-grpc");

/// The tenant's keys are nobody's.
pub static TENANT_KEYS_WRONG: Fault = fault(
    "kfp-tenant-keys-wrong",
    "The keys in the tenant's namespace are not those of the object store",
    &[Change::Merge(
        object("v1", "Secret", "kubeflow-user-example-com", "mlpipeline-minio-artifact"),
        r#"{"data":{"accesskey":"bm9ib2R5","secretkey":"bm90LXRoZS1rZXk="}}"#,
    )],
);

/// The store knows other keys than the Secret has.
pub static PLATFORM_KEYS_CHANGED: Fault = fault(
    "kfp-platform-keys-changed",
    "The platform's own keys were changed, and neither the object store nor the API server has started anew",
    &[Change::Merge(
        object("v1", "Secret", "kubeflow", "mlpipeline-minio-artifact"),
        r#"{"data":{"secretkey":"bm90LXRoZS1rZXk="}}"#,
    )],
)
.shows("Secret kubeflow/mlpipeline-minio-artifact");

/// The API server writes with keys that are nobody's.
pub static API_KEYS_WRONG: Fault = fault(
    "kfp-api-keys-wrong",
    "The API server is told a wrong secret key of the object store, and starts anew",
    &[
        Change::Patch(
            API,
            r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
                 "value": {"name": "OBJECTSTORECONFIG_SECRETACCESSKEY", "value": "not-the-key"}}]"#,
        ),
        Change::Merge(API, RESTART),
    ],
)
.shows("OBJECTSTORECONFIG_SECRETACCESSKEY");

/// The artifact server of the tenant reads with keys that are nobody's.
pub static ARTIFACT_KEYS_CHANGED: Fault = fault(
    "kfp-artifact-keys-changed",
    "The artifact server of the tenant's namespace is told a wrong secret key",
    &[Change::Patch(
        deployment("kubeflow-user-example-com", "ml-pipeline-ui-artifact"),
        r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
             "value": {"name": "MINIO_SECRET_KEY", "value": "not-the-key"}}]"#,
    )],
)
.shows("ml-pipeline-ui-artifact");

/// Nobody makes what a new tenant needs.
pub static HOOK_STOPPED: Fault = fault(
    "kfp-profile-hook-stopped",
    "The program that says what a tenant needs to run pipelines is scaled to zero, and the tenant's keys are gone",
    &[
        Change::Merge(HOOK, STOPPED),
        Change::Delete(object("v1", "Secret", "kubeflow-user-example-com", "mlpipeline-minio-artifact")),
    ],
);

/// The UI server may read nothing of the cluster.
pub static UI_RIGHTS_LOST: Fault = fault(
    "kfp-ui-rights-lost",
    "The account of the UI server has no rights in the cluster",
    &[Change::Delete(object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "ml-pipeline-ui"))],
);

/// Every namespace lets everybody in.
pub static NAMESPACES_OPEN: Fault = fault(
    "kfp-namespaces-open",
    "A policy of the root namespace lets everybody into every pod",
    &[Change::Create(
        r#"{"apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "kfp-namespaces-open", "namespace": "istio-system"}, "spec": {"rules": [{}]}}"#,
    )],
)
.shows("AuthorizationPolicies of namespace");

/// Nothing new is kept.
pub static DATABASE_READ_ONLY: Fault = fault(
    "kfp-database-read-only",
    "MySQL was started so that it takes no change, not even of root",
    &[Change::Patch(
        MYSQL,
        r#"[{"op": "add", "path": "/spec/template/spec/containers/0/args",
             "value": ["--datadir", "/var/lib/mysql", "--super-read-only"]}]"#,
    )],
);

/// Nothing new is kept.
pub static DATABASE_FULL: Fault =
    fault("kfp-database-full", "The volume of MySQL takes no more", &[Change::Switch("database-full")])
        .shows("the volume of Deployment kubeflow/mysql");

/// Each connection takes seconds.
pub static DATABASE_STARVED: Fault = fault(
    "kfp-database-starved",
    "MySQL may use a hundredth of a CPU",
    &[Change::Patch(
        MYSQL,
        r#"[{"op": "add", "path": "/spec/template/spec/containers/0/resources/limits", "value": {"cpu": "10m"}}]"#,
    )],
)
.shows("it may use 10m of a CPU");

/// Each statement takes seconds.
pub static DATABASE_STALLS: Fault =
    fault("kfp-database-stalls", "MySQL waits for its disk", &[Change::Switch("database-stalls")])
        .shows("MySQL's server: its client alone");

/// A restart of MySQL loses everything.
pub static DATABASE_FORGETS: Fault = fault(
    "kfp-database-forgets",
    "MySQL's data directory is on no volume claim, and the API server has made its tables there",
    &[
        // Whoever starts anew below must not find the data of before.
        Change::Merge(MYSQL, STOPPED),
        Change::Patch(
            MYSQL,
            r#"[{"op": "remove", "path": "/spec/template/spec/volumes/0/persistentVolumeClaim"},
                {"op": "add", "path": "/spec/template/spec/volumes/0/emptyDir", "value": {}}]"#,
        ),
        Change::Merge(deployment("kubeflow", "ml-pipeline"), RESTART),
        Change::Merge(METADATA, RESTART),
        Change::Merge(MYSQL, STARTED),
    ],
);

/// A restart of the object store loses everything.
pub static STORE_FORGETS: Fault = fault(
    "kfp-store-forgets",
    "The object store keeps its objects on no volume claim, and the API server has made its bucket there",
    &[
        Change::Merge(MINIO, STOPPED),
        Change::Patch(
            MINIO,
            r#"[{"op": "remove", "path": "/spec/template/spec/volumes/0/persistentVolumeClaim"},
                {"op": "add", "path": "/spec/template/spec/volumes/0/emptyDir", "value": {}}]"#,
        ),
        Change::Merge(deployment("kubeflow", "ml-pipeline"), RESTART),
        Change::Merge(MINIO, STARTED),
    ],
);

/// All goes well until ML Metadata starts anew.
pub static METADATA_SETTING_LOST: Fault = fault(
    "kfp-metadata-setting-lost",
    "The ConfigMap lacks the name of ML Metadata's database, and nothing has started anew since",
    &[Change::Merge(object("v1", "ConfigMap", "kubeflow", "pipeline-install-config"), r#"{"data":{"mlmdDb":null}}"#)],
);

/// All goes well until the API server starts anew.
pub static SETTING_LOST: Fault = fault(
    "kfp-setting-lost",
    "The ConfigMap lacks the database's port, and nothing has started anew since",
    &[Change::Merge(
        object("v1", "ConfigMap", "kubeflow", "pipeline-install-config"),
        r#"{"data":{"mysqlPort":null,"dbPort":null}}"#,
    )],
);

/// No result is taken again.
pub static CACHE_FORGETS: Fault = fault(
    "kfp-cache-forgets",
    "Drivers find no execution with the same fingerprint",
    &[Change::Switch("pipelines-cache-forgets")],
);
