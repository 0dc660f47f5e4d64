//! What an experiment leaves open (`pkg/apis/controller/experiments/v1beta1/experiment_defaults.go`).

use serde_json::{Value, json};

use crate::object::{list, text};

const PARALLEL: i64 = 3;
const JOB_SUCCESS: &str = r#"status.conditions.#(type=="Complete")#|#(status=="True")#"#;
const JOB_FAILURE: &str = r#"status.conditions.#(type=="Failed")#|#(status=="True")#"#;
const TRAINING_SUCCESS: &str = r#"status.conditions.#(type=="Succeeded")#|#(status=="True")#"#;
const TRAINING_KINDS: &[&str] = &["TFJob", "PyTorchJob", "XGBoostJob", "MXJob", "MPIJob"];

/// Fills it in.
pub(super) fn complete(experiment: &mut Value) {
    let Some(specification) = experiment.get_mut("spec").filter(|specification| specification.is_object()) else {
        return;
    };
    fill(specification, "parallelTrialCount", json!(PARALLEL));
    fill(specification, "resumePolicy", json!("Never"));
    strategies(specification);
    conditions(specification);
    collector(specification);
}

fn fill(object: &mut Value, field: &str, value: Value) {
    let empty = object.get(field).is_none_or(|there| there.is_null() || there == "");
    if empty {
        object[field] = value;
    }
}

/// The strategy of a metric without one is that of the objective's type.
fn strategies(specification: &mut Value) {
    let Some(objective) = specification.get_mut("objective").filter(|objective| objective.is_object()) else { return };
    let strategy = match text(objective, "/type") {
        "minimize" => "min",
        "maximize" => "max",
        _ => "latest",
    };
    let mut strategies = list(objective, "/metricStrategies").to_vec();
    let more = list(objective, "/additionalMetricNames").iter().filter_map(Value::as_str);
    let names: Vec<String> =
        std::iter::once(text(objective, "/objectiveMetricName")).chain(more).map(str::to_owned).collect();
    for name in names {
        if strategies.iter().all(|known| text(known, "/name") != name) {
            strategies.push(json!({"name": name, "value": strategy}));
        }
    }
    objective["metricStrategies"] = json!(strategies);
}

fn conditions(specification: &mut Value) {
    let Some(template) = specification.get_mut("trialTemplate").filter(|template| template.is_object()) else { return };
    let kind = text(template, "/trialSpec/kind").to_owned();
    let (success, training) = match kind.as_str() {
        "Job" => (JOB_SUCCESS, false),
        kind if TRAINING_KINDS.contains(&kind) => (TRAINING_SUCCESS, true),
        _ => return,
    };
    fill(template, "successCondition", json!(success));
    fill(template, "failureCondition", json!(JOB_FAILURE));
    if training {
        fill(template, "primaryPodLabels", json!({"training.kubeflow.org/job-role": "master"}));
    }
}

fn collector(specification: &mut Value) {
    fill(specification, "metricsCollectorSpec", json!({}));
    let collector = &mut specification["metricsCollectorSpec"];
    fill(collector, "collector", json!({"kind": "StdOut"}));
    let defaults = match text(collector, "/collector/kind") {
        "File" => [("kind", "File"), ("path", "/var/log/katib/metrics.log"), ("format", "TEXT")].as_slice(),
        "TensorFlowEvent" => [("kind", "Directory"), ("path", "/var/log/katib/tfevent/")].as_slice(),
        _ => return,
    };
    fill(collector, "source", json!({}));
    fill(&mut collector["source"], "fileSystemPath", json!({}));
    for (field, value) in defaults {
        fill(&mut collector["source"]["fileSystemPath"], field, json!(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_open_is_filled_in() {
        let mut experiment = json!({"spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss", "additionalMetricNames": ["speed"]},
            "trialTemplate": {"trialSpec": {"kind": "Job"}}, "metricsCollectorSpec": {"collector": {"kind": "File"}},
        }});
        complete(&mut experiment);
        let specification = &experiment["spec"];
        assert_eq!(
            (&specification["parallelTrialCount"], &specification["resumePolicy"]),
            (&json!(3), &json!("Never"))
        );
        let strategies = json!([{"name": "loss", "value": "min"}, {"name": "speed", "value": "min"}]);
        assert_eq!(specification["objective"]["metricStrategies"], strategies);
        assert_eq!(specification["trialTemplate"]["successCondition"], json!(JOB_SUCCESS));
        assert_eq!(text(specification, "/metricsCollectorSpec/source/fileSystemPath/format"), "TEXT");
        let again = experiment.clone();
        complete(&mut experiment);
        assert_eq!(experiment, again);
        for hostile in [json!({}), json!({"spec": 5}), json!({"spec": {"objective": [], "trialTemplate": "x"}})] {
            complete(&mut hostile.clone());
        }
    }
}
