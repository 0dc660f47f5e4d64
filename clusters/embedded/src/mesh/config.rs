//! The mesh's configuration as istiod makes it from the objects: read once, used until an object of its kinds changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::aborts::Abort;
use super::authentication::RequestAuthentication;
use super::authorization::Policy;
use super::endpoints::Endpoints;
use super::inbound::Inbound;
use super::settings::{ISTIOD_NAMESPACE, Settings};
use super::transport::{DestinationRule, PeerAuthentication};
use crate::gateway::config::GatewayConfig;
use crate::object;
use crate::platform::World;
use crate::store::{Change, Store};

/// What istiod tells the proxies.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) settings: Settings,
    pub(crate) policies: Vec<Arc<Policy>>,
    pub(crate) authentications: Vec<RequestAuthentication>,
    pub(crate) peer_authentications: Vec<PeerAuthentication>,
    pub(crate) destination_rules: Vec<DestinationRule>,
    /// What sidecars answer themselves.
    pub(crate) aborts: Vec<Abort>,
    /// Gateways, VirtualServices and EnvoyFilters.
    pub(crate) gateway: GatewayConfig,
    /// The filters of the workloads seen so far, by the pod's uid and version.
    workloads: Mutex<HashMap<(String, String), Arc<Inbound>>>,
}

const SECURITY: &str = "security.istio.io";
const NETWORKING: &str = "networking.istio.io";

impl Config {
    fn depends_on(change: &Change) -> bool {
        let key = &change.key;
        key.group == SECURITY
            || key.group == NETWORKING
            || (key.plural == "configmaps" && key.namespace == ISTIOD_NAMESPACE && key.name == "istio")
            || (key.plural == "deployments" && key.namespace == ISTIOD_NAMESPACE && key.name == "istiod")
    }

    fn compile(store: &Store) -> Self {
        let security = |plural: &str| store.list(SECURITY, plural, None);
        let policies = security("authorizationpolicies");
        let virtual_services = store.list(NETWORKING, "virtualservices", None);
        Self {
            settings: Settings::read(store),
            policies: policies.iter().filter_map(|policy| Policy::read(policy)).map(Arc::new).collect(),
            authentications: security("requestauthentications")
                .iter()
                .map(|one| RequestAuthentication::read(one))
                .collect(),
            peer_authentications: security("peerauthentications")
                .iter()
                .map(|one| PeerAuthentication::read(one))
                .collect(),
            destination_rules: store
                .list(NETWORKING, "destinationrules", None)
                .iter()
                .map(|rule| DestinationRule::read(rule))
                .collect(),
            aborts: virtual_services.iter().flat_map(|service| Abort::read_all(service)).collect(),
            gateway: GatewayConfig::read(
                &store.list(NETWORKING, "gateways", None),
                &virtual_services,
                &store.list(NETWORKING, "envoyfilters", None),
            ),
            workloads: Mutex::default(),
        }
    }

    /// The filters of a pod's proxy.
    pub(crate) fn inbound(&self, pod: &Value) -> Arc<Inbound> {
        let key = (object::uid(pod).to_owned(), object::text(pod, "/metadata/resourceVersion").to_owned());
        let mut workloads = self.workloads.lock().unwrap_or_else(PoisonError::into_inner);
        workloads.entry(key).or_insert_with(|| Arc::new(Inbound::of(self, pod))).clone()
    }
}

/// What the mesh of one platform keeps: the newest configuration and endpoints, each with the revision up to which the
/// store's changes have been looked at.
#[derive(Default)]
struct Kept {
    config: Mutex<(u64, Option<Arc<Config>>)>,
    endpoints: Mutex<(u64, Option<Arc<Endpoints>>)>,
}

/// The endpoints as of now.
pub(crate) fn endpoints(world: &World) -> Arc<Endpoints> {
    let kept = world.memory.of::<Kept>("mesh");
    let mut kept = kept.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
    let revision = world.store.revision();
    if let (seen, Some(endpoints)) = &*kept
        && !changed(&world.store, *seen, revision, Endpoints::depends_on)
    {
        let endpoints = endpoints.clone();
        kept.0 = revision;
        return endpoints;
    }
    let endpoints = Arc::new(Endpoints::index(&world.store));
    *kept = (revision, Some(endpoints.clone()));
    endpoints
}

/// The configuration that the proxies have: that of the last revision at which istiod ran. `None` if it never did.
pub(crate) fn config(world: &World) -> Option<Arc<Config>> {
    let istiod_ready = endpoints(world).istiod_ready;
    let kept = world.memory.of::<Kept>("mesh");
    let mut kept = kept.config.lock().unwrap_or_else(PoisonError::into_inner);
    let revision = world.store.revision();
    let stale = kept.1.is_none() || changed(&world.store, kept.0, revision, Config::depends_on);
    if !stale {
        kept.0 = revision;
    } else if istiod_ready {
        *kept = (revision, Some(Arc::new(Config::compile(&world.store))));
    }
    kept.1.clone()
}

fn changed(store: &Store, seen: u64, now: u64, concerns: fn(&Change) -> bool) -> bool {
    seen != now && store.changes_since(seen).is_none_or(|changes| changes.iter().any(concerns))
}
