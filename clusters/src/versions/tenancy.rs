//! What a profile is made of, and what its members may do: facts that differ by release.

use super::Releases;

/// A label of every profile's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Its key.
    pub key: &'static str,
    /// Its value.
    pub value: &'static str,
    /// What does not work without it.
    pub purpose: &'static str,
    /// The releases whose profile controller sets it.
    pub releases: Releases,
}

const fn label(key: &'static str, value: &'static str, purpose: &'static str) -> Label {
    Label { key, value, purpose, releases: Releases::ALL }
}

/// kubeflow/manifests `apps/profiles/upstream/base/namespace-labels.yaml` (v1.10.2: `applications/profiles/pss`); the
/// label of the mesh is set by kubeflow/kubeflow `components/profile-controller/controllers/profile_controller.go`.
pub(super) static NAMESPACE_LABELS: &[Label] = &[
    label("istio-injection", "enabled", "pods get sidecars, and so an identity in the mesh"),
    label("app.kubernetes.io/part-of", "kubeflow-profile", "PodDefaults, and the network policies of the platform"),
    label("katib.kubeflow.org/metrics-collector-injection", "enabled", "Katib's trials report metrics"),
    label("serving.kubeflow.org/inferenceservice", "enabled", "KServe serves models"),
    label("pipelines.kubeflow.org/enabled", "true", "pipelines have their secrets and settings"),
    Label {
        releases: Releases::V1_10,
        ..label("pod-security.kubernetes.io/enforce", "baseline", "privileged pods are refused")
    },
];

/// The header that names the user to every application.
pub const USERID_HEADER: &str = "kubeflow-userid";
/// Who may send requests to a profile's workloads on behalf of its members: the ingress gateway and the pipelines UI
/// (kubeflow/manifests, ConfigMap `profiles-config`).
pub const ON_BEHALF: [&str; 2] = [
    "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account",
    "cluster.local/ns/kubeflow/sa/ml-pipeline-ui",
];
/// Who may ask a profile's notebooks whether they are idle.
pub const NOTEBOOK_CONTROLLER: &str = "cluster.local/ns/kubeflow/sa/notebook-controller-service-account";

/// The ClusterRoles of a profile's owner, editors and viewers.
pub const ROLES: [&str; 3] = ["kubeflow-admin", "kubeflow-edit", "kubeflow-view"];

/// What the roles may do with a resource in a namespace that they are bound in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// API group, empty for the core.
    pub group: &'static str,
    /// Resource.
    pub resource: &'static str,
    /// Subresource, or empty.
    pub subresource: &'static str,
    /// The verbs of each of [`ROLES`], separated by blanks. Every other verb is denied.
    pub verbs: [&'static str; 3],
    /// The releases in which it is so.
    pub releases: Releases,
}

/// The verbs that are asked for every resource, besides those that a role has.
pub const VERBS: &[&str] = &["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

const ALL: &str = "get list watch create update patch delete deletecollection";
const READ: &str = "get list watch";
const LOOK: &str = "get list";
const NONE: &str = "";

const fn rights(
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    verbs: [&'static str; 3],
) -> Rights {
    Rights { group, resource, subresource, verbs, releases: Releases::ALL }
}

/// kubeflow/manifests `common/kubeflow-roles/base/cluster-roles.yaml` and the ClusterRoles that the applications add to
/// it by the labels `rbac.authorization.kubeflow.org/aggregate-to-kubeflow-{admin,edit,view}`, resolved for each release.
/// Resources of pipelines.kubeflow.org exist in access reviews alone (kubeflow/pipelines
/// `backend/src/apiserver/common/const.go`).
pub(super) static RIGHTS: &[Rights] = &[
    rights("kubeflow.org", "notebooks", "", [ALL, ALL, READ]),
    rights("kubeflow.org", "notebooks", "status", [ALL, ALL, READ]),
    rights("", "pods", "", [ALL, ALL, READ]),
    rights("", "pods", "log", [READ, READ, READ]),
    rights("", "pods", "exec", [ALL, ALL, NONE]),
    rights("", "secrets", "", [ALL, ALL, NONE]),
    rights("", "configmaps", "", [ALL, ALL, READ]),
    rights("", "events", "", [READ, READ, READ]),
    rights("", "services", "", [ALL, ALL, READ]),
    rights(
        "",
        "serviceaccounts",
        "",
        [
            "get list watch create update patch delete deletecollection impersonate",
            "get list watch create update patch delete deletecollection impersonate",
            READ,
        ],
    ),
    rights("", "persistentvolumeclaims", "", [ALL, ALL, READ]),
    rights("kubeflow.org", "poddefaults", "", ["get list watch create delete", "get list watch create delete", READ]),
    rights("kubeflow.org", "pvcviewers", "", ["get list create delete", "get list create delete", LOOK]),
    rights("tensorboard.kubeflow.org", "tensorboards", "", ["get list create delete", "get list create delete", LOOK]),
    rights(
        "pipelines.kubeflow.org",
        "runs",
        "",
        [
            "get list create delete archive unarchive terminate retry readArtifact reportMetrics",
            "get list create delete archive unarchive terminate retry readArtifact reportMetrics",
            "get list readArtifact",
        ],
    ),
    rights(
        "pipelines.kubeflow.org",
        "experiments",
        "",
        ["get list create delete archive unarchive", "get list create delete archive unarchive", LOOK],
    ),
    rights(
        "pipelines.kubeflow.org",
        "jobs",
        "",
        ["get list create delete enable disable", "get list create delete enable disable", LOOK],
    ),
    rights(
        "pipelines.kubeflow.org",
        "pipelines",
        "",
        ["get list create update delete", "get list create update delete", LOOK],
    ),
    rights(
        "pipelines.kubeflow.org",
        "pipelines",
        "versions",
        ["get list create update delete", "get list create update delete", LOOK],
    ),
    rights("pipelines.kubeflow.org", "visualizations", "", ["create", "create", "create"]),
    rights("argoproj.io", "workflows", "", [ALL, ALL, NONE]),
    rights("kubeflow.org", "experiments", "", [ALL, ALL, READ]),
    rights("kubeflow.org", "trials", "", [ALL, ALL, READ]),
    rights("kubeflow.org", "suggestions", "", [ALL, ALL, READ]),
    rights(
        "kubeflow.org",
        "pytorchjobs",
        "",
        ["get list watch create update patch delete", "get list watch create update patch delete", READ],
    ),
    rights(
        "kubeflow.org",
        "tfjobs",
        "",
        ["get list watch create update patch delete", "get list watch create update patch delete", READ],
    ),
    rights("kubeflow.org", "scheduledworkflows", "", [ALL, ALL, NONE]),
    rights("kubeflow.org", "viewers", "", ["get create delete", "get create delete", "get create delete"]),
    Rights {
        releases: Releases::UNTIL_1_9,
        ..rights("sparkoperator.k8s.io", "sparkapplications", "", [NONE, NONE, NONE])
    },
    Rights {
        releases: Releases::V1_10,
        ..rights(
            "sparkoperator.k8s.io",
            "sparkapplications",
            "",
            ["get list watch create update patch delete", "get list watch create update patch delete", READ],
        )
    },
    rights("serving.kserve.io", "inferenceservices", "", [ALL, ALL, READ]),
    rights("serving.knative.dev", "services", "", [ALL, ALL, READ]),
    rights("kubeflow.org", "profiles", "", [NONE, NONE, NONE]),
    rights("rbac.authorization.k8s.io", "rolebindings", "", [ALL, NONE, NONE]),
    rights("rbac.authorization.k8s.io", "roles", "", [ALL, NONE, NONE]),
    rights("rbac.authorization.k8s.io", "clusterroles", "", [NONE, NONE, NONE]),
    rights("", "namespaces", "", [READ, READ, READ]),
    rights("", "resourcequotas", "", [READ, READ, READ]),
    rights("", "limitranges", "", [READ, READ, READ]),
    rights("", "nodes", "", [NONE, NONE, NONE]),
    rights("apps", "deployments", "", [ALL, ALL, READ]),
    rights("apps", "statefulsets", "", [ALL, ALL, READ]),
    rights("batch", "jobs", "", [ALL, ALL, READ]),
    rights("networking.k8s.io", "networkpolicies", "", [ALL, ALL, READ]),
    Rights { releases: Releases::UNTIL_1_9, ..rights("networking.istio.io", "virtualservices", "", [ALL, ALL, READ]) },
    Rights { releases: Releases::V1_10, ..rights("networking.istio.io", "virtualservices", "", [READ, READ, READ]) },
    rights("security.istio.io", "authorizationpolicies", "", [NONE, NONE, NONE]),
    rights("storage.k8s.io", "storageclasses", "", [READ, READ, READ]),
    rights("authorization.k8s.io", "localsubjectaccessreviews", "", ["create", NONE, NONE]),
];

#[cfg(test)]
mod tests {
    use super::super::VERSIONS;

    #[test]
    fn an_owner_may_all_that_an_editor_may_and_an_editor_all_that_a_viewer_may() {
        for version in VERSIONS {
            for row in version.rights() {
                let [owner, editor, viewer] = row.verbs.map(|verbs| verbs.split(' ').collect::<Vec<_>>());
                let has = |more: &[&str], less: &[&str]| less.iter().all(|verb| verb.is_empty() || more.contains(verb));
                assert!(has(&owner, &editor) && has(&editor, &viewer), "{}: {row:?}", version.kubeflow);
            }
        }
    }

    #[test]
    fn each_resource_stands_once_in_a_release() {
        for version in VERSIONS {
            let mut keys: Vec<_> = version.rights().map(|row| (row.group, row.resource, row.subresource)).collect();
            let count = keys.len();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), count, "{}", version.kubeflow);
        }
    }
}
