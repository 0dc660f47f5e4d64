//! Faults that the checks of the suites `pipelines` and `data` must notice.

use clusters::versions::{Contract, Releases};
use harness::fault::{Ref, fault, object};
use harness::{Change, Fault};

use super::{CUSTOM_POLICY, DENY_POLICY, ENVOY_GATE, deployment, policy};

const API: Ref = deployment("kubeflow", "ml-pipeline");
const MYSQL: Ref = deployment("kubeflow", "mysql");
pub(super) const STOPPED: &str = r#"{"spec":{"replicas":0}}"#;
/// The old pod goes before the new one comes: a new one that never gets ready would leave the old one at work.
pub(super) const RESTART: &str = r#"{"spec":{"strategy":{"type":"Recreate","rollingUpdate":null},
    "template":{"metadata":{"annotations":{"conformance.kubeflow.org/fault":"restart"}}}}}"#;
/// Of two variables of a name the last one counts.
const NOT_MULTI_USER: Change = Change::Patch(
    API,
    r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
         "value": {"name": "MULTIUSER", "value": "false"}}]"#,
);

/// Nobody answers behind the UI server.
pub static API_STOPPED: Fault =
    fault("kfp-api-stopped", "The API server of Kubeflow Pipelines is scaled to zero", &[Change::Merge(API, STOPPED)]);

/// The way from the UI server leads nowhere.
pub static API_SERVICE_ASTRAY: Fault = fault(
    "kfp-api-service-astray",
    "The Service of the API server selects no pod",
    &[Change::Merge(object("v1", "Service", "kubeflow", "ml-pipeline"), r#"{"spec":{"selector":{"app":"astray"}}}"#)],
);

/// The API server has no name.
pub static API_SERVICE_REMOVED: Fault = fault(
    "kfp-api-service-removed",
    "The Service of the API server is gone",
    &[Change::Delete(object("v1", "Service", "kubeflow", "ml-pipeline"))],
);

/// No rows can be read.
pub static DATABASE_STOPPED: Fault =
    fault("kfp-database-stopped", "The bundled MySQL is scaled to zero", &[Change::Merge(MYSQL, STOPPED)]);

/// The API server is told another password than MySQL has.
pub static DATABASE_PASSWORD_CHANGED: Fault = fault(
    "kfp-database-password-changed",
    "The Secret has another password than MySQL, and the API server starts anew",
    &[
        Change::Merge(object("v1", "Secret", "kubeflow", "mysql-secret"), r#"{"data":{"password":"d3Jvbmc="}}"#),
        Change::Merge(API, RESTART),
    ],
);

/// MySQL's sidecar lets the API server in no more.
pub static DATABASE_CLOSED: Fault = fault(
    "kfp-database-closed",
    "The policy of MySQL lets only an account in that nobody has",
    &[Change::Merge(
        policy("kubeflow", "mysql"),
        r#"{"spec":{"rules":[{"from":[{"source":{"principals":["cluster.local/ns/kubeflow/sa/nobody"]}}]}]}}"#,
    )],
);

/// A new pod of MySQL begins without any rows.
pub static DATABASE_EMPTIED: Fault = fault(
    "kfp-database-emptied",
    "MySQL's data directory is on no volume claim",
    &[Change::Patch(
        MYSQL,
        r#"[{"op": "remove", "path": "/spec/template/spec/volumes/0/persistentVolumeClaim"},
            {"op": "add", "path": "/spec/template/spec/volumes/0/emptyDir", "value": {}}]"#,
    )],
);

/// The name of a MySQL that does not come with the platform.
pub(super) const OTHER_MYSQL_SERVICE: Change = Change::Create(
    r#"{"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "mysql-elsewhere", "namespace": "kubeflow"},
        "spec": {"selector": {"app": "mysql-elsewhere"}, "ports": [{"port": 3306, "targetPort": 3306}]}}"#,
);
/// That MySQL, which keeps nothing.
pub(super) const OTHER_MYSQL: Change = Change::Create(
    r#"{"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "mysql-elsewhere", "namespace": "kubeflow"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "mysql-elsewhere"}},
          "template": {"metadata": {"labels": {"app": "mysql-elsewhere", "sidecar.istio.io/inject": "false"}},
            "spec": {"containers": [{"name": "mysql", "image": "mysql:8.0.29",
              "env": [{"name": "MYSQL_ALLOW_EMPTY_PASSWORD", "value": "true"}],
              "ports": [{"containerPort": 3306}]}]}}}}"#,
);

/// The API server keeps its rows in a database that nobody backs up.
pub static ROWS_ELSEWHERE: Fault = fault(
    "kfp-rows-elsewhere",
    "The API server uses another MySQL than the bundled one",
    &[
        OTHER_MYSQL_SERVICE,
        OTHER_MYSQL,
        Change::Merge(
            object("v1", "ConfigMap", "kubeflow", "pipeline-install-config"),
            r#"{"data":{"mysqlHost":"mysql-elsewhere"}}"#,
        ),
        Change::Merge(API, RESTART),
    ],
);

/// The API server may not ask who may do what.
pub static API_RIGHTS_LOST: Fault = fault(
    "kfp-api-rights-lost",
    "The account of the API server has no rights in the cluster",
    &[Change::Delete(object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "ml-pipeline"))],
);

/// The API server may ask, but not make Workflows.
pub static API_MAKES_NO_WORKFLOWS: Fault = fault(
    "kfp-api-makes-no-workflows",
    "The role of the API server lacks workflows",
    &[Change::Merge(
        object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "ml-pipeline"),
        r#"{"rules": [
            {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
            {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
            {"apiGroups": ["kubeflow.org"], "resources": ["scheduledworkflows"], "verbs": ["*"]}]}"#,
    )],
);

/// Owners may look, but make nothing.
pub static EDITING_LOST: Fault = fault(
    "kfp-editing-lost",
    "The role is gone by which owners make anything in Kubeflow Pipelines",
    &[Change::Delete(object(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        "",
        "aggregate-to-kubeflow-pipelines-edit",
    ))],
);

/// The user may do everything everywhere.
pub static EVERYBODY_EDITS: Fault = fault(
    "kfp-everybody-edits",
    "A binding gives the user rights on everybody's pipelines",
    &[Change::Create(
        r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "kfp-everybody-edits"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kubeflow-pipelines-edit"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "user@example.com"}]}"#,
    )],
);

/// Who may only look starts runs.
pub static VIEWERS_RUN: Fault = fault(
    "kfp-viewers-run",
    "The role of viewers has got the right to start runs",
    &[Change::Create(
        r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "kfp-viewers-run",
                         "labels": {"rbac.authorization.kubeflow.org/aggregate-to-kubeflow-view": "true"}},
            "rules": [{"apiGroups": ["pipelines.kubeflow.org"], "resources": ["runs"], "verbs": ["create"]}]}"#,
    )],
)
.shows("kfp-viewers-run");

/// A notebook may do everything everywhere.
pub static NOTEBOOKS_EDIT_EVERYWHERE: Fault = fault(
    "kfp-notebooks-edit-everywhere",
    "A binding gives the account of a user's notebooks rights on everybody's pipelines",
    &[Change::Create(
        r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "kfp-notebooks-edit-everywhere"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kubeflow-pipelines-edit"},
            "subjects": [{"kind": "ServiceAccount", "name": "default-editor", "namespace": "kubeflow-user-example-com"}]}"#,
    )],
);

/// Nobody is asked who they are.
pub static SINGLE_USER: Fault =
    fault("kfp-single-user", "The API server knows of no namespaces and users", &[NOT_MULTI_USER]);

/// Neither the guard nor the API server asks.
pub static OPEN_A: Fault = fault(
    "kfp-open-a",
    "No filter asks for a login, and the API server asks nobody who they are",
    &[Change::Delete(ENVOY_GATE), NOT_MULTI_USER],
)
.only(&[Contract::A]);

/// Neither the guard nor the API server asks.
pub static OPEN_B: Fault = fault(
    "kfp-open-b",
    "No policy asks for a login, and the API server asks nobody who they are",
    &[Change::Delete(CUSTOM_POLICY), Change::Delete(DENY_POLICY), NOT_MULTI_USER],
)
.only(&[Contract::B]);

/// Nothing moves Workflows.
pub static WORKFLOWS_STOPPED: Fault = fault(
    "kfp-workflows-stopped",
    "Argo's workflow controller is scaled to zero",
    &[Change::Merge(deployment("kubeflow", "workflow-controller"), STOPPED)],
);

/// Nobody tells the API what becomes of Workflows.
pub static AGENT_STOPPED: Fault = fault(
    "kfp-agent-stopped",
    "The persistence agent is scaled to zero",
    &[Change::Merge(deployment("kubeflow", "ml-pipeline-persistenceagent"), STOPPED)],
);

/// Runs work with an account that may only look.
pub static OTHER_RUNNER: Fault = fault(
    "kfp-other-runner",
    "Runs get the namespace's account for viewers",
    &[Change::Patch(
        API,
        r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
             "value": {"name": "DEFAULTPIPELINERUNNERSERVICEACCOUNT", "value": "default-viewer"}}]"#,
    )],
);

/// No schedule fires.
pub static SCHEDULES_STOPPED: Fault = fault(
    "kfp-schedules-stopped",
    "The controller of recurring runs is scaled to zero",
    &[Change::Merge(deployment("kubeflow", "ml-pipeline-scheduledworkflow"), STOPPED)],
);

/// The controller of recurring runs is refused all that it makes.
pub static SCHEDULES_POWERLESS: Fault = fault(
    "kfp-schedules-powerless",
    "The controller of recurring runs has lost its rights in users' namespaces",
    &[Change::Delete(object(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "",
        "ml-pipeline-scheduledworkflow-binding",
    ))],
);

/// To the API server the controller of recurring runs is nobody.
pub static SCHEDULES_NAMELESS: Fault = fault(
    "kfp-swf-no-identity",
    "The controller of recurring runs has no token for the API server in its volume",
    &[Change::Patch(
        deployment("kubeflow", "ml-pipeline-scheduledworkflow"),
        r#"[{"op": "replace", "path": "/spec/template/spec/volumes/0/projected/sources", "value": []}]"#,
    )],
)
.of(Releases::V1_10);

/// The API server may make Workflows, but not what a second try takes.
pub static RETRIES_REFUSED: Fault = fault(
    "kfp-api-deletes-no-pods",
    "The role of the API server lets it make and change Workflows, and remove no pods",
    &[Change::Merge(
        object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "ml-pipeline"),
        r#"{"rules": [
            {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
            {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
            {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]},
            {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["*"]},
            {"apiGroups": ["kubeflow.org"], "resources": ["scheduledworkflows"], "verbs": ["*"]}]}"#,
    )],
);

/// The registry of a run's images is out of reach.
pub static IMAGES_CUT_OFF: Fault = fault(
    "kfp-images-cut-off",
    "The nodes cannot pull the image of the suite's pipelines",
    &[Change::Switch("image-cannot-be-pulled=busybox")],
)
.shows("busybox");
