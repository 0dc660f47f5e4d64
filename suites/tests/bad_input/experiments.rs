//! Experiments of the user's own, brought along from a Katib without a mesh.

use clusters::versions;
use reports::model::Outcome;

use super::program::Program;

/// An experiment with one trial, whose pods have these labels.
fn written(labels: &str) -> String {
    format!(
        "apiVersion: kubeflow.org/v1beta1\nkind: Experiment\nmetadata: {{name: mine}}\nspec:\n  \
         objective: {{type: minimize, objectiveMetricName: loss}}\n  algorithm: {{algorithmName: random}}\n  \
         parallelTrialCount: 1\n  maxTrialCount: 1\n  maxFailedTrialCount: 1\n  parameters:\n  \
         - {{name: x, parameterType: int, feasibleSpace: {{min: \"1\", max: \"3\"}}}}\n  trialTemplate:\n    \
         primaryContainerName: main\n    trialParameters: [{{name: x, description: x, reference: x}}]\n    trialSpec:\n      \
         apiVersion: batch/v1\n      kind: Job\n      spec:\n        template:\n          metadata: {{labels: {labels}}}\n          \
         spec:\n            restartPolicy: Never\n            containers:\n            \
         - {{name: main, image: \"busybox:1.36\", command: [sh, -c, \"echo loss=${{trialParameters.x}}\"]}}\n"
    )
}

fn outcome(labels: &str) -> Outcome {
    let mut program = Program::run(&["--kubeflow", "1.8.1", "KAT-081"]);
    program.file("password", versions::credentials::DEFAULT_PASSWORD);
    let file = program.file("mine.yaml", &written(labels));
    program.command.arg("--experiment").arg(file);
    let results = program.ends().results();
    results.checks.into_iter().find(|check| check.id == "KAT-081").unwrap().outcome
}

/// A minute is how long the proxy may outlive the work; without a look at the pods this would take the hour that a given
/// experiment has.
#[test]
fn a_trial_that_its_proxy_keeps_from_ending_is_named_with_the_label_that_it_lacks() {
    let Outcome::Failed(failure) = outcome("{}") else { panic!("it did not fail") };
    let (cause, fix) = (failure.cause.unwrap_or_default(), failure.fix.unwrap_or_default());
    assert!(cause.contains("Pod kubeflow-user-example-com/conf-") && cause.contains("istio-proxy goes on"), "{cause}");
    assert!(fix.contains("sidecar.istio.io/inject"), "{fix}");
    assert_eq!(outcome("{sidecar.istio.io/inject: \"false\"}"), Outcome::Passed);
}
