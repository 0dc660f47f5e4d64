//! Faults that the checks of the suite `katib` must notice.

use clusters::versions::Contract;
use harness::fault::{Ref, fault, object};
use harness::{Change, Fault};

use super::{CUSTOM_POLICY, DENY_POLICY, ENVOY_GATE, deployment, restart};

const CONTROLLER: Ref = deployment("kubeflow", "katib-controller");
const DB_MANAGER: Ref = deployment("kubeflow", "katib-db-manager");
const MYSQL: Ref = deployment("kubeflow", "katib-mysql");
const UI: Ref = deployment("kubeflow", "katib-ui");
const CONFIG: Ref = object("v1", "ConfigMap", "kubeflow", "katib-config");
const CONFIG_FILE: &str = "katib-config.yaml";
const CONTROLLER_ROLE: Ref = object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "katib-controller");
const UI_ROLE: Ref = object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "katib-ui");
const STOPPED: &str = r#"{"spec":{"replicas":0}}"#;
/// Of two variables of a name the last one counts.
const NOBODY_ASKED: Change = Change::Patch(
    UI,
    r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
         "value": {"name": "APP_DISABLE_AUTH", "value": "true"}}]"#,
);

/// Nobody moves experiments, and nobody admits pods of users.
pub static CONTROLLER_STOPPED: Fault =
    fault("katib-controller-stopped", "Katib's controller is scaled to zero", &[Change::Merge(CONTROLLER, STOPPED)]);

/// No trial gets rid of what it measured.
pub static DB_MANAGER_STOPPED: Fault =
    fault("katib-db-manager-stopped", "DBManager is scaled to zero", &[Change::Merge(DB_MANAGER, STOPPED)]);

/// No rows can be read.
pub static DATABASE_STOPPED: Fault =
    fault("katib-database-stopped", "Katib's MySQL is scaled to zero", &[Change::Merge(MYSQL, STOPPED)]);

/// The Secret and the database have parted.
pub static PASSWORD_CHANGED: Fault = fault(
    "katib-password-changed",
    "Secret katib-mysql-secrets has another password than the database",
    &[Change::Merge(
        object("v1", "Secret", "kubeflow", "katib-mysql-secrets"),
        r#"{"data":{"MYSQL_ROOT_PASSWORD":"d3Jvbmc="}}"#,
    )],
);

/// A new pod of MySQL begins without any rows.
pub static DATABASE_ON_NO_CLAIM: Fault = fault(
    "katib-database-on-no-claim",
    "The data directory of Katib's MySQL is on no volume claim",
    &[Change::Patch(
        MYSQL,
        r#"[{"op": "remove", "path": "/spec/template/spec/volumes/0/persistentVolumeClaim"},
            {"op": "add", "path": "/spec/template/spec/volumes/0/emptyDir", "value": {}}]"#,
    )],
);

/// DBManager keeps its rows in a database that nobody backs up.
pub static ROWS_ELSEWHERE: Fault = fault(
    "katib-rows-elsewhere",
    "DBManager uses another MySQL than the bundled one",
    &[
        Change::Create(
            r#"{"apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "katib-mysql-elsewhere", "namespace": "kubeflow"},
                "spec": {"selector": {"app": "katib-mysql-elsewhere"}, "ports": [{"port": 3306, "targetPort": 3306}]}}"#,
        ),
        Change::Create(
            r#"{"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "katib-mysql-elsewhere", "namespace": "kubeflow"},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "katib-mysql-elsewhere"}},
                  "template": {"metadata": {"labels": {"app": "katib-mysql-elsewhere", "sidecar.istio.io/inject": "false"}},
                    "spec": {"containers": [{"name": "mysql", "image": "mysql:8.0.29",
                      "env": [{"name": "MYSQL_DATABASE", "value": "katib"},
                              {"name": "MYSQL_ROOT_PASSWORD", "valueFrom": {"secretKeyRef":
                                {"name": "katib-mysql-secrets", "key": "MYSQL_ROOT_PASSWORD"}}}],
                      "ports": [{"containerPort": 3306}]}]}}}}"#,
        ),
        Change::Patch(
            DB_MANAGER,
            r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
                 "value": {"name": "KATIB_MYSQL_DB_HOST", "value": "katib-mysql-elsewhere"}}]"#,
        ),
    ],
);

/// A controller of the standalone install that was left.
pub static CONTROLLER_OF_ANOTHER_RELEASE: Fault = fault(
    "katib-controller-of-another-release",
    "Katib's controller is of release v0.15.0",
    &[Change::Patch(
        CONTROLLER,
        r#"[{"op": "replace", "path": "/spec/template/spec/containers/0/image",
             "value": "docker.io/kubeflowkatib/katib-controller:v0.15.0"}]"#,
    )],
);

/// Half of an upgrade.
pub static COLLECTOR_OF_ANOTHER_RELEASE: Fault = fault(
    "katib-collector-of-another-release",
    "katib-config names a metrics collector of another release",
    &[Change::Replace {
        object: CONFIG,
        key: CONFIG_FILE,
        find: "file-metrics-collector:v0.1",
        put: "file-metrics-collector:v0.0.1",
    }],
);

/// An algorithm that every release has.
pub static ALGORITHM_MISSING: Fault = fault(
    "katib-algorithm-missing",
    "katib-config knows no algorithm grid",
    &[Change::Replace { object: CONFIG, key: CONFIG_FILE, find: "algorithmName: grid", put: "algorithmName: grill" }],
);

/// The service of the grid is another algorithm's.
pub static GRID_SERVED_BY_ANOTHER: Fault = fault(
    "katib-grid-served-by-another",
    "katib-config names the image of another algorithm's service where the grid's stood",
    &[Change::Replace { object: CONFIG, key: CONFIG_FILE, find: "suggestion-optuna:", put: "suggestion-skopt:" }],
);

/// No suggestion's service starts.
pub static SUGGESTION_IMAGE_MALFORMED: Fault = fault(
    "katib-suggestion-image-malformed",
    "katib-config names images of suggestion services that no registry can have",
    &[Change::Replace { object: CONFIG, key: CONFIG_FILE, find: "/suggestion-", put: "/Suggestion-" }],
);

/// No trial is measured.
pub static COLLECTOR_IMAGE_MALFORMED: Fault = fault(
    "katib-collector-image-malformed",
    "katib-config names images of metrics collectors that no registry can have",
    &[Change::Replace {
        object: CONFIG,
        key: CONFIG_FILE,
        find: "/file-metrics-collector",
        put: "/File-metrics-collector",
    }],
);

/// Experiments stay as they were sent.
pub static DEFAULTER_REMOVED: Fault = fault(
    "katib-defaulter-removed",
    "Katib's MutatingWebhookConfiguration is gone",
    &[Change::Delete(object(
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        "",
        "katib.kubeflow.org",
    ))],
)
.shows("MutatingWebhookConfiguration katib.kubeflow.org");

/// Whatever is sent is taken.
pub static VALIDATOR_REMOVED: Fault = fault(
    "katib-validator-removed",
    "Katib's ValidatingWebhookConfiguration is gone",
    &[Change::Delete(object(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        "",
        "katib.kubeflow.org",
    ))],
)
.shows("ValidatingWebhookConfiguration katib.kubeflow.org");

/// New namespaces are none for experiments.
pub static LABEL_NOT_GIVEN: Fault = fault(
    "katib-label-not-given",
    "The profile controller no longer labels namespaces for metrics collection",
    &[
        Change::Replace {
            object: object("v1", "ConfigMap", "kubeflow", "namespace-labels-data-*"),
            key: "namespace-labels.yaml",
            find: "katib.kubeflow.org/metrics-collector-injection",
            put: "katib.example.com/metrics-collector-injection",
        },
        restart(deployment("kubeflow", "profiles-deployment")),
    ],
);

/// The page has no templates to begin with.
pub static TEMPLATES_HIDDEN: Fault = fault(
    "katib-templates-hidden",
    "ConfigMap trial-templates has lost its label",
    &[Change::Merge(
        object("v1", "ConfigMap", "kubeflow", "trial-templates"),
        r#"{"metadata":{"labels":{"katib.kubeflow.org/component":null}}}"#,
    )],
);

/// The controller plans, and nothing runs.
pub static CONTROLLER_MAKES_NO_JOBS: Fault = fault(
    "katib-controller-makes-no-jobs",
    "The role of Katib's controller lacks jobs",
    &[Change::Merge(
        CONTROLLER_ROLE,
        r#"{"rules": [
            {"apiGroups": [""], "resources": ["services", "configmaps", "namespaces", "pods"], "verbs": ["*"]},
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]},
            {"apiGroups": ["kubeflow.org"], "resources": ["experiments", "experiments/status", "trials", "trials/status",
              "suggestions", "suggestions/status"], "verbs": ["*"]}]}"#,
    )],
);

/// What the controller has made stays.
pub static CONTROLLER_REMOVES_NOTHING: Fault = fault(
    "katib-controller-removes-nothing",
    "The role of Katib's controller lacks the deletion of Deployments",
    &[Change::Merge(
        CONTROLLER_ROLE,
        r#"{"rules": [
            {"apiGroups": [""], "resources": ["services", "configmaps", "namespaces", "pods"],
             "verbs": ["get", "list", "watch", "create"]},
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch", "create"]},
            {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["*"]},
            {"apiGroups": ["kubeflow.org"], "resources": ["experiments", "experiments/status", "trials", "trials/status",
              "suggestions", "suggestions/status"], "verbs": ["*"]}]}"#,
    )],
);

/// Suggestions' pods get a proxy that nobody outside of the mesh can speak to.
pub static SUGGESTIONS_IN_THE_MESH: Fault = fault(
    "katib-suggestions-in-the-mesh",
    "A PodDefault of the default Profile labels the pods of suggestions into the mesh",
    &[Change::Create(
        r#"{"apiVersion": "kubeflow.org/v1alpha1", "kind": "PodDefault",
            "metadata": {"name": "everything-in-the-mesh", "namespace": "kubeflow-user-example-com"},
            "spec": {"desc": "in the mesh", "labels": {"sidecar.istio.io/inject": "true"},
              "selector": {"matchExpressions": [{"key": "katib.kubeflow.org/suggestion", "operator": "Exists"}]}}}"#,
    )],
);

/// The UI server may nothing.
pub static UI_RIGHTS_LOST: Fault = fault(
    "katib-ui-rights-lost",
    "The account of Katib's UI server has no rights in the cluster",
    &[Change::Delete(object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "katib-ui"))],
);

/// The page shows experiments without what they tried.
pub static UI_READS_NO_TRIALS: Fault = fault(
    "katib-ui-reads-no-trials",
    "The role of Katib's UI server lacks trials and suggestions",
    &[Change::Merge(
        UI_ROLE,
        r#"{"rules": [
            {"apiGroups": [""], "resources": ["configmaps", "namespaces"], "verbs": ["*"]},
            {"apiGroups": ["kubeflow.org"], "resources": ["experiments"], "verbs": ["*"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
            {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
            {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]}]}"#,
    )],
);

/// The page shows no logs.
pub static UI_READS_NO_LOGS: Fault = fault(
    "katib-ui-reads-no-logs",
    "The role of Katib's UI server lacks the logs of pods",
    &[Change::Merge(
        UI_ROLE,
        r#"{"rules": [
            {"apiGroups": [""], "resources": ["configmaps", "namespaces"], "verbs": ["*"]},
            {"apiGroups": ["kubeflow.org"], "resources": ["experiments", "trials", "suggestions"], "verbs": ["*"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
            {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]}]}"#,
    )],
);

/// The page makes, but does not take away.
pub static UI_MAY_NOT_DELETE: Fault = fault(
    "katib-ui-may-not-delete",
    "The role of Katib's UI server lacks the deletion of experiments",
    &[Change::Merge(
        UI_ROLE,
        r#"{"rules": [
            {"apiGroups": [""], "resources": ["configmaps", "namespaces"], "verbs": ["*"]},
            {"apiGroups": ["kubeflow.org"], "resources": ["experiments", "trials", "suggestions"],
             "verbs": ["get", "list", "watch", "create"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
            {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
            {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]}]}"#,
    )],
);

/// The page looks for metrics where nobody is.
pub static UI_ASKS_ANOTHER_MANAGER: Fault = fault(
    "katib-ui-asks-another-manager",
    "Katib's UI server looks for DBManager under another name",
    &[Change::Patch(
        UI,
        r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
             "value": {"name": "KATIB_DB_MANAGER_SERVICE_IP", "value": "katib-manager"}}]"#,
    )],
);

/// Whoever comes sees everything.
pub static NOBODY_IS_ASKED: Fault =
    fault("katib-nobody-is-asked", "Katib's UI server asks nobody who they are", &[NOBODY_ASKED]);

/// Neither the guard nor the UI server asks.
pub static OPEN_A: Fault = fault(
    "katib-open-a",
    "No filter asks for a login, and Katib's UI server asks nobody who they are",
    &[Change::Delete(ENVOY_GATE), NOBODY_ASKED],
)
.only(&[Contract::A]);

/// Neither the guard nor the UI server asks.
pub static OPEN_B: Fault = fault(
    "katib-open-b",
    "No policy asks for a login, and Katib's UI server asks nobody who they are",
    &[Change::Delete(CUSTOM_POLICY), Change::Delete(DENY_POLICY), NOBODY_ASKED],
)
.only(&[Contract::B]);

/// The user may do everything everywhere.
pub static USER_EDITS_EVERYWHERE: Fault = fault(
    "katib-user-edits-everywhere",
    "A binding gives the user rights on everybody's experiments",
    &[Change::Create(
        r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "katib-user-edits-everywhere"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kubeflow-katib-edit"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "user@example.com"}]}"#,
    )],
);

/// Who was let in to look works.
pub static VIEWERS_MAKE_EXPERIMENTS: Fault = fault(
    "katib-viewers-make-experiments",
    "The role of viewers lets them make experiments",
    &[Change::Merge(
        object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "kubeflow-katib-view"),
        r#"{"rules": [{"apiGroups": ["kubeflow.org"], "resources": ["experiments", "trials", "suggestions"],
            "verbs": ["get", "list", "watch", "create"]}]}"#,
    )],
);

/// Who was let in to work looks.
pub static EDITORS_MAKE_NOTHING: Fault = fault(
    "katib-editors-make-nothing",
    "The role of editors lets them look at experiments only",
    &[Change::Merge(
        object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "kubeflow-katib-edit"),
        r#"{"rules": [{"apiGroups": ["kubeflow.org"], "resources": ["experiments", "trials", "suggestions"],
            "verbs": ["get", "list", "watch"]}]}"#,
    )],
);

/// More trials at once than was said.
pub static PARALLEL_UNBOUNDED: Fault = fault(
    "katib-parallel-unbounded",
    "Katib's controller does not keep to parallelTrialCount",
    &[Change::Switch("katib-parallel-unbounded")],
);

/// More trials in all than was said.
pub static TRIALS_UNBOUNDED: Fault = fault(
    "katib-trials-unbounded",
    "Katib's controller does not keep to maxTrialCount",
    &[Change::Switch("katib-trials-unbounded")],
);

/// No end at the goal.
pub static GOAL_IGNORED: Fault = fault(
    "katib-goal-ignored",
    "Katib's controller does not end experiments that have reached their goal",
    &[Change::Switch("katib-goal-ignored")],
);
