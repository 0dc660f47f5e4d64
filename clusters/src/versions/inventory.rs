//! What a release creates: namespaces, CustomResourceDefinitions, workloads, Services, webhooks, volumes.

use super::Releases;

/// A namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: &'static str,
    /// Whether Istio puts a sidecar into its pods (label `istio-injection: enabled`).
    pub injected: bool,
    /// The releases that create it.
    pub releases: Releases,
}

/// A CustomResourceDefinition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crd {
    /// Its name: plural and group, for example `notebooks.kubeflow.org`.
    pub name: &'static str,
    /// The kind that it defines.
    pub kind: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// The part of the platform that it belongs to.
    pub owner: &'static str,
    /// The releases that create it.
    pub releases: Releases,
}

impl Crd {
    /// The group.
    #[must_use]
    pub fn group(&self) -> &'static str {
        self.name.split_once('.').map_or("", |(_, group)| group)
    }

    /// The kind's name in URLs.
    #[must_use]
    pub fn plural(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(plural, _)| plural)
    }
}

/// What runs pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkloadKind {
    /// A Deployment.
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet: one pod for each node that it selects.
    DaemonSet,
}

impl WorkloadKind {
    /// The kind as Kubernetes writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }
}

/// A workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// Its namespace.
    pub namespace: &'static str,
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: &'static str,
    /// How many pods are wanted at least; a HorizontalPodAutoscaler may ask for more. 0 means that none is wanted.
    /// For a DaemonSet: per node.
    pub replicas: u32,
    /// Containers in a pod as written, without the sidecar.
    pub containers: u32,
    /// Whether Istio adds a sidecar.
    pub in_mesh: bool,
    /// The releases that create it so.
    pub releases: Releases,
}

/// A Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Its namespace.
    pub namespace: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its ports.
    pub ports: &'static [u16],
    /// The releases that create it so.
    pub releases: Releases,
}

/// What a webhook configuration does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WebhookKind {
    /// It changes objects.
    Mutating,
    /// It refuses objects.
    Validating,
}

impl WebhookKind {
    /// The kind as Kubernetes writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mutating => "MutatingWebhookConfiguration",
            Self::Validating => "ValidatingWebhookConfiguration",
        }
    }
}

/// A webhook configuration. All webhooks of one configuration call the same Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Webhook {
    /// What it does.
    pub kind: WebhookKind,
    /// Its name.
    pub name: &'static str,
    /// Namespace and name of the Service that answers.
    pub service: (&'static str, &'static str),
    /// The releases that create it.
    pub releases: Releases,
}

/// A PersistentVolumeClaim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    /// Its namespace.
    pub namespace: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The size asked for.
    pub size: &'static str,
    /// The releases that create it.
    pub releases: Releases,
}

const fn namespace(name: &'static str, injected: bool, releases: Releases) -> Namespace {
    Namespace { name, injected, releases }
}

const fn webhook(
    kind: WebhookKind,
    name: &'static str,
    service: (&'static str, &'static str),
    releases: Releases,
) -> Webhook {
    Webhook { kind, name, service, releases }
}

const fn volume(namespace: &'static str, name: &'static str, size: &'static str, releases: Releases) -> Volume {
    Volume { namespace, name, size, releases }
}

const ALL: Releases = Releases::ALL;
const V1_8: Releases = Releases::V1_8;
const V1_10: Releases = Releases::V1_10;
const SINCE_1_9: Releases = Releases::SINCE_1_9;

pub(super) static NAMESPACES: &[Namespace] = &[
    namespace("auth", false, ALL),
    namespace("cert-manager", false, ALL),
    namespace("istio-system", false, ALL),
    namespace("knative-eventing", false, V1_8),
    namespace("knative-serving", true, ALL),
    namespace("kubeflow", true, ALL),
    namespace("oauth2-proxy", false, SINCE_1_9),
];

pub(super) static WEBHOOKS: &[Webhook] = &[
    webhook(
        WebhookKind::Mutating,
        "admission-webhook-mutating-webhook-configuration",
        ("kubeflow", "admission-webhook-service"),
        ALL,
    ),
    webhook(WebhookKind::Mutating, "cache-webhook-kubeflow", ("kubeflow", "cache-server"), ALL),
    webhook(WebhookKind::Mutating, "cert-manager-webhook", ("cert-manager", "cert-manager-webhook"), ALL),
    webhook(
        WebhookKind::Mutating,
        "inferenceservice.serving.kserve.io",
        ("kubeflow", "kserve-webhook-server-service"),
        ALL,
    ),
    webhook(WebhookKind::Mutating, "istio-sidecar-injector", ("istio-system", "istiod"), ALL),
    webhook(WebhookKind::Mutating, "katib.kubeflow.org", ("kubeflow", "katib-controller"), ALL),
    webhook(
        WebhookKind::Mutating,
        "pvcviewer-mutating-webhook-configuration",
        ("kubeflow", "pvcviewer-webhook-service"),
        ALL,
    ),
    webhook(
        WebhookKind::Mutating,
        "sinkbindings.webhook.sources.knative.dev",
        ("knative-eventing", "eventing-webhook"),
        V1_8,
    ),
    webhook(WebhookKind::Mutating, "spark-operator-webhook", ("kubeflow", "spark-operator-webhook-svc"), V1_10),
    webhook(
        WebhookKind::Mutating,
        "webhook.domainmapping.serving.knative.dev",
        ("knative-serving", "domainmapping-webhook"),
        V1_8,
    ),
    webhook(WebhookKind::Mutating, "webhook.eventing.knative.dev", ("knative-eventing", "eventing-webhook"), V1_8),
    webhook(
        WebhookKind::Mutating,
        "webhook.istio.networking.internal.knative.dev",
        ("knative-serving", "net-istio-webhook"),
        ALL,
    ),
    webhook(WebhookKind::Mutating, "webhook.serving.knative.dev", ("knative-serving", "webhook"), ALL),
    webhook(WebhookKind::Validating, "cert-manager-webhook", ("cert-manager", "cert-manager-webhook"), ALL),
    webhook(
        WebhookKind::Validating,
        "clusterservingruntime.serving.kserve.io",
        ("kubeflow", "kserve-webhook-server-service"),
        ALL,
    ),
    webhook(
        WebhookKind::Validating,
        "config.webhook.eventing.knative.dev",
        ("knative-eventing", "eventing-webhook"),
        V1_8,
    ),
    webhook(
        WebhookKind::Validating,
        "config.webhook.istio.networking.internal.knative.dev",
        ("knative-serving", "net-istio-webhook"),
        ALL,
    ),
    webhook(WebhookKind::Validating, "config.webhook.serving.knative.dev", ("knative-serving", "webhook"), ALL),
    webhook(
        WebhookKind::Validating,
        "inferencegraph.serving.kserve.io",
        ("kubeflow", "kserve-webhook-server-service"),
        ALL,
    ),
    webhook(
        WebhookKind::Validating,
        "inferenceservice.serving.kserve.io",
        ("kubeflow", "kserve-webhook-server-service"),
        ALL,
    ),
    webhook(WebhookKind::Validating, "istio-validator-istio-system", ("istio-system", "istiod"), ALL),
    webhook(WebhookKind::Validating, "katib.kubeflow.org", ("kubeflow", "katib-controller"), ALL),
    webhook(
        WebhookKind::Validating,
        "localmodelcache.serving.kserve.io",
        ("kubeflow", "kserve-webhook-server-service"),
        V1_10,
    ),
    webhook(
        WebhookKind::Validating,
        "pvcviewer-validating-webhook-configuration",
        ("kubeflow", "pvcviewer-webhook-service"),
        ALL,
    ),
    webhook(
        WebhookKind::Validating,
        "servingruntime.serving.kserve.io",
        ("kubeflow", "kserve-webhook-server-service"),
        ALL,
    ),
    webhook(WebhookKind::Validating, "spark-operator-webhook", ("kubeflow", "spark-operator-webhook-svc"), V1_10),
    webhook(
        WebhookKind::Validating,
        "trainedmodel.serving.kserve.io",
        ("kubeflow", "kserve-webhook-server-service"),
        ALL,
    ),
    webhook(
        WebhookKind::Validating,
        "validation.webhook.domainmapping.serving.knative.dev",
        ("knative-serving", "domainmapping-webhook"),
        V1_8,
    ),
    webhook(
        WebhookKind::Validating,
        "validation.webhook.eventing.knative.dev",
        ("knative-eventing", "eventing-webhook"),
        V1_8,
    ),
    webhook(WebhookKind::Validating, "validation.webhook.serving.knative.dev", ("knative-serving", "webhook"), ALL),
    webhook(
        WebhookKind::Validating,
        "validator.training-operator.kubeflow.org",
        ("kubeflow", "training-operator"),
        SINCE_1_9,
    ),
];

pub(super) static VOLUMES: &[Volume] = &[
    volume("istio-system", "authservice-pvc", "10Gi", V1_8),
    volume("kubeflow", "katib-mysql", "10Gi", ALL),
    volume("kubeflow", "minio-pvc", "20Gi", ALL),
    volume("kubeflow", "mysql-pv-claim", "20Gi", ALL),
];
