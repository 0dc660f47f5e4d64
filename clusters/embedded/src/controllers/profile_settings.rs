//! How the profile-controller is configured, and what it may do.

use serde_json::{Value, json};

use crate::access::{Attributes, UserInfo, authorize};
use crate::kubelet::environment;
use crate::object::{namespace, text};
use crate::platform::World;

/// Where the controller looks for the labels of its namespaces; it does not start without.
pub(crate) const LABELS_FILE: &str = "/etc/profile-controller/namespace-labels.yaml";

/// The controller's environment, the file of namespace labels, and its service account.
pub(super) struct Settings {
    /// Labels for every namespace; an empty value removes one.
    pub(super) labels: Value,
    /// Name of the identity header.
    pub(super) header: String,
    /// What stands before the user in it.
    pub(super) prefix: String,
    /// Who may send requests on behalf of users: the ingress gateway,
    pub(super) gateway: String,
    /// and the pipelines UI.
    pub(super) pipelines: String,
    /// Who may ask notebooks whether they are idle.
    pub(super) notebooks: String,
    /// A plugin for every profile that names none of the kind: the service account of Google's Workload Identity.
    pub(super) workload_identity: String,
    account: UserInfo,
}

impl Settings {
    /// Reads what the controller's container is given.
    pub(super) fn of(world: &World, pod: &Value, container: Option<&Value>) -> Self {
        let container = container.map(|container| text(container, "/name")).unwrap_or_default();
        let mut variables = environment::variables(&world.store, pod, container);
        let file = environment::file(&world.store, pod, container, LABELS_FILE);
        let mut variable = |name: &str| variables.remove(name).unwrap_or_default();
        let header = Some(variable("USERID_HEADER")).filter(|name| !name.is_empty());
        let account = match text(pod, "/spec/serviceAccountName") {
            "" => "default",
            account => account,
        };
        Self {
            labels: file.as_deref().and_then(labels).unwrap_or_else(|| json!({})),
            header: header.unwrap_or_else(|| "kubeflow-userid".to_owned()),
            prefix: variable("USERID_PREFIX"),
            gateway: variable("ISTIO_INGRESS_GATEWAY_PRINCIPAL"),
            pipelines: variable("KFP_UI_PRINCIPAL"),
            notebooks: variable("NOTEBOOK_CONTROLLER_PRINCIPAL"),
            workload_identity: variable("WORKLOAD_IDENTITY"),
            account: UserInfo::service_account(namespace(pod), account, ""),
        }
    }

    /// Whether RBAC lets the controller do something in every namespace.
    pub(super) fn may(&self, world: &World, verb: &str, group: &str, plural: &str) -> bool {
        authorize(world, &self.account, &Attributes::resource(verb, group, plural, "", ""))
    }
}

/// The labels that a file names: one level of keys and texts.
pub(crate) fn labels(file: &str) -> Option<Value> {
    serde_saphyr::from_str::<Value>(file).ok().filter(Value::is_object)
}
