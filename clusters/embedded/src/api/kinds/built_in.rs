//! The resources that every Kubernetes has, as data. Order is that of discovery; names, scopes, short names and
//! subresources follow Kubernetes 1.34's discovery documents.

use super::Row;

const fn namespaced(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Row {
    Row { group, version, kind, plural, namespaced: true, ..Row::EMPTY }
}

const fn cluster(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Row {
    Row { group, version, kind, plural, namespaced: false, ..Row::EMPTY }
}

const fn review(group: &'static str, kind: &'static str, plural: &'static str) -> Row {
    Row { group, version: "v1", kind, plural, stored: false, ..Row::EMPTY }
}

const STATUS: &[&str] = &["status"];
const STATUS_SCALE: &[&str] = &["scale", "status"];
const ADMISSION: &str = "admissionregistration.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";
const FLOW: &str = "flowcontrol.apiserver.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const RESOURCE: &str = "resource.k8s.io";
const STORAGE: &str = "storage.k8s.io";
const POD: &[&str] = &[
    "attach",
    "binding",
    "ephemeralcontainers",
    "eviction",
    "exec",
    "log",
    "portforward",
    "proxy",
    "resize",
    "status",
];

/// All of them.
pub(super) const ROWS: &[Row] = &[
    Row { namespaced: true, stored: false, ..review("", "Binding", "bindings") },
    cluster("", "v1", "ComponentStatus", "componentstatuses").short(&["cs"]),
    namespaced("", "v1", "ConfigMap", "configmaps").short(&["cm"]),
    namespaced("", "v1", "Endpoints", "endpoints").short(&["ep"]).singular("endpoints"),
    namespaced("", "v1", "Event", "events").short(&["ev"]),
    namespaced("", "v1", "LimitRange", "limitranges").short(&["limits"]),
    cluster("", "v1", "Namespace", "namespaces").short(&["ns"]).sub(&["finalize", "status"]),
    cluster("", "v1", "Node", "nodes").short(&["no"]).sub(&["proxy", "status"]),
    namespaced("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims").short(&["pvc"]).sub(STATUS),
    cluster("", "v1", "PersistentVolume", "persistentvolumes").short(&["pv"]).sub(STATUS),
    namespaced("", "v1", "Pod", "pods").short(&["po"]).all().sub(POD).generation(),
    namespaced("", "v1", "PodTemplate", "podtemplates"),
    namespaced("", "v1", "ReplicationController", "replicationcontrollers")
        .short(&["rc"])
        .all()
        .sub(STATUS_SCALE)
        .generation(),
    namespaced("", "v1", "ResourceQuota", "resourcequotas").short(&["quota"]).sub(STATUS),
    namespaced("", "v1", "Secret", "secrets"),
    namespaced("", "v1", "ServiceAccount", "serviceaccounts").short(&["sa"]).sub(&["token"]),
    namespaced("", "v1", "Service", "services").short(&["svc"]).all().sub(&["proxy", "status"]),
    cluster("apiregistration.k8s.io", "v1", "APIService", "apiservices").api_extensions().sub(STATUS),
    namespaced("apps", "v1", "ControllerRevision", "controllerrevisions"),
    namespaced("apps", "v1", "DaemonSet", "daemonsets").short(&["ds"]).all().sub(STATUS).generation(),
    namespaced("apps", "v1", "Deployment", "deployments").short(&["deploy"]).all().sub(STATUS_SCALE).generation(),
    namespaced("apps", "v1", "ReplicaSet", "replicasets").short(&["rs"]).all().sub(STATUS_SCALE).generation(),
    namespaced("apps", "v1", "StatefulSet", "statefulsets").short(&["sts"]).all().sub(STATUS_SCALE).generation(),
    namespaced("events.k8s.io", "v1", "Event", "events").short(&["ev"]).kept_as(""),
    review("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews"),
    review("authentication.k8s.io", "TokenReview", "tokenreviews"),
    Row { namespaced: true, ..review(AUTHORIZATION, "LocalSubjectAccessReview", "localsubjectaccessreviews") },
    review(AUTHORIZATION, "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
    review(AUTHORIZATION, "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
    review(AUTHORIZATION, "SubjectAccessReview", "subjectaccessreviews"),
    namespaced("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
        .short(&["hpa"])
        .all()
        .sub(STATUS),
    namespaced("autoscaling", "v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
        .short(&["hpa"])
        .all()
        .sub(STATUS),
    namespaced("batch", "v1", "CronJob", "cronjobs").short(&["cj"]).all().sub(STATUS).generation(),
    namespaced("batch", "v1", "Job", "jobs").all().sub(STATUS).generation(),
    cluster("certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests")
        .short(&["csr"])
        .sub(&["approval", "status"]),
    cluster(NETWORKING, "v1", "IngressClass", "ingressclasses").generation(),
    namespaced(NETWORKING, "v1", "Ingress", "ingresses").short(&["ing"]).sub(STATUS).generation(),
    cluster(NETWORKING, "v1", "IPAddress", "ipaddresses").short(&["ip"]),
    namespaced(NETWORKING, "v1", "NetworkPolicy", "networkpolicies").short(&["netpol"]).generation(),
    cluster(NETWORKING, "v1", "ServiceCIDR", "servicecidrs").sub(STATUS),
    namespaced("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets").short(&["pdb"]).sub(STATUS).generation(),
    cluster(RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings"),
    cluster(RBAC, "v1", "ClusterRole", "clusterroles"),
    namespaced(RBAC, "v1", "RoleBinding", "rolebindings"),
    namespaced(RBAC, "v1", "Role", "roles"),
    cluster(STORAGE, "v1", "CSIDriver", "csidrivers").generation(),
    cluster(STORAGE, "v1", "CSINode", "csinodes"),
    namespaced(STORAGE, "v1", "CSIStorageCapacity", "csistoragecapacities"),
    cluster(STORAGE, "v1", "StorageClass", "storageclasses").short(&["sc"]),
    cluster(STORAGE, "v1", "VolumeAttachment", "volumeattachments").sub(STATUS),
    cluster(STORAGE, "v1", "VolumeAttributesClass", "volumeattributesclasses").short(&["vac"]),
    cluster(ADMISSION, "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations")
        .api_extensions()
        .generation(),
    cluster(ADMISSION, "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies")
        .api_extensions()
        .sub(STATUS)
        .generation(),
    cluster(ADMISSION, "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings")
        .api_extensions()
        .generation(),
    cluster(ADMISSION, "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations")
        .api_extensions()
        .generation(),
    cluster("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions")
        .short(&["crd", "crds"])
        .api_extensions()
        .sub(STATUS)
        .generation(),
    cluster("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses").short(&["pc"]).generation(),
    namespaced("coordination.k8s.io", "v1", "Lease", "leases"),
    cluster("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses"),
    namespaced("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices").generation(),
    cluster(FLOW, "v1", "FlowSchema", "flowschemas").sub(STATUS).generation(),
    cluster(FLOW, "v1", "PriorityLevelConfiguration", "prioritylevelconfigurations").sub(STATUS).generation(),
    cluster(RESOURCE, "v1", "DeviceClass", "deviceclasses").generation(),
    namespaced(RESOURCE, "v1", "ResourceClaim", "resourceclaims").sub(STATUS),
    namespaced(RESOURCE, "v1", "ResourceClaimTemplate", "resourceclaimtemplates"),
    cluster(RESOURCE, "v1", "ResourceSlice", "resourceslices").generation(),
];
