//! Istio's sidecar injector, as the API server meets it: a mutating webhook on new pods that istiod answers.
//!
//! Whether a pod is asked about follows from the `MutatingWebhookConfiguration`s that lead to path `/inject`; whether it
//! gets a sidecar from its labels and annotations (`pkg/kube/inject/inject.go`, `injectRequired`, Istio 1.17 to 1.26). Of
//! the template only what others look at is played: the containers, the status annotation, the mesh labels.

use serde_json::{Value, json};

use super::pod_admission::push;
use crate::actors;
use crate::api::Status;
use crate::controllers::endpoints::is_served;
use crate::controllers::label_selector;
use crate::object::{label, list, namespace, selected_by, text};
use crate::platform::World;
use crate::store::Key;

/// Namespaces that are never injected.
const NEVER: &[&str] = &["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];
const INJECT: &str = "sidecar.istio.io/inject";
const STATUS: &str = "sidecar.istio.io/status";

/// Calls the injector for a new pod, if a webhook says so.
///
/// # Errors
/// What the API server answers when the injector cannot be called and its `failurePolicy` is `Fail`.
pub fn admit(world: &World, pod: &mut Value) -> Result<(), Status> {
    for configuration in world.store.list("admissionregistration.k8s.io", "mutatingwebhookconfigurations", None) {
        for webhook in list(&configuration, "/webhooks") {
            if !text(webhook, "/clientConfig/service/path").starts_with("/inject") || !concerns(world, webhook, pod) {
                continue;
            }
            match (call_problem(world, webhook), text(webhook, "/failurePolicy")) {
                (None, _) => inject(world, webhook, pod),
                (Some(_), "Ignore") => {}
                (Some(problem), _) => {
                    let name = text(webhook, "/name");
                    return Err(Status::internal(format!("failed calling webhook \"{name}\": {problem}")));
                }
            }
        }
    }
    Ok(())
}

/// Whether a webhook is asked about a pod.
pub(super) fn concerns(world: &World, webhook: &Value, pod: &Value) -> bool {
    let fits = |selector: &str, labels: Option<&Value>| {
        webhook.get(selector).is_none_or(|selector| label_selector::matches(Some(selector), labels))
    };
    let home = world.store.get(&Key::new("", "namespaces", "", namespace(pod)));
    fits("objectSelector", pod.pointer("/metadata/labels"))
        && fits("namespaceSelector", home.as_ref().and_then(|home| home.pointer("/metadata/labels")))
}

/// Why the webhook's Service cannot be called, in the API server's words.
pub(super) fn call_problem(world: &World, webhook: &Value) -> Option<String> {
    let service = |field: &str| text(webhook, &format!("/clientConfig/service/{field}"));
    let (home, name) = (service("namespace"), service("name"));
    let seconds = webhook.get("timeoutSeconds").and_then(Value::as_u64).unwrap_or(10);
    let url = format!("https://{name}.{home}.svc:443{}?timeout={seconds}s", service("path"));
    let why = if world.store.get(&Key::new("", "services", home, name)).is_none() {
        format!("service \"{name}\" not found")
    } else if !is_served(&world.store, home, name) {
        format!("no endpoints available for service \"{name}\"")
    } else if text(webhook, "/clientConfig/caBundle").is_empty() {
        "tls: failed to verify certificate: x509: certificate signed by unknown authority".to_owned()
    } else {
        return None;
    };
    Some(format!("failed to call webhook: Post \"{url}\": {why}"))
}

/// Whether a pod that the injector is asked about gets a sidecar: the label counts before the annotation.
fn is_wanted(pod: &Value) -> bool {
    let annotations = pod.pointer("/metadata/annotations");
    let annotation = |name: &str| annotations.and_then(|all| all.get(name)).and_then(Value::as_str);
    if pod.pointer("/spec/hostNetwork") == Some(&json!(true))
        || NEVER.contains(&namespace(pod))
        || annotation(STATUS).is_some()
    {
        return false;
    }
    let wish = label(pod, INJECT).or_else(|| annotation(INJECT)).unwrap_or_default().to_lowercase();
    !matches!(wish.as_str(), "false" | "n" | "no" | "off")
}

/// How the injector is configured: by istiod's ConfigMap where there is one, else by what istiod itself runs.
struct Injector {
    image: String,
    native: bool,
    cni: bool,
}

impl Injector {
    fn of(world: &World, webhook: &Value) -> Self {
        let service = |field: &str| text(webhook, &format!("/clientConfig/service/{field}"));
        let home = service("namespace");
        let config_map = world.store.get(&Key::new("", "configmaps", home, "istio-sidecar-injector"));
        let values = config_map.map(|found| text(&found, "/data/values").to_owned()).unwrap_or_default();
        let values: Value = serde_json::from_str(&values).unwrap_or_default();
        let istiod = world.store.get(&Key::new("", "services", home, service("name")));
        let selector = istiod.as_ref().and_then(|service| service.pointer("/spec/selector"));
        let pods = world.store.list("", "pods", Some(home));
        let container = pods
            .iter()
            .filter(|pod| selected_by(pod, selector))
            .find_map(|pod| list(pod, "/spec/containers").first())
            .cloned()
            .unwrap_or_default();
        let environment = |name: &str| list(&container, "/env").iter().find(|one| text(one, "/name") == name);
        let image = match (text(&values, "/global/hub"), text(&values, "/global/tag")) {
            (hub, tag) if !hub.is_empty() && !tag.is_empty() => format!("{hub}/proxyv2:{tag}"),
            _ => {
                let own = text(&container, "/image");
                let registry = actors::repository(own).rsplit_once('/').map_or("istio", |(registry, _)| registry);
                format!("{registry}/proxyv2:{}", actors::tag(own))
            }
        };
        let on = |pointer: &str| values.pointer(pointer) == Some(&json!(true));
        let daemon = Key::new("apps", "daemonsets", "kube-system", "istio-cni-node");
        Self {
            image,
            native: environment("ENABLE_NATIVE_SIDECARS").is_some_and(|one| text(one, "/value") == "true"),
            cni: on("/istio_cni/enabled") || on("/pilot/cni/enabled") || world.store.get(&daemon).is_some(),
        }
    }
}

fn inject(world: &World, webhook: &Value, pod: &mut Value) {
    if !is_wanted(pod) {
        return;
    }
    let injector = Injector::of(world, webhook);
    let application = list(pod, "/spec/containers").first().map(|one| text(one, "/name").to_owned());
    let first = if injector.cni { "istio-validation" } else { "istio-init" };
    let network = json!({
        "name": first, "image": injector.image,
        "args": ["istio-iptables", "-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-b", "*"],
    });
    let proxy = proxy(&injector);
    if injector.native {
        let rest = list(pod, "/spec/initContainers").to_vec();
        pod["spec"]["initContainers"] = json!([vec![network, proxy], rest].concat());
    } else {
        push(&mut pod["spec"], "initContainers", network);
        push(&mut pod["spec"], "containers", proxy);
    }
    for volume in ["workload-socket", "credential-socket", "workload-certs", "istio-envoy", "istio-data"] {
        push(&mut pod["spec"], "volumes", json!({"name": volume, "emptyDir": {}}));
    }
    let (init, ordinary): (Vec<&str>, Vec<&str>) =
        if injector.native { (vec![first, "istio-proxy"], vec![]) } else { (vec![first], vec!["istio-proxy"]) };
    let status = json!({"initContainers": init, "containers": ordinary, "revision": "default"});
    let app = label(pod, "app").or_else(|| label(pod, "app.kubernetes.io/name")).unwrap_or_default().to_owned();
    let annotations = &mut pod["metadata"]["annotations"];
    annotations[STATUS] = json!(status.to_string());
    if let Some(application) = application
        && annotations.get("kubectl.kubernetes.io/default-container").is_none()
    {
        annotations["kubectl.kubernetes.io/default-container"] = json!(application);
    }
    for (key, value) in [
        ("security.istio.io/tlsMode", "istio"),
        ("service.istio.io/canonical-revision", "latest"),
        ("service.istio.io/canonical-name", app.as_str()),
    ] {
        if label(pod, key).is_none() && !value.is_empty() {
            pod["metadata"]["labels"][key] = json!(value);
        }
    }
}

fn proxy(injector: &Injector) -> Value {
    let probe = |port: u16| json!({"httpGet": {"path": "/healthz/ready", "port": port}});
    let mut proxy = json!({
        "name": "istio-proxy", "image": injector.image,
        "args": ["proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        ],
        "ports": [{"name": "http-envoy-prom", "containerPort": 15090, "protocol": "TCP"}],
        "readinessProbe": probe(15021), "startupProbe": probe(15021),
        "resources": {"requests": {"cpu": "10m", "memory": "40Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
    });
    if injector.native {
        proxy["restartPolicy"] = json!("Always");
    }
    proxy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_counts_before_the_annotation_and_nothing_means_yes() {
        let of = |label: Option<&str>, annotation: Option<&str>| {
            let mut pod = json!({"metadata": {"namespace": "a", "labels": {}, "annotations": {}}, "spec": {}});
            if let Some(label) = label {
                pod["metadata"]["labels"][INJECT] = json!(label);
            }
            if let Some(annotation) = annotation {
                pod["metadata"]["annotations"][INJECT] = json!(annotation);
            }
            is_wanted(&pod)
        };
        assert!(of(None, None));
        assert!(!of(None, Some("false")));
        assert!(of(Some("true"), Some("false")));
        assert!(!of(Some("false"), Some("true")));
    }
}
