//! What a probe tries to reach: a Service and the pods behind it, and what the mesh has before them.

use std::time::Duration;

use harness::context::Seen;
use harness::{Checked, Ctx, Stop};
use kube::api::DynamicObject;
use serde_json::Value;

use super::network::kept_out_by;
use crate::gateway::diagnose::Cause;
use crate::objects::{
    self, AUTHORIZATION_POLICY, ENDPOINT_SLICE, PEER_AUTHENTICATION, POD, SERVICE, items, label, selects, text,
};
use crate::probe::request::Reply;
use crate::probe::{Probe, has_sidecar};
use crate::recognise::{Answered, who};
use crate::tenants::EVERY;

const ROOT: &str = "istio-system";
/// How long it may take until the API knows the pods behind a Service.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);

/// A Service, and one of the pods behind it.
#[derive(Debug, Clone)]
pub struct Target {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service.
    pub service: String,
    /// Its port.
    pub service_port: u16,
    /// A ready pod behind it.
    pub pod: DynamicObject,
    /// The pod's address and port.
    pub address: String,
    port: u16,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Met {
    /// The mesh refused it.
    Refused,
    /// The network let nothing through, as a NetworkPolicy says, named here.
    KeptOut(String),
    /// It arrived; this answered.
    Arrived(String),
}

impl Target {
    /// Finds a ready pod behind a Service.
    ///
    /// # Errors
    /// [`Stop::Errored`] if there is none: who is not there keeps nobody out.
    pub async fn of(cx: &Ctx, namespace: &str, service: &str, service_port: u16) -> Checked<Self> {
        // A slice knows a port by the name that the Service gives it.
        let known = objects::get(cx, SERVICE, namespace, service).await?;
        let known = known.as_ref().map(|known| items(&known.data, "/spec/ports")).unwrap_or_default();
        let named = known.iter().find(|port| port["port"] == service_port).map_or("", |port| text(port, "/name"));
        // A slice is written a moment after its pod is ready.
        let wait = format!("a pod is ready behind Service {namespace}/{service}");
        let found = cx
            .eventually(&wait, WRITTEN_WITHIN, EVERY, || {
                Box::pin(async { Ok(Seen::from(behind(cx, namespace, service, named).await?)) })
            })
            .await;
        let (pod, address, port) = found.map_err(|stop| match stop {
            Stop::Failed(_) => {
                Stop::errored("precondition", format!("no pod is ready behind Service {namespace}/{service}"))
            }
            other => other,
        })?;
        let (namespace, service) = (namespace.to_owned(), service.to_owned());
        Ok(Self { namespace, service, service_port, pod, address: format!("{address}:{port}"), port })
    }

    /// Its URLs with a path: by Service name, and by pod address.
    #[must_use]
    pub fn urls(&self, path: &str) -> [String; 2] {
        let Self { namespace, service, service_port: port, .. } = self;
        [
            format!("http://{service}.{namespace}.svc.cluster.local:{port}{path}"),
            format!("http://{}{path}", self.address),
        ]
    }

    /// Judges what a probe got.
    ///
    /// # Errors
    /// [`Stop::Errored`] if that tells neither way.
    pub async fn met(&self, cx: &Ctx, probe: &Probe, url: &str, reply: &Reply) -> Checked<Met> {
        let instead = match reply {
            Reply::Answer(answer) => match who(answer) {
                Answered::RbacRefusal => return Ok(Met::Refused),
                Answered::Unavailable(words) if words.starts_with("upstream connect error") => words,
                other => return Ok(Met::Arrived(format!("{other} ({})", answer.summary()))),
            },
            unanswered => unanswered.to_string(),
        };
        let timed_out = matches!(reply, Reply::TimedOut) || instead.contains("timeout");
        // A sidecar accepts what its program sends to an address that belongs to no Service, and resets it when its own
        // try has taken ten seconds (seen with Istio 1.26 and kindnet): the network's silence looks like a reset there.
        let reset = probe.sidecar && url.contains(&self.address) && matches!(reply, Reply::Broken(_));
        if (timed_out || reset)
            && let Some(policy) = kept_out_by(cx, probe, &self.pod, self.port).await?
        {
            return Ok(Met::KeptOut(policy));
        }
        // Plain text is cut off where mutual TLS is demanded: stricter than any release ships it. A sidecar speaks mutual TLS
        // to a Service, and plain text to an address that it does not know.
        let plain = !probe.sidecar || url.contains(&self.address);
        if plain && !timed_out && !matches!(reply, Reply::NoSuchName) && self.wants_mutual_tls(cx).await? {
            return Ok(Met::Refused);
        }
        Err(Stop::errored(
            "precondition",
            format!("{probe} got no answer from {url}, and nothing says that it shall not: {instead}"),
        )
        .fix("kubectl get networkpolicies,peerauthentications -A; see whether the pod's own proxy runs"))
    }

    async fn wants_mutual_tls(&self, cx: &Ctx) -> Checked<bool> {
        for namespace in [ROOT, &self.namespace] {
            let found = objects::within(cx, PEER_AUTHENTICATION, namespace).await?;
            if found.iter().any(|one| text(&one.data, "/spec/mtls/mode") == "STRICT" && self.is_selected(one)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_selected(&self, policy: &DynamicObject) -> bool {
        let labels = serde_json::json!(self.pod.metadata.labels);
        policy.data.pointer("/spec/selector/matchLabels").is_none_or(|wanted| selects(wanted, &labels))
    }

    /// Why the mesh lets in whom it should not.
    pub async fn opened_by(&self, cx: &Ctx) -> Checked<Option<Cause>> {
        let (namespace, place) = (self.namespace.as_str(), objects::place(&self.pod));
        if !has_sidecar(&self.pod.data) {
            return Ok(Some(Cause::new(
                format!("pod {place} has no istio-proxy, which would ask the policies"),
                format!(
                    "take away the label sidecar.istio.io/inject of its workload, restore istio-injection of namespace \
                         {namespace} and the webhook istio-sidecar-injector, and restart it"
                ),
            )));
        }
        let mut any = false;
        for home in [ROOT, namespace] {
            for policy in objects::within(cx, AUTHORIZATION_POLICY, home).await? {
                if !matches!(text(&policy.data, "/spec/action"), "" | "ALLOW") || !self.is_selected(&policy) {
                    continue;
                }
                any = true;
                if items(&policy.data, "/spec/rules").iter().any(is_open) {
                    let place = objects::place(&policy);
                    return Ok(Some(Cause::new(
                        format!("AuthorizationPolicy {place} has a rule that lets every pod in"),
                        format!(
                            "apply AuthorizationPolicy {place} of kubeflow/manifests again, or delete it if it is none of it"
                        ),
                    )));
                }
            }
        }
        Ok((!any).then(|| {
            Cause::new(
                format!("no AuthorizationPolicy selects pod {place}, and istio-system/global-deny-all is absent: all are let in"),
                "apply AuthorizationPolicy istio-system/global-deny-all of kubeflow/manifests again",
            )
        }))
    }
}

/// A ready pod behind a Service, with its address and the port of a name.
async fn behind(
    cx: &Ctx,
    namespace: &str,
    service: &str,
    named: &str,
) -> Checked<Option<(DynamicObject, String, u16)>> {
    let slices = objects::within(cx, ENDPOINT_SLICE, namespace).await?;
    let mine = slices.iter().filter(|slice| label(slice, "kubernetes.io/service-name") == service);
    for (pod, address, port) in mine.flat_map(|slice| ready(slice, named)) {
        if let Some(pod) = objects::get(cx, POD, namespace, &pod).await? {
            return Ok(Some((pod, address, port)));
        }
    }
    Ok(None)
}

/// The ready pods of a slice: name, address as in a URL, and the port of a name.
fn ready(slice: &DynamicObject, named: &str) -> Vec<(String, String, u16)> {
    let port = items(&slice.data, "/ports").iter().find(|port| text(port, "/name") == named);
    let port = port.and_then(|port| u16::try_from(port.get("port")?.as_u64()?).ok());
    let Some(port) = port else { return Vec::new() };
    let is_ready = |endpoint: &&Value| endpoint.pointer("/conditions/ready").and_then(Value::as_bool) != Some(false);
    let endpoints = items(&slice.data, "/endpoints").iter().filter(is_ready);
    let told = endpoints.map(|endpoint| {
        let address = text(endpoint, "/addresses/0");
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        (text(endpoint, "/targetRef/name").to_owned(), host, port)
    });
    told.collect()
}

/// Whether a rule asks neither for a sender nor for a header.
fn is_open(rule: &Value) -> bool {
    let everybody = |from: &Value| {
        let all = |list: &str| items(from, list).iter().any(|one| one == "*");
        all("/source/principals") || all("/source/namespaces")
    };
    let from = items(rule, "/from");
    (from.is_empty() || from.iter().any(everybody)) && items(rule, "/when").is_empty() && items(rule, "/to").is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_is_open_if_it_asks_for_nothing() {
        assert!(is_open(&json!({})) && is_open(&json!({"from": [{"source": {"principals": ["*"]}}]})));
        assert!(!is_open(&json!({"from": [{"source": {"principals": ["cluster.local/ns/a/sa/b"]}}]})));
        assert!(!is_open(&json!({"when": [{"key": "request.headers[kubeflow-userid]", "notValues": ["*"]}]})));
        assert!(!is_open(&json!({"to": [{"operation": {"paths": ["/healthz"]}}]})));
    }
}
