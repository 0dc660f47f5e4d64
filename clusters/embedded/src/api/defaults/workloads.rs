//! The kinds that make pods.

use serde_json::{Map, Value, json};

use super::{each, made, part, pod, set};

/// Fills in an object of group `apps` or `batch`.
pub(super) fn fill(kind: &str, map: &mut Map<String, Value>) {
    let Some(spec) = part(map, "spec") else { return };
    match kind {
        "Deployment" => {
            set(spec, "replicas", json!(1));
            set(spec, "revisionHistoryLimit", json!(10));
            set(spec, "progressDeadlineSeconds", json!(600));
            rolling(spec, "strategy", &json!({ "maxUnavailable": "25%", "maxSurge": "25%" }));
            template(spec);
        }
        "ReplicationController" => {
            set(spec, "replicas", json!(1));
            template(spec);
            let labels = spec.get("template").and_then(|template| template.pointer("/metadata/labels")).cloned();
            if let (Some(labels), Some(metadata)) = (labels, made(map, "metadata")) {
                set(metadata, "labels", labels);
            }
        }
        "ReplicaSet" => {
            set(spec, "replicas", json!(1));
            template(spec);
        }
        "StatefulSet" => {
            set(spec, "replicas", json!(1));
            set(spec, "revisionHistoryLimit", json!(10));
            set(spec, "podManagementPolicy", json!("OrderedReady"));
            rolling(spec, "updateStrategy", &json!({ "partition": 0 }));
            set(
                spec,
                "persistentVolumeClaimRetentionPolicy",
                json!({ "whenDeleted": "Retain", "whenScaled": "Retain" }),
            );
            template(spec);
            for claim in each(spec, "volumeClaimTemplates") {
                set(claim, "apiVersion", json!("v1"));
                set(claim, "kind", json!("PersistentVolumeClaim"));
                if let Some(spec) = part(claim, "spec") {
                    set(spec, "volumeMode", json!("Filesystem"));
                }
                set(claim, "status", json!({ "phase": "Pending" }));
            }
        }
        "DaemonSet" => {
            set(spec, "revisionHistoryLimit", json!(10));
            rolling(spec, "updateStrategy", &json!({ "maxUnavailable": 1, "maxSurge": 0 }));
            template(spec);
        }
        "Job" => job(spec),
        "CronJob" => {
            set(spec, "concurrencyPolicy", json!("Allow"));
            set(spec, "suspend", json!(false));
            set(spec, "successfulJobsHistoryLimit", json!(3));
            set(spec, "failedJobsHistoryLimit", json!(1));
            if let Some(job) = part(spec, "jobTemplate") {
                set(job, "metadata", json!({}));
                if let Some(template) = part(job, "spec") {
                    self::template(template);
                }
            }
        }
        _ => {}
    }
}

fn job(spec: &mut Map<String, Value>) {
    if !spec.contains_key("completions") && !spec.contains_key("parallelism") {
        set(spec, "completions", json!(1));
        set(spec, "parallelism", json!(1));
    }
    set(spec, "parallelism", json!(1));
    set(spec, "backoffLimit", json!(6));
    set(spec, "completionMode", json!("NonIndexed"));
    set(spec, "suspend", json!(false));
    set(spec, "manualSelector", json!(false));
    set(spec, "podReplacementPolicy", json!("TerminatingOrFailed"));
    template(spec);
}

fn rolling(spec: &mut Map<String, Value>, key: &str, parameters: &Value) {
    let Some(strategy) = made(spec, key) else { return };
    set(strategy, "type", json!("RollingUpdate"));
    if strategy.get("type").is_some_and(|kind| kind == "RollingUpdate")
        && let Some(given) = made(strategy, "rollingUpdate")
    {
        for (name, value) in parameters.as_object().into_iter().flatten() {
            set(given, name, value.clone());
        }
    }
}

fn template(spec: &mut Map<String, Value>) {
    if let Some(template) = part(spec, "template") {
        set(template, "metadata", json!({}));
        if let Some(spec) = part(template, "spec") {
            pod::spec(spec);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_says_how_it_rolls_and_how_its_containers_run() {
        let mut deployment = json!({ "spec": { "template": { "spec": { "containers": [
            {"name": "a", "image": "example.com:5000/a"}, {"name": "b", "image": "b:1"},
        ] } } } });
        super::super::built_in("apps", "Deployment", &mut deployment);
        let spec = &deployment["spec"];
        assert_eq!(spec["replicas"], 1);
        assert_eq!(spec["strategy"]["rollingUpdate"]["maxSurge"], "25%");
        assert_eq!(spec["template"]["spec"]["containers"][0]["imagePullPolicy"], "Always");
        assert_eq!(spec["template"]["spec"]["containers"][1]["imagePullPolicy"], "IfNotPresent");
        let mut recreate = json!({ "spec": { "strategy": { "type": "Recreate" } } });
        super::super::built_in("apps", "Deployment", &mut recreate);
        assert_eq!(recreate["spec"]["strategy"], json!({ "type": "Recreate" }));
    }
}
