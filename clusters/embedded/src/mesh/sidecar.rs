//! Which pods have a sidecar, and which of their ports it guards.

use serde_json::Value;

use crate::object;
use crate::store::{Key, Store};

/// Name of the container that istiod injects.
pub const CONTAINER: &str = "istio-proxy";
/// Annotation by which istiod marks a pod that it has injected.
pub const STATUS_ANNOTATION: &str = "sidecar.istio.io/status";

const INJECT: &str = "sidecar.istio.io/inject";

/// Whether a pod runs a sidecar: istiod's mark, or a proxy beside another container (a gateway has it alone).
#[must_use]
pub fn is_present(pod: &Value) -> bool {
    let proxy = |list| object::list(pod, list).iter().any(|container| object::text(container, "/name") == CONTAINER);
    annotation(pod, STATUS_ANNOTATION).is_some()
        || proxy("/spec/initContainers")
        || (proxy("/spec/containers") && object::list(pod, "/spec/containers").len() > 1)
}

/// Whether istiod would inject a sidecar into a new pod of a namespace: the pod's label decides, else its annotation,
/// else the label `istio-injection` (or `istio.io/rev`) of the namespace; pods on the host's network are left alone.
///
/// Source: the selectors of MutatingWebhookConfiguration `istio-sidecar-injector` and istiod's `injectRequired`.
#[must_use]
pub fn is_wanted(store: &Store, namespace: &str, pod: &Value) -> bool {
    if pod.pointer("/spec/hostNetwork").and_then(Value::as_bool) == Some(true) {
        return false;
    }
    let own = object::label(pod, INJECT).or_else(|| annotation(pod, INJECT));
    let namespace = store.get(&Key::new("", "namespaces", "", namespace));
    let of_namespace = |label| namespace.as_deref().and_then(|namespace| object::label(namespace, label));
    match of_namespace("istio-injection") {
        Some("enabled") => own != Some("false"),
        Some(_) => false,
        None if of_namespace("istio.io/rev") == Some("default") => own != Some("false"),
        None => object::label(pod, INJECT) == Some("true"),
    }
}

/// Whether a sidecar guards a port: annotations may exclude ports, or include only some.
pub(crate) fn guards(pod: &Value, port: u16) -> bool {
    let lists = |name: &str| {
        annotation(pod, name).is_some_and(|ports| {
            ports.split(',').any(|listed| listed.trim() == "*" || listed.trim().parse() == Ok(port))
        })
    };
    let includes_some = annotation(pod, "traffic.sidecar.istio.io/includeInboundPorts").is_some();
    !lists("traffic.sidecar.istio.io/excludeInboundPorts")
        && (!includes_some || lists("traffic.sidecar.istio.io/includeInboundPorts"))
}

fn annotation<'a>(pod: &'a Value, name: &str) -> Option<&'a str> {
    pod.get("metadata")?.get("annotations")?.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_gateway_has_no_sidecar_and_an_injected_pod_has_one() {
        let pod = |containers: Value| json!({"spec": {"containers": containers}});
        assert!(is_present(&pod(json!([{"name": "app"}, {"name": "istio-proxy"}]))));
        assert!(!is_present(&pod(json!([{"name": "istio-proxy"}]))));
        assert!(is_present(&json!({"metadata": {"annotations": {STATUS_ANNOTATION: "{}"}}})));
        assert!(is_present(&json!({"spec": {"initContainers": [{"name": "istio-proxy"}]}})));
    }

    #[test]
    fn injection_follows_namespace_and_pod() {
        let store = Store::default();
        for (name, labels) in [("on", json!({"istio-injection": "enabled"})), ("off", json!({}))] {
            store.create(&Key::new("", "namespaces", "", name), json!({"metadata": {"labels": labels}})).unwrap();
        }
        let plain = json!({});
        let never = json!({"metadata": {"annotations": {INJECT: "false"}}});
        let asked = json!({"metadata": {"labels": {INJECT: "true"}}});
        for (namespace, pod, wanted) in [
            ("on", &plain, true),
            ("on", &never, false),
            ("off", &plain, false),
            ("off", &asked, true),
            ("gone", &plain, false),
        ] {
            assert_eq!(is_wanted(&store, namespace, pod), wanted, "{namespace} {pod}");
        }
    }

    #[test]
    fn ports_are_excluded_or_included_by_annotation() {
        let pod = |name: &str, ports: &str| json!({"metadata": {"annotations": {name: ports}}});
        let excluding = pod("traffic.sidecar.istio.io/excludeInboundPorts", "9443, 15090");
        assert!(!guards(&excluding, 9443) && guards(&excluding, 80));
        let including = pod("traffic.sidecar.istio.io/includeInboundPorts", "80");
        assert!(guards(&including, 80) && !guards(&including, 9443));
        assert!(guards(&json!({}), 1));
    }
}
