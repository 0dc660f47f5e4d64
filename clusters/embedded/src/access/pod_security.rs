//! Pod Security: what the label `pod-security.kubernetes.io/enforce` of a namespace forbids its pods. The level `restricted`
//! forbids no more than `baseline` here.
//!
//! Source: Kubernetes' "Pod Security Standards", baseline; words as `k8s.io/pod-security-admission/policy` has them.

use serde_json::Value;

use crate::object::{label, list, namespace, text};
use crate::platform::World;
use crate::store::Key;
use crate::switches;

/// The switch of an API server that does not look.
const UNENFORCED: &str = "pod-security-unenforced";
const LABEL: &str = "pod-security.kubernetes.io/enforce";

/// What every container has, or may add.
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Why Pod Security forbids a pod in its namespace.
pub(super) fn refusal(world: &World, pod: &Value) -> Option<String> {
    let home = world.store.get(&Key::new("", "namespaces", "", namespace(pod)))?;
    let level = label(&home, LABEL).filter(|level| matches!(*level, "baseline" | "restricted"))?;
    let violations = violations(pod);
    if switches::is_on(&world.store, UNENFORCED) {
        return None;
    }
    (!violations.is_empty()).then(|| format!("violates PodSecurity \"{level}:latest\": {}", violations.join(", ")))
}

fn violations(pod: &Value) -> Vec<String> {
    let mut violations = Vec::new();
    let containers = || {
        let of = |group| list(pod, group).iter();
        of("/spec/initContainers").chain(of("/spec/containers")).chain(of("/spec/ephemeralContainers"))
    };
    for container in containers() {
        let added = list(container, "/securityContext/capabilities/add").iter().filter_map(Value::as_str);
        let other: Vec<String> =
            added.filter(|one| !CAPABILITIES.contains(one)).map(|one| format!("\"{one}\"")).collect();
        if !other.is_empty() {
            violations.push(format!(
                "non-default capabilities (container \"{}\" must not include {} in securityContext.capabilities.add)",
                text(container, "/name"),
                other.join(", ")
            ));
        }
    }
    let host: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|field| pod["spec"][*field] == true)
        .map(|field| format!("{field}=true"))
        .collect();
    if !host.is_empty() {
        violations.push(format!("host namespaces ({})", host.join(", ")));
    }
    let volumes =
        list(pod, "/spec/volumes").iter().filter(|volume| volume.get("hostPath").is_some_and(Value::is_object));
    let volumes: Vec<String> = volumes.map(|volume| format!("\"{}\"", text(volume, "/name"))).collect();
    if !volumes.is_empty() {
        let word = if volumes.len() == 1 { "volume" } else { "volumes" };
        violations.push(format!("hostPath volumes ({word} {})", volumes.join(", ")));
    }
    for container in containers() {
        let ports = list(container, "/ports").iter().filter_map(|port| port.get("hostPort")?.as_u64());
        if let Some(port) = ports.into_iter().find(|port| *port != 0) {
            violations.push(format!("hostPort (container \"{}\" uses hostPort {port})", text(container, "/name")));
        }
        if container.pointer("/securityContext/privileged") == Some(&Value::Bool(true)) {
            let name = text(container, "/name");
            violations.push(format!("privileged (container \"{name}\" must not set securityContext.privileged=true)"));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_reaches_the_node_is_named() {
        let plain = json!({"spec": {"containers": [{"name": "c", "securityContext": {"capabilities": {"add": ["CHOWN"], "drop": ["ALL"]}}}]}});
        assert!(violations(&plain).is_empty());
        let pod = json!({"spec": {
            "hostNetwork": true, "volumes": [{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "emptyDir": {}}],
            "containers": [{"name": "c", "securityContext": {"privileged": true, "capabilities": {"add": ["NET_ADMIN"]}},
                            "ports": [{"hostPort": 80}]}],
        }});
        assert_eq!(
            violations(&pod).join(", "),
            "non-default capabilities (container \"c\" must not include \"NET_ADMIN\" in securityContext.capabilities.add), \
             host namespaces (hostNetwork=true), hostPath volumes (volume \"v\"), hostPort (container \"c\" uses hostPort 80), \
             privileged (container \"c\" must not set securityContext.privileged=true)"
        );
    }
}
