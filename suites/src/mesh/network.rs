//! Whom NetworkPolicies keep out, read from the objects: what a time-out means, and what a network that does not enforce
//! them leaves open.
//!
//! Source: Kubernetes' `networking/v1` NetworkPolicy. Blocks of addresses are taken to admit: a time-out that could have
//! another cause is not called a denial.

use harness::{Checked, Ctx};
use kube::api::DynamicObject;
use serde_json::Value;

use crate::objects::{self, NAMESPACE, NETWORK_POLICY, items, text};
use crate::probe::Probe;

/// The NetworkPolicy that keeps a probe out of a pod, if one does and none lets it in.
pub async fn kept_out_by(cx: &Ctx, probe: &Probe, pod: &DynamicObject, port: u16) -> Checked<Option<String>> {
    let home = objects::get(cx, NAMESPACE, "", &probe.namespace).await?;
    let home = home.map(|home| serde_json::json!(home.metadata.labels)).unwrap_or_default();
    let from = Peer { namespace: &probe.namespace, home: &home, labels: &probe.labels };
    let policies = objects::within(cx, NETWORK_POLICY, objects::namespace(pod)).await?;
    let isolating: Vec<&DynamicObject> = policies.iter().filter(|policy| isolates(policy, pod)).collect();
    let let_in = isolating.iter().any(|policy| admits(policy, &from, port));
    Ok(isolating.first().filter(|_| !let_in).map(|policy| format!("NetworkPolicy {}", objects::place(policy))))
}

/// Whether a policy limits what comes in to a pod.
#[must_use]
pub fn isolates(policy: &DynamicObject, pod: &DynamicObject) -> bool {
    let types = items(&policy.data, "/spec/policyTypes");
    let ingress = types.is_empty() || types.iter().any(|of| of == "Ingress");
    let labels = serde_json::json!(pod.metadata.labels);
    ingress && policy.data.pointer("/spec/podSelector").is_some_and(|selector| fits(selector, &labels))
}

/// Who connects.
struct Peer<'a> {
    namespace: &'a str,
    /// The namespace's labels.
    home: &'a Value,
    labels: &'a Value,
}

fn admits(policy: &DynamicObject, from: &Peer<'_>, port: u16) -> bool {
    items(&policy.data, "/spec/ingress").iter().any(|rule| {
        let ports = items(rule, "/ports");
        let peers = items(rule, "/from");
        (ports.is_empty() || ports.iter().any(|allowed| is_port(allowed, port)))
            && (peers.is_empty() || peers.iter().any(|peer| is_peer(peer, objects::namespace(policy), from)))
    })
}

/// Whether a rule's port is meant. Names of ports may be any.
fn is_port(allowed: &Value, port: u16) -> bool {
    let number = |field: &str| allowed.get(field).and_then(Value::as_u64);
    match (number("port"), number("endPort")) {
        (Some(first), Some(last)) => (first..=last).contains(&u64::from(port)),
        (Some(only), None) => only == u64::from(port),
        (None, _) => true,
    }
}

fn is_peer(peer: &Value, own: &str, from: &Peer<'_>) -> bool {
    if peer.get("ipBlock").is_some() {
        return true;
    }
    let home = peer.get("namespaceSelector").map_or(from.namespace == own, |selector| fits(selector, from.home));
    home && peer.get("podSelector").is_none_or(|selector| fits(selector, from.labels))
}

/// Whether labels fit a selector.
fn fits(selector: &Value, labels: &Value) -> bool {
    let value = |key: &str| labels.get(key).and_then(Value::as_str);
    let equal = selector.get("matchLabels").and_then(Value::as_object);
    equal.is_none_or(|wanted| wanted.iter().all(|(key, wanted)| value(key) == wanted.as_str()))
        && items(selector, "/matchExpressions").iter().all(|expression| {
            let found = value(text(expression, "/key"));
            let among = found.is_some_and(|found| items(expression, "/values").iter().any(|one| one == found));
            match text(expression, "/operator") {
                "In" => among,
                "NotIn" => !among,
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_tenant_is_let_in_where_a_policy_names_its_namespace() {
        let policy = |spec: Value| {
            object(
                json!({"apiVersion": "v1", "kind": "N", "metadata": {"name": "p", "namespace": "kubeflow"}, "spec": spec}),
            )
        };
        let home = json!({"app.kubernetes.io/part-of": "kubeflow-profile"});
        let labels = json!({"a": "b"});
        let from = Peer { namespace: "tenant", home: &home, labels: &labels };
        let same = policy(json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}));
        let gateway =
            policy(json!({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {"matchExpressions":
            [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["istio-system"]}]}}]}]}));
        let tenants =
            policy(json!({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {"matchExpressions":
            [{"key": "app.kubernetes.io/part-of", "operator": "In", "values": ["kubeflow-profile"]}]}}]}]}));
        let port = policy(json!({"podSelector": {}, "ingress": [{"ports": [{"port": 8443}]}]}));
        let seen = [&same, &gateway, &tenants, &port].map(|policy| admits(policy, &from, 80));
        assert_eq!(seen, [false, false, true, false]);
        assert!(admits(&port, &from, 8443));
        let pod = |labels: Value| {
            object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "labels": labels}}))
        };
        let of_app = policy(json!({"podSelector": {"matchLabels": {"app": "x"}}}));
        assert!(isolates(&of_app, &pod(json!({"app": "x"}))) && !isolates(&of_app, &pod(json!({"app": "y"}))));
        assert!(!isolates(&policy(json!({"podSelector": {}, "policyTypes": ["Egress"]})), &pod(json!({}))));
    }
}
