//! Fields that take one of a closed list of values.

use serde_json::{Value, json};

use super::Problem;
use crate::api::kinds::Resource;

struct Closed {
    group: &'static str,
    plural: &'static str,
    /// Where it is: parts between dots; `*` stands for every item of a list.
    path: &'static str,
    values: &'static [&'static str],
    /// Whether it may not be left out either.
    needed: bool,
}

const fn closed(
    group: &'static str,
    plural: &'static str,
    path: &'static str,
    values: &'static [&'static str],
) -> Closed {
    Closed { group, plural, path, values, needed: false }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const PULLS: &[&str] = &["Always", "IfNotPresent", "Never"];
const SUBJECTS: &[&str] = &["ServiceAccount", "User", "Group"];

/// Order of the values is that of the server's complaint (`pkg/apis/*/validation` of Kubernetes 1.34).
const ALL: &[Closed] = &[
    closed("", "pods", "spec.containers.*.imagePullPolicy", PULLS),
    closed("", "pods", "spec.initContainers.*.imagePullPolicy", PULLS),
    closed("", "pods", "spec.restartPolicy", &["Always", "OnFailure", "Never"]),
    closed("apps", "deployments", "spec.template.spec.restartPolicy", &["Always"]),
    closed("apps", "statefulsets", "spec.template.spec.restartPolicy", &["Always"]),
    closed("apps", "daemonsets", "spec.template.spec.restartPolicy", &["Always"]),
    closed("apps", "replicasets", "spec.template.spec.restartPolicy", &["Always"]),
    closed("", "services", "spec.ports.*.protocol", &["SCTP", "TCP", "UDP"]),
    closed(
        "",
        "persistentvolumeclaims",
        "spec.accessModes.*",
        &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"],
    ),
    closed("networking.k8s.io", "networkpolicies", "spec.policyTypes.*", &["Ingress", "Egress"]),
    Closed { needed: true, ..closed(RBAC, "rolebindings", "roleRef.kind", &["Role", "ClusterRole"]) },
    Closed { needed: true, ..closed(RBAC, "clusterrolebindings", "roleRef.kind", &["ClusterRole"]) },
    closed(RBAC, "rolebindings", "subjects.*.kind", SUBJECTS),
    closed(RBAC, "clusterrolebindings", "subjects.*.kind", SUBJECTS),
    closed(ADMISSION, "validatingwebhookconfigurations", "webhooks.*.sideEffects", &["None", "NoneOnDryRun"]),
    closed(ADMISSION, "mutatingwebhookconfigurations", "webhooks.*.sideEffects", &["None", "NoneOnDryRun"]),
];

/// What is wrong.
pub(super) fn problems(resource: &Resource, object: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    for closed in ALL.iter().filter(|closed| closed.group == resource.group && closed.plural == resource.plural) {
        let parts: Vec<&str> = closed.path.split('.').collect();
        closed.walk(object, &parts, &mut String::new(), &mut problems);
    }
    problems
}

impl Closed {
    fn walk(&self, value: &Value, parts: &[&str], at: &mut String, problems: &mut Vec<Problem>) {
        let length = at.len();
        match parts {
            [] => {
                let found = value.as_str().unwrap_or_default();
                if !self.values.contains(&found) && (self.needed || !found.is_empty()) {
                    let supported: Vec<Value> = self.values.iter().map(|value| json!(value)).collect();
                    problems.push(Problem::unsupported(self.field(at), &json!(found), &supported));
                }
            }
            ["*", rest @ ..] => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    at.push_str(&format!("[{place}]"));
                    self.walk(item, rest, at, problems);
                    at.truncate(length);
                }
            }
            [key, rest @ ..] => {
                if length > 0 {
                    at.push('.');
                }
                at.push_str(key);
                self.walk(&value[*key], rest, at, problems);
                at.truncate(length);
            }
        }
    }

    /// The field that is named: of access modes the whole list.
    fn field(&self, at: &str) -> String {
        if self.plural == "persistentvolumeclaims" { "spec.accessModes".into() } else { at.to_owned() }
    }
}
