//! Which ready pods stand behind which Service, indexed anew when Services or pods change.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::destination::Destination;
use super::settings::ISTIOD_NAMESPACE;
use crate::object;
use crate::store::{Change, Store};

/// The index.
#[derive(Default)]
pub(crate) struct Endpoints {
    services: HashMap<(String, String), Service>,
    /// Ready pods by their address.
    by_address: HashMap<String, Arc<Value>>,
    /// Whether a pod of istiod is ready.
    pub(crate) istiod_ready: bool,
}

struct Service {
    object: Arc<Value>,
    pods: Vec<Arc<Value>>,
    next: AtomicUsize,
}

/// What was found for a destination.
pub(crate) enum Found {
    /// There is no such Service, or it has no such port.
    NoService,
    /// No pod behind it is ready.
    NoPod,
    /// A pod and the port at which it is spoken to.
    Pod(Arc<Value>, u16),
}

impl Endpoints {
    /// Whether a change of the store concerns the index.
    pub(crate) fn depends_on(change: &Change) -> bool {
        change.key.group.is_empty() && matches!(change.key.plural.as_str(), "pods" | "services")
    }

    pub(crate) fn index(store: &Store) -> Self {
        let all = store.list("", "pods", None);
        let ready: Vec<_> = all.iter().filter(|pod| is_ready(pod)).cloned().collect();
        let is_istiod =
            |pod: &Value| object::namespace(pod) == ISTIOD_NAMESPACE && object::label(pod, "app") == Some("istiod");
        let (all_by_home, ready_by_home) = (by_namespace(&all), by_namespace(&ready));
        let services = store.list("", "services", None).into_iter().map(|service| {
            let home = object::namespace(&service);
            let selector = service.pointer("/spec/selector");
            let any = service.pointer("/spec/publishNotReadyAddresses").and_then(Value::as_bool) == Some(true);
            let candidates = if any { &all_by_home } else { &ready_by_home };
            let pods = candidates
                .get(home)
                .into_iter()
                .flatten()
                .filter(|pod| !any || is_running(pod))
                .filter(|pod| object::selected_by(pod, selector))
                .map(|pod| Arc::clone(pod))
                .collect();
            let name = (home.to_owned(), object::name(&service).to_owned());
            (name, Service { object: service, pods, next: AtomicUsize::new(0) })
        });
        Self {
            services: services.collect(),
            by_address: ready
                .iter()
                .map(|pod| (object::text(pod, "/status/podIP").to_owned(), pod.clone()))
                .filter(|(address, _)| !address.is_empty())
                .collect(),
            istiod_ready: ready.iter().any(|pod| is_istiod(pod)),
        }
    }

    /// The Service with a cluster IP: its namespace and name.
    pub(crate) fn service_at(&self, address: &str) -> Option<&(String, String)> {
        let is_at = |service: &Service| object::text(&service.object, "/spec/clusterIP") == address;
        self.services.iter().find(|(_, service)| is_at(service)).map(|(name, _)| name)
    }

    /// The pod with an address.
    pub(crate) fn pod_at(&self, address: &str) -> Option<&Arc<Value>> {
        self.by_address.get(address)
    }

    /// One ready pod behind a destination, in turn.
    pub(crate) fn find(&self, destination: &Destination) -> Found {
        let name = (destination.namespace.clone(), destination.service.clone());
        let Some(service) = self.services.get(&name) else { return Found::NoService };
        // A route may leave out the port of a Service that has only one; it stands as 0 then.
        let ports = object::list(&service.object, "/spec/ports");
        let wanted = |port: &&Value| port.get("port").and_then(Value::as_u64) == Some(destination.port.into());
        let port = match ports {
            [only] if destination.port == 0 => Some(only),
            ports => ports.iter().find(wanted),
        };
        let Some(port) = port else { return Found::NoService };
        if service.pods.is_empty() {
            return Found::NoPod;
        }
        let turn = service.next.fetch_add(1, Ordering::Relaxed) % service.pods.len();
        let pod = service.pods[turn].clone();
        match target_port(port, &pod) {
            Some(port) => Found::Pod(pod, port),
            None => Found::NoPod,
        }
    }
}

fn by_namespace(pods: &[Arc<Value>]) -> HashMap<&str, Vec<&Arc<Value>>> {
    let mut sorted: HashMap<&str, Vec<&Arc<Value>>> = HashMap::new();
    for pod in pods {
        sorted.entry(object::namespace(pod)).or_default().push(pod);
    }
    sorted
}

/// Whether a pod takes requests: its Ready condition holds and nobody is deleting it.
pub(crate) fn is_ready(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_none()
        && object::list(pod, "/status/conditions").iter().any(|condition| {
            object::text(condition, "/type") == "Ready" && object::text(condition, "/status") == "True"
        })
}

/// Whether a pod runs, ready or not: Services that publish addresses before readiness lead to it.
fn is_running(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_none() && object::text(pod, "/status/phase") == "Running"
}

/// `targetPort` of a Service port: a number, the name of a container port, or the port itself.
fn target_port(port: &Value, pod: &Value) -> Option<u16> {
    let number = |value: &Value| value.as_u64().and_then(|number| u16::try_from(number).ok());
    match port.get("targetPort") {
        Some(Value::String(name)) => ports(pod)
            .find(|(_, port)| object::text(port, "/name") == name)
            .and_then(|(_, port)| port.get("containerPort").and_then(number)),
        Some(target) => number(target),
        None => port.get("port").and_then(number),
    }
}

/// The container of a pod that listens at a port: the one that declares it. Where nobody declares a port, the first
/// container is taken to listen at any; where others are declared, nobody listens at this one.
pub(crate) fn container_at(pod: &Value, port: u16) -> Option<&Value> {
    let is_proxy = |container: &Value| object::text(container, "/name") == super::sidecar::CONTAINER;
    let mut declared = ports(pod).filter(|(container, _)| !is_proxy(container)).peekable();
    if declared.peek().is_none() {
        return object::list(pod, "/spec/containers").iter().find(|container| !is_proxy(container));
    }
    declared
        .find(|(_, declared)| declared.get("containerPort").and_then(Value::as_u64) == Some(port.into()))
        .map(|(container, _)| container)
}

fn ports(pod: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    object::list(pod, "/spec/containers")
        .iter()
        .flat_map(|container| object::list(container, "/ports").iter().map(move |port| (container, port)))
}
