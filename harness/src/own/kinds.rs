//! Every kind of object that a check may create. The janitor looks for these, and who reviews what a run may do to a
//! cluster finds it here.

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// API group; empty for the core.
    pub group: &'static str,
    /// A version that every supported release serves.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// The resource's name in URLs.
    pub plural: &'static str,
    /// Whether it lives in a namespace.
    pub namespaced: bool,
}

const fn namespaced(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { group, version, kind, plural, namespaced: true }
}

const fn cluster(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { group, version, kind, plural, namespaced: false }
}

/// All of them. What others live in comes last, because leftovers are removed in this order.
pub const KINDS: &[Kind] = &[
    namespaced("", "v1", "ConfigMap", "configmaps"),
    namespaced("", "v1", "Pod", "pods"),
    namespaced("", "v1", "Secret", "secrets"),
    namespaced("", "v1", "Service", "services"),
    namespaced("", "v1", "ServiceAccount", "serviceaccounts"),
    namespaced("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    namespaced("apps", "v1", "Deployment", "deployments"),
    namespaced("batch", "v1", "Job", "jobs"),
    namespaced("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    namespaced("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    namespaced("networking.istio.io", "v1beta1", "VirtualService", "virtualservices"),
    namespaced("security.istio.io", "v1beta1", "AuthorizationPolicy", "authorizationpolicies"),
    namespaced("kubeflow.org", "v1", "Notebook", "notebooks"),
    namespaced("kubeflow.org", "v1alpha1", "PodDefault", "poddefaults"),
    namespaced("kubeflow.org", "v1alpha1", "PVCViewer", "pvcviewers"),
    namespaced("kubeflow.org", "v1beta1", "Experiment", "experiments"),
    namespaced("kubeflow.org", "v1", "TFJob", "tfjobs"),
    namespaced("kubeflow.org", "v1", "PyTorchJob", "pytorchjobs"),
    namespaced("tensorboard.kubeflow.org", "v1alpha1", "Tensorboard", "tensorboards"),
    namespaced("argoproj.io", "v1alpha1", "Workflow", "workflows"),
    namespaced("serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices"),
    cluster("kubeflow.org", "v1", "Profile", "profiles"),
    cluster("", "v1", "Namespace", "namespaces"),
];
