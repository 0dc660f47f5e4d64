//! From one pod to another by Service name: endpoints, the policies of the destination's sidecar, the actor.
//!
//! Everything follows from the objects in the store, as istiod and the proxies would have it: `config` keeps what was
//! read from them, a request only looks things up.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use http::header::HOST;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::actors::{self, Actor, Visit};
use crate::object;
use crate::platform::World;

mod aborts;
pub(crate) mod authentication;
pub(crate) mod authorization;
pub(crate) mod block;
pub(crate) mod client;
mod condition;
pub(crate) mod config;
pub(crate) mod destination;
pub(crate) mod endpoints;
pub(crate) mod external;
pub(crate) mod inbound;
pub(crate) mod jwt;
mod keys;
mod network;
pub(crate) mod replies;
pub(crate) mod settings;
pub mod sidecar;
pub(crate) mod text;
mod transport;

use destination::Destination;
use endpoints::Found;
use inbound::Peer;
use settings::Settings;
use transport::{Journey, Transport};

/// Who sends a request inside the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// Namespace of the sending pod; empty if it comes from outside of any pod.
    pub namespace: String,
    /// Service account of the sending pod.
    pub service_account: String,
    /// Whether it sends through a sidecar or gateway, so that mutual TLS gives it the principal
    /// `cluster.local/ns/<namespace>/sa/<service_account>`.
    pub in_mesh: bool,
}

impl Caller {
    /// A pod as the sender of a request.
    #[must_use]
    pub fn pod(pod: &Value) -> Self {
        Self {
            namespace: object::namespace(pod).to_owned(),
            service_account: match object::text(pod, "/spec/serviceAccountName") {
                "" => "default".to_owned(),
                name => name.to_owned(),
            },
            in_mesh: sidecar::is_present(pod),
        }
    }
}

/// Header in which a sidecar tells the workload who sent a request over mutual TLS.
const CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
/// Header in which a proxy notes how long the answer of the workload behind it took.
pub(crate) const SERVICE_TIME: HeaderName = HeaderName::from_static("x-envoy-upstream-service-time");

/// Sends a request to `http://<service>.<namespace>.svc.cluster.local:<port>/…` as `caller`. What a real client would
/// see comes back as a response (503 without endpoints, 403 by policy); so there is no error.
pub async fn call(world: &Arc<World>, caller: Caller, mut request: Request<Body>) -> Response<Body> {
    let Some(Aim { destination, found }) = aim(world, &caller, &mut request) else {
        return replies::local(request.headers(), StatusCode::BAD_REQUEST, "");
    };
    if let Some(reply) = aborted(world, &caller, &destination, &request) {
        return reply;
    }
    match found {
        Some(found) => reach(world, caller, &destination, found, request).await,
        None => replies::local(request.headers(), StatusCode::SERVICE_UNAVAILABLE, replies::CONNECTION_REFUSED),
    }
}

/// The answer that the sender's own sidecar gives, where a VirtualService tells it to give one.
fn aborted(
    world: &World,
    caller: &Caller,
    destination: &Destination,
    request: &Request<Body>,
) -> Option<Response<Body>> {
    let config = config::config(world).filter(|_| caller.in_mesh)?;
    let abort = config.aborts.iter().find(|abort| abort.concerns(destination))?;
    Some(replies::local(request.headers(), abort.status, aborts::ABORTED))
}

/// Where a request is bound for, and what is there; nothing if nobody has that address.
struct Aim {
    destination: Destination,
    found: Option<Found>,
}

/// Looks up where a request goes, and brings it into the form that it has on the wire. `None` if it names no host.
fn aim(world: &World, caller: &Caller, request: &mut Request<Body>) -> Option<Aim> {
    let authority = request.uri().authority().cloned();
    let authority =
        authority.or_else(|| request.headers().get(HOST).and_then(|host| host.as_bytes().try_into().ok()))?;
    if !request.headers().contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
    // As on the wire: the request line carries the path alone.
    if let Some(target) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = target.into();
    }
    let destination = Destination::of(&authority, &caller.namespace);
    let endpoints = config::endpoints(world);
    if authority.host().parse::<IpAddr>().is_err() {
        let found = Some(endpoints.find(&destination));
        return Some(Aim { destination, found });
    }
    if let Some((namespace, service)) = endpoints.service_at(authority.host()).cloned() {
        let destination = Destination { namespace, service, port: destination.port };
        let found = Some(endpoints.find(&destination));
        return Some(Aim { destination, found });
    }
    let found = endpoints.pod_at(authority.host()).cloned().map(|pod| Found::Pod(pod, destination.port));
    Some(Aim { destination: Destination::address(destination.port), found })
}

/// Sends a request to a Service.
pub(crate) async fn send(
    world: &Arc<World>,
    caller: Caller,
    destination: &Destination,
    request: Request<Body>,
) -> Response<Body> {
    let found = config::endpoints(world).find(destination);
    reach(world, caller, destination, found, request).await
}

async fn reach(
    world: &Arc<World>,
    caller: Caller,
    destination: &Destination,
    found: Found,
    request: Request<Body>,
) -> Response<Body> {
    match found {
        Found::NoService => replies::local(request.headers(), StatusCode::SERVICE_UNAVAILABLE, ""),
        Found::NoPod => {
            replies::local(request.headers(), StatusCode::SERVICE_UNAVAILABLE, replies::NO_HEALTHY_UPSTREAM)
        }
        Found::Pod(pod, port) => deliver(world, caller, destination, (pod, port), request).await,
    }
}

async fn deliver(
    world: &Arc<World>,
    caller: Caller,
    destination: &Destination,
    (pod, port): (Arc<Value>, u16),
    mut request: Request<Body>,
) -> Response<Body> {
    let started = Instant::now();
    let unavailable = |request: &Request<Body>, text| {
        let mut reply = replies::local(request.headers(), StatusCode::SERVICE_UNAVAILABLE, text);
        reply.extensions_mut().insert(NotConnected(text));
        reply
    };
    let config = config::config(world);
    let guarded = config.is_some() && sidecar::is_present(&pod) && sidecar::guards(&pod, port);
    if let Some(config) = &config {
        let journey = Journey {
            rules: &config.destination_rules,
            authentications: &config.peer_authentications,
            root_namespace: &config.settings.root_namespace,
            auto_mtls: config.settings.auto_mtls,
            from: (&caller.namespace, caller.in_mesh && !destination.is_address()),
            to: destination,
            pod: &pod,
            port: (port, guarded),
        };
        let transport = journey.transport();
        match transport {
            Transport::NotTls => return unavailable(&request, replies::NOT_TLS),
            Transport::WantsTls => return unavailable(&request, replies::WANTS_TLS),
            Transport::Mutual | Transport::Plain => {}
        }
        if guarded {
            let domain = &config.settings.trust_domain;
            let principal = (transport == Transport::Mutual)
                .then(|| format!("{domain}/ns/{}/sa/{}", caller.namespace, caller.service_account));
            name_sender(&mut request, domain, &pod, principal.as_deref());
            let own = Caller::pod(&pod);
            let peer = Peer { principal, source: LOCAL, remote: LOCAL, port, routed: true };
            if let Err(reply) = config.inbound(&pod).admit(world, &own, &peer, &mut request).await {
                return timed(*reply, &caller, started);
            }
        }
    }
    let Some(container) = endpoints::container_at(&pod, port) else {
        return unavailable(&request, replies::CONNECTION_REFUSED);
    };
    let Some(actor) = actor_of(world, container) else {
        return unavailable(&request, replies::CONNECTION_REFUSED);
    };
    let container = object::text(container, "/name").to_owned();
    let visit = Visit { world: world.clone(), pod: pod.clone(), container, port, caller: caller.clone() };
    let is_head = request.method() == Method::HEAD;
    let mut reply = actor.serve(visit, request).await;
    if is_head {
        // On the wire, the answer to HEAD has no body whatever the program wrote.
        *reply.body_mut() = Body::empty();
    }
    timed(reply, &caller, started)
}

/// Marks the answer that stands for a connection that did not come about: a sidecar gives it, a program without one has
/// an error of its socket instead.
#[derive(Debug, Clone, Copy)]
struct NotConnected(&'static str);

/// Pods have no addresses that a policy could know: all traffic seems to come from here.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) fn actor_of(world: &World, container: &Value) -> Option<&'static dyn Actor> {
    let image = object::text(container, "/image");
    #[cfg(test)]
    if let Some(actor) = crate::gateway::tests::playing(image) {
        return Some(actor);
    }
    actors::echo::in_place_of(world, image).or_else(|| actors::playing(image))
}

/// A proxy notes how long the answer took.
fn timed(mut reply: Response<Body>, caller: &Caller, started: Instant) -> Response<Body> {
    if caller.in_mesh {
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        reply.headers_mut().insert(SERVICE_TIME, millis.into());
    }
    reply
}

/// What the receiver's sidecar tells the workload about the sender; what the sender claims itself is dropped.
fn name_sender(request: &mut Request<Body>, domain: &str, pod: &Value, principal: Option<&str>) {
    request.headers_mut().remove(CLIENT_CERT);
    let Some(principal) = principal else { return };
    let own = Caller::pod(pod);
    let hash = Sha256::digest(principal.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let value = format!(
        "By=spiffe://{domain}/ns/{}/sa/{};Hash={hash};Subject=\"\";URI=spiffe://{principal}",
        own.namespace, own.service_account
    );
    if let Ok(value) = HeaderValue::from_str(&value) {
        request.headers_mut().insert(CLIENT_CERT, value);
    }
}

/// The mesh's settings, or what holds without any.
fn settings_of(world: &World) -> Settings {
    config::config(world).map_or_else(|| Settings::read(&world.store), |config| config.settings.clone())
}
