//! NetworkPolicies, as a CNI that enforces them: which pod may connect to which. Of a policy its ingress rules count;
//! egress is not looked at, because no release has any.
//!
//! Source: Kubernetes' `networking/v1` NetworkPolicy; as there, a pod that no policy selects takes all connections.

use std::net::IpAddr;

use serde_json::Value;

use super::block::Block;
use crate::controllers::label_selector;
use crate::object::{list, namespace, text};
use crate::store::{Key, Store};
use crate::switches;

/// The switch of a network that keeps NetworkPolicies, but does not look at them.
const UNENFORCED: &str = "network-policies-unenforced";

const GROUP: &str = "networking.k8s.io";

/// Whether a pod may connect to a port of another.
pub(crate) fn admits(store: &Store, from: &Value, to: &Value, port: u16) -> bool {
    if switches::is_on(store, UNENFORCED) {
        return true;
    }
    let policies = store.list(GROUP, "networkpolicies", Some(namespace(to)));
    let mut isolating = policies.iter().filter(|policy| isolates(policy, to)).peekable();
    isolating.peek().is_none()
        || isolating.any(|policy| {
            list(policy, "/spec/ingress")
                .iter()
                .any(|rule| has_port(rule, to, port) && has_peer(store, rule, policy, from))
        })
}

/// Whether a policy limits what comes in to a pod.
fn isolates(policy: &Value, pod: &Value) -> bool {
    let types = list(policy, "/spec/policyTypes");
    let ingress = types.is_empty() || types.iter().any(|of| of == "Ingress");
    ingress && label_selector::matches(policy.pointer("/spec/podSelector"), pod.pointer("/metadata/labels"))
}

fn has_port(rule: &Value, pod: &Value, port: u16) -> bool {
    let ports = list(rule, "/ports");
    ports.is_empty()
        || ports.iter().any(|allowed| {
            let tcp = matches!(text(allowed, "/protocol"), "" | "TCP");
            let end = allowed.get("endPort").and_then(Value::as_u64);
            tcp && match allowed.get("port") {
                None | Some(Value::Null) => true,
                Some(Value::String(name)) => named(pod, name) == Some(u64::from(port)),
                Some(number) => {
                    let first = number.as_u64().unwrap_or_default();
                    (first..=end.unwrap_or(first)).contains(&u64::from(port))
                }
            }
        })
}

/// The number of a container port by its name.
fn named(pod: &Value, name: &str) -> Option<u64> {
    let ports = list(pod, "/spec/containers").iter().flat_map(|container| list(container, "/ports"));
    ports.filter(|port| text(port, "/name") == name).find_map(|port| port.get("containerPort")?.as_u64())
}

fn has_peer(store: &Store, rule: &Value, policy: &Value, from: &Value) -> bool {
    let peers = list(rule, "/from");
    peers.is_empty() || peers.iter().any(|peer| is_peer(store, peer, policy, from))
}

fn is_peer(store: &Store, peer: &Value, policy: &Value, from: &Value) -> bool {
    if let Some(block) = peer.get("ipBlock") {
        let Ok(address) = text(from, "/status/podIP").parse::<IpAddr>() else { return false };
        let contains = |text: &str| Block::parse(text).is_some_and(|block| block.contains(address));
        let excepted = list(block, "/except").iter().filter_map(Value::as_str).any(contains);
        return contains(text(block, "/cidr")) && !excepted;
    }
    let home = match peer.get("namespaceSelector") {
        Some(selector) => {
            let home = store.get(&Key::new("", "namespaces", "", namespace(from)));
            let labels = home.as_ref().and_then(|home| home.pointer("/metadata/labels"));
            label_selector::matches(Some(selector), labels)
        }
        None => namespace(from) == namespace(policy),
    };
    let pod = peer.get("podSelector");
    home && pod.is_none_or(|selector| label_selector::matches(Some(selector), from.pointer("/metadata/labels")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn store(policies: &[Value]) -> Store {
        let store = Store::default();
        for (name, labels) in [("kubeflow", json!({})), ("tenant", json!({"part-of": "profile"})), ("other", json!({}))]
        {
            store.create(&Key::new("", "namespaces", "", name), json!({"metadata": {"labels": labels}})).unwrap();
        }
        for (number, spec) in policies.iter().enumerate() {
            let name = number.to_string();
            let policy = json!({"metadata": {"name": name, "namespace": "kubeflow"}, "spec": spec});
            store.create(&Key::new(GROUP, "networkpolicies", "kubeflow", &name), policy).unwrap();
        }
        store
    }

    fn pod(namespace: &str, address: &str) -> Value {
        json!({
            "metadata": {"namespace": namespace, "labels": {"app": "x"}},
            "spec": {"containers": [{"ports": [{"name": "web", "containerPort": 80}]}]},
            "status": {"podIP": address},
        })
    }

    #[test]
    fn who_is_not_named_is_kept_out_once_a_policy_selects_the_pod() {
        let target = pod("kubeflow", "10.0.0.1");
        let to = |spec: &[Value], from: &str, port: u16| admits(&store(spec), &pod(from, "10.0.1.7"), &target, port);
        assert!(to(&[], "other", 80));
        let same = json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]});
        assert!(to(std::slice::from_ref(&same), "kubeflow", 80) && !to(std::slice::from_ref(&same), "tenant", 80));
        let tenants = json!({
            "podSelector": {"matchLabels": {"app": "x"}},
            "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"part-of": "profile"}}}], "ports": [{"port": "web"}]}],
        });
        let both = [same.clone(), tenants];
        assert!(to(&both, "tenant", 80) && !to(&both, "tenant", 81) && !to(&both, "other", 80));
        let elsewhere = json!({"podSelector": {"matchLabels": {"app": "y"}}, "ingress": []});
        assert!(to(&[elsewhere], "other", 80));
        let block = json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.1.0/24"]}}]}]});
        assert!(!to(&[block], "kubeflow", 80));
        let egress = json!({"podSelector": {}, "policyTypes": ["Egress"]});
        assert!(to(&[egress], "other", 80));
        let range = json!({"podSelector": {}, "ingress": [{"ports": [{"port": 80, "endPort": 82}, {"port": 90, "protocol": "UDP"}]}]});
        assert!(to(std::slice::from_ref(&range), "other", 82) && !to(std::slice::from_ref(&range), "other", 90));
    }

    #[test]
    fn a_network_may_keep_policies_without_looking_at_them() {
        let store = store(&[json!({"podSelector": {}})]);
        let (from, to) = (pod("tenant", "10.0.1.7"), pod("kubeflow", "10.0.0.1"));
        assert!(!admits(&store, &from, &to, 80));
        let key = Key::new("", "configmaps", switches::NAMESPACE, switches::NAME);
        store.create(&key, json!({"data": {UNENFORCED: "true"}})).unwrap();
        assert!(admits(&store, &from, &to, 80));
    }
}
