//! What runs pods, and whether it has them.

use clusters::versions::inventory::{Workload, WorkloadKind};
use clusters::versions::parts;
use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Seconds, check};
use kube::api::DynamicObject;

use super::Differences;
use crate::faults::gateway::KATIB_UI_STOPPED;
use crate::faults::install as faults;
use crate::objects::{self, DAEMON_SET, DEPLOYMENT, POD, STATEFUL_SET, number};

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "INS-010",
        "Every Deployment of the release is rolled out",
        Level::Must,
        source("kubernetes/kubectl", "rollout status: observedGeneration, updated, available replicas"),
        |cx| Box::pin(ready(cx, &[WorkloadKind::Deployment])),
    )
    .explain(Explain {
        what: "Each Deployment that the release creates exists, its controller has seen its newest form, all replicas \
               run that form, and all are available.",
        why: "A Deployment that is not rolled out is an application that is missing, or an old one that still runs.",
        fix: "kubectl -n NAMESPACE describe deployment NAME; look at the events of its pods: image, volume, quota.",
        reproduce: "kubectl get deployments -A",
    })
    .after(&["INS-001"])
    .within(Seconds(60))
    .breaks_on(&[&KATIB_UI_STOPPED, &faults::DEPLOYMENT_REMOVED, &faults::IMAGE_NOT_FOUND]),
    check(
        "INS-011",
        "Every StatefulSet and DaemonSet of the release is rolled out",
        Level::Must,
        source("kubernetes/kubectl", "rollout status: observedGeneration, updated, ready replicas"),
        |cx| Box::pin(ready(cx, &[WorkloadKind::StatefulSet, WorkloadKind::DaemonSet])),
    )
    .explain(Explain {
        what: "The same for metacontroller, authservice (v1.8) and Istio's CNI node agent (since v1.10).",
        why: "Without metacontroller no new tenant gets Pipelines; without authservice nobody logs in; without the \
              CNI agent no pod in the mesh starts.",
        fix: "kubectl -n NAMESPACE describe statefulset NAME; look at the events of its pods and at its volume claim.",
        reproduce: "kubectl get statefulsets,daemonsets -A",
    })
    .after(&["INS-001"])
    .within(Seconds(60))
    .breaks_on(&[&faults::METACONTROLLER_STOPPED]),
    check(
        "INS-012",
        "Every workload of the mesh has its sidecar",
        Level::Must,
        source("istio/istio", "Sidecar injection policy: namespace label, pod label sidecar.istio.io/inject"),
        |cx| Box::pin(sidecars(cx)),
    )
    .explain(Explain {
        what: "Each pod of a workload that the release puts into the mesh has a container istio-proxy, as a container \
               or as a native sidecar.",
        why: "AuthorizationPolicies are enforced by the sidecar. An application without one trusts the user header of \
              whoever reaches its port.",
        fix: "Label the namespace istio-injection=enabled, remove sidecar.istio.io/inject: false from the pod \
              template, and restart the workload.",
        reproduce: "kubectl -n kubeflow get pods -o custom-columns='NAME:.metadata.name,CONTAINERS:\
                    .spec.containers[*].name,INIT:.spec.initContainers[*].name'",
    })
    .profiles(&[harness::Profile::Core, harness::Profile::Security])
    .after(&["INS-010", "INS-013"])
    .breaks_on(&[&faults::SIDECAR_LEFT_OUT]),
    check(
        "INS-013",
        "The platform's namespaces are in the mesh as the release has it",
        Level::Must,
        source("kubeflow/manifests", "Namespaces kubeflow and knative-serving, label istio-injection"),
        |cx| Box::pin(injection(cx)),
    )
    .explain(Explain {
        what: "Namespaces that the release puts into the mesh have the label istio-injection=enabled or a revision \
               label istio.io/rev.",
        why: "Pods keep their sidecars until they are restarted: a lost label shows weeks later, when a node is drained.",
        fix: "kubectl label namespace NAME istio-injection=enabled",
        reproduce: "kubectl get namespaces -L istio-injection,istio.io/rev",
    })
    .after(&["INS-001"])
    .breaks_on(&[&faults::INJECTION_LABEL_REMOVED]),
];

async fn ready(cx: &Ctx, kinds: &[WorkloadKind]) -> Checked {
    let mut differences = Differences::default();
    for kind in kinds {
        let found = match kind {
            WorkloadKind::Deployment => objects::all(cx, DEPLOYMENT).await?,
            WorkloadKind::StatefulSet => objects::all(cx, STATEFUL_SET).await?,
            WorkloadKind::DaemonSet => objects::all(cx, DAEMON_SET).await?,
        };
        for wanted in cx.version().workloads().filter(|workload| workload.kind == *kind) {
            let object = format!("{} {}/{}", kind.name(), wanted.namespace, wanted.name);
            match find(&found, wanted) {
                None => {
                    let part = parts::of_object(wanted.namespace, wanted.name);
                    differences.add_missing(cx, part, object, "is absent");
                }
                Some(workload) => {
                    if let Some(how) = what_is_not_rolled_out(workload, wanted) {
                        differences.add(object, how);
                    }
                }
            }
        }
    }
    differences.judge(
        "all workloads of the release exist and are rolled out",
        "look at the workload's events: kubectl -n NAMESPACE describe KIND NAME",
    )
}

fn find<'a>(found: &'a [DynamicObject], wanted: &Workload) -> Option<&'a DynamicObject> {
    found.iter().find(|object| objects::namespace(object) == wanted.namespace && objects::name(object) == wanted.name)
}

/// As `kubectl rollout status` decides, plus the number of pods that the release wants at least.
fn what_is_not_rolled_out(workload: &DynamicObject, wanted: &Workload) -> Option<String> {
    let (data, status) = (&workload.data, |field: &str| number(&workload.data, &format!("/status/{field}")));
    let generation = workload.metadata.generation.unwrap_or_default();
    if status("observedGeneration").unwrap_or_default() < generation {
        return Some("has a newer form than its controller has seen".to_owned());
    }
    let (replicas, fields): (i64, &[(&str, &str)]) = match wanted.kind {
        WorkloadKind::Deployment => (
            number(data, "/spec/replicas").unwrap_or(1),
            &[("updatedReplicas", "run its newest form"), ("availableReplicas", "are available")],
        ),
        WorkloadKind::StatefulSet => (number(data, "/spec/replicas").unwrap_or(1), &[("readyReplicas", "are ready")]),
        WorkloadKind::DaemonSet => (
            status("desiredNumberScheduled").unwrap_or_default(),
            &[("updatedNumberScheduled", "run its newest form"), ("numberAvailable", "are available")],
        ),
    };
    if replicas < i64::from(wanted.replicas) {
        return Some(format!("wants {replicas} pods, the release {}", wanted.replicas));
    }
    let short = fields.iter().find_map(|(field, what)| {
        let count = status(field).unwrap_or_default();
        (count < replicas).then(|| format!("has {count} of {replicas} pods that {what}"))
    });
    // While the new pods do not come up, the old ones stay, and are counted as available.
    let old = status("replicas").unwrap_or_default() - status("updatedReplicas").unwrap_or_default();
    let stuck = wanted.kind == WorkloadKind::Deployment && old > 0;
    short.or_else(|| stuck.then(|| format!("still runs its old form, too ({old} pods): the new one does not come up")))
}

async fn sidecars(cx: &Ctx) -> Checked {
    let pods = objects::all(cx, POD).await?;
    let mut differences = Differences::default();
    for wanted in cx.version().workloads().filter(|workload| workload.in_mesh) {
        let kind = match wanted.kind {
            WorkloadKind::Deployment => DEPLOYMENT,
            WorkloadKind::StatefulSet => STATEFUL_SET,
            WorkloadKind::DaemonSet => DAEMON_SET,
        };
        let Some(workload) = objects::get(cx, kind, wanted.namespace, wanted.name).await? else { continue };
        let selector = workload.data.pointer("/spec/selector/matchLabels").cloned().unwrap_or_default();
        let without = pods.iter().find(|pod| {
            objects::namespace(pod) == wanted.namespace
                && objects::selects(&selector, &serde_json::json!(pod.metadata.labels))
                && pod.metadata.deletion_timestamp.is_none()
                && !has_sidecar(pod)
        });
        if let Some(pod) = without {
            let object = format!("{} {}/{}", wanted.kind.name(), wanted.namespace, wanted.name);
            differences.add(object, format!("runs pod {} without istio-proxy", objects::name(pod)));
        }
    }
    differences.judge(
        "all pods of the workloads that the release puts into the mesh have a container istio-proxy",
        "remove what turns injection off from the namespace or the pod template, and restart the workload",
    )
}

fn has_sidecar(pod: &DynamicObject) -> bool {
    ["/spec/containers", "/spec/initContainers"]
        .iter()
        .flat_map(|group| objects::items(&pod.data, group))
        .any(|container| container["name"] == "istio-proxy")
}

async fn injection(cx: &Ctx) -> Checked {
    let mut differences = Differences::default();
    for wanted in cx.version().namespaces().filter(|namespace| namespace.injected) {
        let Some(namespace) = objects::get(cx, objects::NAMESPACE, "", wanted.name).await? else { continue };
        let label = objects::label(&namespace, "istio-injection");
        if label != "enabled" && objects::label(&namespace, "istio.io/rev").is_empty() {
            let how = if label.is_empty() { "is absent".to_owned() } else { format!("is {label}") };
            differences.add(format!("Namespace {}", wanted.name), format!("is not in the mesh: istio-injection {how}"));
        }
    }
    differences.judge(
        "the namespaces that the release puts into the mesh have the label istio-injection=enabled",
        "kubectl label --overwrite namespace NAME istio-injection=enabled",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(status: serde_json::Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "generation": 2},
            "spec": {"replicas": 2}, "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_rollout_is_judged_as_kubectl_does() {
        let wanted = clusters::versions::VERSIONS[0].workloads().next().unwrap();
        let how = |status| what_is_not_rolled_out(&deployment(status), wanted);
        assert_eq!(how(json!({"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2})), None);
        assert!(how(json!({"observedGeneration": 1, "updatedReplicas": 2, "availableReplicas": 2})).is_some());
        assert_eq!(
            how(json!({"observedGeneration": 2, "updatedReplicas": 2})).unwrap(),
            "has 0 of 2 pods that are available"
        );
        assert!(how(json!({"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 2})).is_some());
        // The two that are available are the old ones.
        let stuck = json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 2});
        assert_eq!(how(stuck).unwrap(), "still runs its old form, too (1 pods): the new one does not come up");
    }
}
