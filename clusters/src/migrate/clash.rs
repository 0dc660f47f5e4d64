//! What stays in the cluster and gets in the way of a platform: names that it needs, ports that it listens on, parts that
//! somebody else has installed.

use serde::Serialize;
use serde_json::Value;

use super::remnants::Remnant;
use super::survey::{Object, Survey};
use crate::versions::Version;

/// Something in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clash {
    /// The object.
    pub object: String,
    /// With what of the platform it clashes.
    pub with: String,
}

/// The ports that the gateway's Service may be given when it is exposed.
const PORTS: &[u64] = &[80, 443];

/// What would be in the way of a release if the remnants and their namespaces were gone.
pub(super) fn clashes(survey: &Survey, version: &Version, remnants: &[Remnant], homes: &[String]) -> Vec<Clash> {
    let goes = |object: &Object| {
        remnants.iter().any(|remnant| remnant.uid == object.uid())
            || homes
                .iter()
                .any(|home| home == object.namespace() || (object.kind() == "Namespace" && home == object.name()))
    };
    let mut clashes = Vec::new();
    for object in survey.objects.iter().filter(|object| !goes(object) && !object.is_owned()) {
        let (namespace, name) = (object.namespace(), object.name());
        let with = match object.kind() {
            "Namespace" if version.namespaces().any(|wanted| wanted.name == name) => {
                Some(format!("namespace {name} of the release: look at what is in it"))
            }
            kind @ ("Deployment" | "StatefulSet" | "DaemonSet") => version
                .workloads()
                .any(|wanted| wanted.kind.name() == kind && wanted.namespace == namespace && wanted.name == name)
                .then(|| format!("{kind} {namespace}/{name} of the release: its selector cannot be changed")),
            "Service" => service(object, version),
            "Pod" => host_port(object),
            kind @ ("MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => version
                .webhooks()
                .any(|wanted| wanted.kind.name() == kind && wanted.name == name)
                .then(|| format!("{kind} {name} of the release")),
            "CustomResourceDefinition" => version.crds().any(|wanted| wanted.name == name).then(|| {
                "the release's definition of the same name: compare their versions with install --dry-run".to_owned()
            }),
            _ => None,
        };
        clashes.extend(with.map(|with| Clash { object: object.place(), with }));
    }
    clashes
}

fn service(object: &Object, version: &Version) -> Option<String> {
    let (namespace, name) = (object.namespace(), object.name());
    if version.services().any(|wanted| wanted.namespace == namespace && wanted.name == name) {
        return Some(format!("Service {namespace}/{name} of the release"));
    }
    let ports = object.items("/spec/ports").iter().filter_map(|port| port["port"].as_u64());
    let taken: Vec<String> = ports.filter(|port| PORTS.contains(port)).map(|port| port.to_string()).collect();
    let exposed = object.text("/spec/type") == "LoadBalancer" && !taken.is_empty();
    exposed.then(|| {
        format!("a gateway that is exposed on port {}: two load balancers share no address", taken.join(" and "))
    })
}

fn host_port(pod: &Object) -> Option<String> {
    let ports = pod.containers().filter_map(|container| container["ports"].as_array()).flatten();
    let mut taken = ports.filter_map(|port| port["hostPort"].as_u64()).filter(|port| PORTS.contains(port));
    let port = taken.next()?;
    let node = pod.body.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default();
    Some(format!("a gateway on port {port} of node {node}: the pod holds it"))
}
