//! Experiments of the user's own, and templates that stand in ConfigMaps.

use std::time::Duration;

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Stop, check};
use serde_json::{Value, json};

use super::experiments::{ENDS_WITHIN, SQUARE, condition, counts, create, ends, experiment, home, named, until};
use super::trouble;
use crate::faults::katib as faults;
use crate::objects::{items, text};
use crate::tenants;

/// How long an experiment of the user's own may take; then it is removed.
const GIVEN_WITHIN: Duration = Duration::from_secs(3600);

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KAT-080",
        "An experiment takes its template from a ConfigMap",
        Level::Must,
        source("kubeflow/katib", "pkg/controller.v1beta1/experiment/manifest/generator.go: GetTrialTemplate"),
        |cx| Box::pin(template(cx)),
    )
    .explain(Explain {
        what: "An experiment whose trial template is an entry of a labelled ConfigMap in the user's namespace ends Succeeded.",
        why: "Teams keep their templates there; whoever moves from a standalone Katib brings them.",
        fix: "Look at configmaps in ClusterRole katib-controller.",
        reproduce: "In $GATEWAY/katib/: New Experiment, Trial Template from a ConfigMap.",
    })
    .profiles(&[Profile::Katib, Profile::Migration])
    .after(&["KAT-011"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::CONTROLLER_MAKES_NO_JOBS]),
    check(
        "KAT-081",
        "The given experiment ends well",
        Level::Must,
        source("kubeflow/katib", "pkg/controller.v1beta1/experiment"),
        |cx| Box::pin(given(cx)),
    )
    .explain(Explain {
        what: "The experiment of --experiment FILE, under a name of the run's own in the user's namespace, ends Succeeded \
               within an hour; its optimum is noted. Without that option a small one of the suite's own stands in its place. \
               It is removed afterwards, ended or not.",
        why: "Your own workload says more than any of ours. It is run as it is: if its pods get a proxy and never end, it \
              will say so.",
        fix: "kubectl -n NAMESPACE describe experiment,suggestion,trial; of jobs that never end see sidecar.istio.io/inject \
              in the trial template.",
        reproduce: "kubectl -n NAMESPACE create -f FILE",
    })
    .profiles(&[Profile::Katib, Profile::Migration])
    .after(&["KAT-011"])
    .within(Seconds(3700))
    .writes()
    .breaks_on(&[&faults::CONTROLLER_MAKES_NO_JOBS, &faults::COLLECTOR_IMAGE_MALFORMED]),
];

async fn template(cx: &Ctx) -> Checked {
    let (namespace, called) = (home(cx).await?, named(cx, "tmpl"));
    let mut from = counts(experiment(&namespace, &called, "random", 3, SQUARE), 1, 1, 1);
    let written = from["spec"]["trialTemplate"]["trialSpec"].take();
    tenants::own(
        cx,
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": called, "namespace": namespace, "labels": {"katib.kubeflow.org/component": "trial-templates"},
            },
            "data": {"square.yaml": written.to_string()},
        }),
    )
    .await?;
    let template = &mut from["spec"]["trialTemplate"];
    if let Some(members) = template.as_object_mut() {
        members.remove("trialSpec");
    }
    template["configMap"] =
        json!({"configMapName": called, "configMapNamespace": namespace, "templatePath": "square.yaml"});
    // The defaults of jobs are not given to what stands elsewhere.
    template["successCondition"] = json!("status.conditions.#(type==\"Complete\")#|#(status==\"True\")#");
    template["failureCondition"] = json!("status.conditions.#(type==\"Failed\")#|#(status==\"True\")#");
    create(cx, from).await?;
    ends(cx, (&namespace, &called), "Succeeded").await.map(drop)
}

/// The given experiment under a name of this check's, in the user's namespace.
fn adopted(given: &Value, namespace: &str, called: &str) -> Value {
    let labels = given.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    let annotations = given.pointer("/metadata/annotations").cloned().unwrap_or_else(|| json!({}));
    json!({
        "apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment",
        "metadata": {"name": called, "namespace": namespace, "labels": labels, "annotations": annotations},
        "spec": given["spec"],
    })
}

/// The best trial for people: `lr=0.1, layers=2: accuracy 0.98`.
fn optimum(experiment: &Value) -> String {
    let told = |list: &str, value: &str, between: &str| {
        let all = items(experiment, &format!("/status/currentOptimalTrial/{list}")).iter();
        let pairs = all.map(|one| format!("{}{between}{}", text(one, "/name"), text(one, value)));
        pairs.collect::<Vec<_>>().join(", ")
    };
    format!("{}: {}", told("parameterAssignments", "/value", "="), told("observation/metrics", "/latest", " "))
}

async fn given(cx: &Ctx) -> Checked {
    let (namespace, called) = (home(cx).await?, named(cx, "given"));
    let (wanted, within) = match &cx.environment().experiment {
        Some(given) => (adopted(given, &namespace, &called), GIVEN_WITHIN),
        None => (counts(experiment(&namespace, &called, "random", 3, SQUARE), 2, 2, 1), ENDS_WITHIN),
    };
    create(cx, wanted).await?;
    let at = (namespace.as_str(), called.as_str());
    let ended = until(cx, "the given experiment ends Succeeded", at, within, |experiment| {
        match condition(experiment, "Failed") {
            Some(failed) => {
                Err(Stop::failed("the given experiment ends Succeeded", text(failed, "/message").to_owned()))
            }
            None => Ok(condition(experiment, "Succeeded").map(|_| experiment.clone())),
        }
    })
    .await;
    match ended {
        Ok(ended) => {
            if cx.environment().experiment.is_some() {
                cx.note("experiment", format!("optimum of the given experiment: {}", optimum(&ended)));
            }
            Ok(())
        }
        Err(stop @ Stop::Failed(_)) => Err(trouble::of_ended(cx, at, stop).await),
        Err(stop) => Err(stop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_optimum_is_told_in_a_few_words() {
        let experiment = json!({"status": {"currentOptimalTrial": {
            "parameterAssignments": [{"name": "lr", "value": "0.1"}, {"name": "layers", "value": "2"}],
            "observation": {"metrics": [{"name": "accuracy", "latest": "0.98", "max": "0.99"}]},
        }}});
        assert_eq!(optimum(&experiment), "lr=0.1, layers=2: accuracy 0.98");
        assert_eq!(optimum(&json!({})), ": ");
    }
}
