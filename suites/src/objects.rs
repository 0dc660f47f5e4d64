//! The platform's Kubernetes objects as the checks read them: untyped, so that every supported release fits.

use futures::Stream;
use harness::{Checked, Ctx, Stop};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use serde_json::Value;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Group, empty for the core group.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Plural, as in URLs.
    pub plural: &'static str,
}

const fn kind(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { group, version, kind, plural }
}

/// Namespaces.
pub const NAMESPACE: Kind = kind("", "v1", "Namespace", "namespaces");
/// Pods.
pub const POD: Kind = kind("", "v1", "Pod", "pods");
/// Services.
pub const SERVICE: Kind = kind("", "v1", "Service", "services");
/// ConfigMaps.
pub const CONFIG_MAP: Kind = kind("", "v1", "ConfigMap", "configmaps");
/// Secrets.
pub const SECRET: Kind = kind("", "v1", "Secret", "secrets");
/// Accounts of pods.
pub const SERVICE_ACCOUNT: Kind = kind("", "v1", "ServiceAccount", "serviceaccounts");
/// Limits of what a namespace may use.
pub const RESOURCE_QUOTA: Kind = kind("", "v1", "ResourceQuota", "resourcequotas");
/// Who is bound to a role in a namespace.
pub const ROLE_BINDING: Kind = kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings");
/// Roles that may be bound everywhere.
pub const CLUSTER_ROLE: Kind = kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles");
/// Who is bound to a role everywhere.
pub const CLUSTER_ROLE_BINDING: Kind =
    kind("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings");
/// Volume claims.
pub const CLAIM: Kind = kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims");
/// Deployments.
pub const DEPLOYMENT: Kind = kind("apps", "v1", "Deployment", "deployments");
/// StatefulSets.
pub const STATEFUL_SET: Kind = kind("apps", "v1", "StatefulSet", "statefulsets");
/// DaemonSets.
pub const DAEMON_SET: Kind = kind("apps", "v1", "DaemonSet", "daemonsets");
/// Which pods answer for a Service.
pub const ENDPOINT_SLICE: Kind = kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices");
/// Storage classes.
pub const STORAGE_CLASS: Kind = kind("storage.k8s.io", "v1", "StorageClass", "storageclasses");
/// Network policies.
pub const NETWORK_POLICY: Kind = kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies");
/// Definitions of custom resources.
pub const DEFINITION: Kind =
    kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions");
/// Aggregated APIs.
pub const API_SERVICE: Kind = kind("apiregistration.k8s.io", "v1", "APIService", "apiservices");
/// Webhooks that change what is admitted.
pub const MUTATING: Kind =
    kind("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations");
/// Webhooks that refuse what is not admitted.
pub const VALIDATING: Kind =
    kind("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations");
/// cert-manager's certificates.
pub const CERTIFICATE: Kind = kind("cert-manager.io", "v1", "Certificate", "certificates");
/// cert-manager's issuers for the whole cluster.
pub const CLUSTER_ISSUER: Kind = kind("cert-manager.io", "v1", "ClusterIssuer", "clusterissuers");
/// metacontroller's controllers of objects with children.
pub const COMPOSITE_CONTROLLER: Kind =
    kind("metacontroller.k8s.io", "v1alpha1", "CompositeController", "compositecontrollers");
/// metacontroller's controllers of what hangs on others' objects.
pub const DECORATOR_CONTROLLER: Kind =
    kind("metacontroller.k8s.io", "v1alpha1", "DecoratorController", "decoratorcontrollers");
/// Istio's gateways.
pub const GATEWAY: Kind = kind("networking.istio.io", "v1beta1", "Gateway", "gateways");
/// Istio's routes.
pub const VIRTUAL_SERVICE: Kind = kind("networking.istio.io", "v1beta1", "VirtualService", "virtualservices");
/// Istio's patches of Envoy's configuration.
pub const ENVOY_FILTER: Kind = kind("networking.istio.io", "v1alpha3", "EnvoyFilter", "envoyfilters");
/// Istio's rules of who may send what.
pub const AUTHORIZATION_POLICY: Kind =
    kind("security.istio.io", "v1beta1", "AuthorizationPolicy", "authorizationpolicies");
/// Istio's rules of which tokens are good.
pub const REQUEST_AUTHENTICATION: Kind =
    kind("security.istio.io", "v1beta1", "RequestAuthentication", "requestauthentications");
/// Istio's say on mutual TLS.
pub const PEER_AUTHENTICATION: Kind = kind("security.istio.io", "v1beta1", "PeerAuthentication", "peerauthentications");
/// Runs of Kubeflow Pipelines, as Argo has them.
pub const WORKFLOW: Kind = kind("argoproj.io", "v1alpha1", "Workflow", "workflows");
/// Schedules of Kubeflow Pipelines.
pub const SCHEDULED_WORKFLOW: Kind = kind("kubeflow.org", "v1beta1", "ScheduledWorkflow", "scheduledworkflows");
/// Programs that run to an end.
pub const JOB: Kind = kind("batch", "v1", "Job", "jobs");
/// What happened to objects.
pub const EVENT: Kind = kind("", "v1", "Event", "events");
/// Katib's experiments.
pub const EXPERIMENT: Kind = kind("kubeflow.org", "v1beta1", "Experiment", "experiments");
/// What proposes values for an experiment.
pub const SUGGESTION: Kind = kind("kubeflow.org", "v1beta1", "Suggestion", "suggestions");
/// What an experiment tries.
pub const TRIAL: Kind = kind("kubeflow.org", "v1beta1", "Trial", "trials");
/// Kubeflow's tenants.
pub const PROFILE: Kind = kind("kubeflow.org", "v1", "Profile", "profiles");
/// Notebooks.
pub const NOTEBOOK: Kind = kind("kubeflow.org", "v1", "Notebook", "notebooks");
/// Tensorboards.
pub const TENSORBOARD: Kind = kind("tensorboard.kubeflow.org", "v1alpha1", "Tensorboard", "tensorboards");
/// Where Dex keeps the keys that it signs with.
pub const DEX_KEYS: Kind = kind("dex.coreos.com", "v1", "SigningKey", "signingkeies");

impl Kind {
    fn api(self, cx: &Ctx, namespace: Option<&str>) -> Api<DynamicObject> {
        let api_version =
            if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) };
        let resource = ApiResource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            api_version,
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
        };
        match namespace {
            Some(namespace) => Api::namespaced_with(cx.kube(), namespace, &resource),
            None => Api::all_with(cx.kube(), &resource),
        }
    }
}

/// All objects of a kind, everywhere. A kind that the cluster does not serve has none.
pub async fn all(cx: &Ctx, kind: Kind) -> Checked<Vec<DynamicObject>> {
    list(kind.api(cx, None), &ListParams::default()).await
}

/// All objects of a kind in a namespace.
pub async fn within(cx: &Ctx, kind: Kind, namespace: &str) -> Checked<Vec<DynamicObject>> {
    list(kind.api(cx, Some(namespace)), &ListParams::default()).await
}

/// The objects of a kind that labels select, everywhere.
pub async fn labelled(cx: &Ctx, kind: Kind, labels: &str) -> Checked<Vec<DynamicObject>> {
    list(kind.api(cx, None), &ListParams::default().labels(labels)).await
}

/// The objects of a kind in a namespace that labels select.
pub async fn labelled_within(cx: &Ctx, kind: Kind, namespace: &str, labels: &str) -> Checked<Vec<DynamicObject>> {
    list(kind.api(cx, Some(namespace)), &ListParams::default().labels(labels)).await
}

/// What becomes of the objects of a kind in a namespace that labels select, change by change. A watch that breaks is begun
/// anew.
pub fn watch(
    cx: &Ctx,
    kind: Kind,
    namespace: &str,
    labels: &str,
) -> impl Stream<Item = Result<Event<DynamicObject>, watcher::Error>> + Send + use<> {
    watcher::watcher(kind.api(cx, Some(namespace)), watcher::Config::default().labels(labels)).default_backoff()
}

async fn list(api: Api<DynamicObject>, how: &ListParams) -> Checked<Vec<DynamicObject>> {
    match api.list(how).await {
        Ok(list) => Ok(list.items),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(Stop::from(error)),
    }
}

/// A ready pod that labels select and that stays; nothing if there is none, or no label.
pub async fn ready_pod(cx: &Ctx, namespace: &str, labels: &str) -> Checked<Option<String>> {
    if labels.is_empty() {
        return Ok(None);
    }
    let found = list(POD.api(cx, Some(namespace)), &ListParams::default().labels(labels)).await?;
    let serves = |pod: &&DynamicObject| condition(pod, "Ready") == "True" && pod.metadata.deletion_timestamp.is_none();
    Ok(found.iter().find(serves).map(|pod| name(pod).to_owned()))
}

/// One object, or nothing if there is none. `namespace` is empty for a cluster-scoped one.
pub async fn get(cx: &Ctx, kind: Kind, namespace: &str, name: &str) -> Checked<Option<DynamicObject>> {
    let namespace = (!namespace.is_empty()).then_some(namespace);
    kind.api(cx, namespace).get_opt(name).await.map_err(Stop::from)
}

/// Merges JSON into an object (RFC 7396). For objects of the check's own.
pub async fn merge(cx: &Ctx, kind: Kind, namespace: &str, name: &str, patch: &Value) -> Checked {
    let namespace = (!namespace.is_empty()).then_some(namespace);
    let params = PatchParams::default();
    kind.api(cx, namespace).patch(name, &params, &Patch::Merge(patch)).await.map(drop).map_err(Stop::from)
}

/// Deletes an object, its dependants in the background. For objects of the check's own.
pub async fn delete(cx: &Ctx, kind: Kind, namespace: &str, name: &str) -> Checked {
    let namespace = (!namespace.is_empty()).then_some(namespace);
    match kind.api(cx, namespace).delete(name, &DeleteParams::background()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Stop::from(error)),
    }
}

/// The ConfigMap of the namespace kubeflow whose name begins so and that a Deployment's pods refer to: kustomize ends such names with
/// a hash, and an upgrade by apply leaves the earlier ones. Where the Deployment refers to none, the first.
pub async fn config_of(cx: &Ctx, deployment: &str, prefix: &str) -> Checked<Option<DynamicObject>> {
    let workload = get(cx, DEPLOYMENT, "kubeflow", deployment).await?;
    let template = workload.as_ref().and_then(|workload| workload.data.pointer("/spec/template"));
    let mut found = within(cx, CONFIG_MAP, "kubeflow").await?;
    found.retain(|object| name(object).starts_with(prefix));
    found.sort_by(|a, b| name(a).cmp(name(b)));
    match template.and_then(|template| referred(template, prefix)) {
        Some(used) => Ok(found.into_iter().find(|object| name(object) == used)),
        None => Ok(found.into_iter().next()),
    }
}

/// The first ConfigMap that part of a pod refers to and whose name begins so.
fn referred<'a>(part: &'a Value, prefix: &str) -> Option<&'a str> {
    match part {
        Value::Array(parts) => parts.iter().find_map(|part| referred(part, prefix)),
        Value::Object(fields) => fields.iter().find_map(|(field, value)| {
            let refers = matches!(field.as_str(), "configMap" | "configMapRef" | "configMapKeyRef");
            let named = value["name"].as_str().filter(|name| refers && name.starts_with(prefix));
            named.or_else(|| referred(value, prefix))
        }),
        _ => None,
    }
}

/// Its name.
#[must_use]
pub fn name(object: &DynamicObject) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

/// Its namespace, empty for a cluster-scoped one.
#[must_use]
pub fn namespace(object: &DynamicObject) -> &str {
    object.metadata.namespace.as_deref().unwrap_or_default()
}

/// How a person names it: `namespace/name`, or `name`.
#[must_use]
pub fn place(object: &DynamicObject) -> String {
    match namespace(object) {
        "" => name(object).to_owned(),
        namespace => format!("{namespace}/{}", name(object)),
    }
}

/// A label's value, or an empty string.
#[must_use]
pub fn label<'a>(object: &'a DynamicObject, key: &str) -> &'a str {
    object.metadata.labels.as_ref().and_then(|labels| labels.get(key)).map_or("", String::as_str)
}

/// An annotation's value, or an empty string.
#[must_use]
pub fn annotation<'a>(object: &'a DynamicObject, key: &str) -> &'a str {
    object.metadata.annotations.as_ref().and_then(|all| all.get(key)).map_or("", String::as_str)
}

/// A text at a JSON pointer, or an empty string.
#[must_use]
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A list at a JSON pointer, or an empty one.
#[must_use]
pub fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A number at a JSON pointer.
#[must_use]
pub fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64)
}

/// The status of a condition (`True`, `False`, `Unknown`), or an empty string.
#[must_use]
pub fn condition<'a>(object: &'a DynamicObject, of: &str) -> &'a str {
    items(&object.data, "/status/conditions")
        .iter()
        .find(|condition| condition["type"] == of)
        .map_or("", |condition| text(condition, "/status"))
}

/// A decoded value of a Secret's data.
#[must_use]
pub fn secret_value(secret: &DynamicObject, key: &str) -> Option<String> {
    use base64::Engine as _;
    let encoded = secret.data.get("data")?.get(key)?.as_str()?;
    String::from_utf8(base64::prelude::BASE64_STANDARD.decode(encoded).ok()?).ok()
}

/// A value of a ConfigMap's data.
#[must_use]
pub fn config_value<'a>(config: &'a DynamicObject, key: &str) -> Option<&'a str> {
    config.data.get("data")?.get(key)?.as_str()
}

/// A variable of a workload's first container, as the program sees it: of two of a name the last one counts. None where
/// it is absent or comes from elsewhere.
#[must_use]
pub fn variable<'a>(workload: &'a DynamicObject, name: &str) -> Option<&'a str> {
    let all = items(&workload.data, "/spec/template/spec/containers/0/env");
    all.iter().rev().find(|variable| variable["name"] == name)?.get("value")?.as_str()
}

/// Whether `labels` hold all of a selector.
#[must_use]
pub fn selects(selector: &Value, labels: &Value) -> bool {
    selector.as_object().is_some_and(|wanted| wanted.iter().all(|(key, value)| labels.get(key) == Some(value)))
}
