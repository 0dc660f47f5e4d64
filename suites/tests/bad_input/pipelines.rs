//! Pipelines of the user's own: those that are none never reach the API; what becomes of the others is told, and nothing of
//! them is left at work.

use clusters::versions;
use reports::model::{Failure, Outcome, Results};

use super::program::{Program, Ran};

/// A pipeline of one task, as the SDK compiles it, with what Kubernetes adds in a second document.
fn compiled(version: &str, image: &str, script: &str) -> String {
    format!(
        "# PIPELINE DEFINITION\n# Name: given\n\
         components:\n  comp-say:\n    executorLabel: exec-say\n\
         deploymentSpec:\n  executors:\n    exec-say:\n      container:\n        image: {image}\n        \
         command: [sh, -c, {script:?}]\n\
         pipelineInfo:\n  name: given\n\
         root:\n  dag:\n    tasks:\n      say:\n        cachingOptions: {{enableCache: true}}\n        \
         componentRef: {{name: comp-say}}\n        taskInfo: {{name: say}}\n\
         schemaVersion: {version}\nsdkVersion: kfp-2.7.0\n\
         ---\nplatforms:\n  kubernetes:\n    deploymentSpec:\n      executors:\n        exec-say:\n          \
         imagePullPolicy: IfNotPresent\n"
    )
}

fn ran(pipeline: &str, within: &str) -> Ran {
    let mut program = Program::run(&["--pipeline-within", within, "KFP-070"]);
    program.file("password", versions::credentials::DEFAULT_PASSWORD);
    let file = program.file("given.yaml", pipeline);
    program.command.arg("--pipeline").arg(file);
    program.ends()
}

fn outcome(results: &Results) -> &Outcome {
    &results.checks.iter().find(|check| check.id == "KFP-070").unwrap().outcome
}

fn failed(pipeline: &str, within: &str) -> (Failure, Results) {
    let ran = ran(pipeline, within);
    assert_eq!(ran.code, 101, "{ran:#?}");
    let results = ran.results();
    let Outcome::Failed(failure) = outcome(&results) else { panic!("{:?}", outcome(&results)) };
    (failure.clone(), results)
}

#[test]
fn a_file_that_is_no_pipeline_is_refused_at_once() {
    for (content, word) in [
        ("", "is empty"),
        ("a: [", "is no YAML"),
        ("apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n", "\"Workflow\""),
        ("pipelineInfo: {name: p}\n", "root is missing"),
    ] {
        let ran = ran(content, "60");
        assert_eq!(ran.code, 2, "{ran:#?}");
        for word in [word, "given.yaml", "--pipeline"] {
            assert!(ran.stderr.contains(word), "{word:?} is wanted: {ran:#?}");
        }
    }
    let ran = Program::run(&["--pipeline", "/no/such/file.yaml", "KFP-070"]).ends();
    assert_eq!(ran.code, 2, "{ran:#?}");
    assert!(ran.stderr.contains("cannot read the pipeline /no/such/file.yaml"), "{ran:#?}");
    let ran = Program::run(&["--pipeline-within", "3601", "KFP-070"]).ends();
    assert_eq!(ran.code, 2, "{ran:#?}");
}

#[test]
fn a_pipeline_with_what_its_platform_adds_runs_to_its_end() {
    let ran = ran(&compiled("2.1.0", "busybox:1.36", "echo hello"), "60");
    assert_eq!(ran.code, 0, "{ran:#?}");
    let results = ran.results();
    assert!(matches!(outcome(&results), Outcome::Passed), "{:?}", outcome(&results));
}

#[test]
fn the_api_s_own_words_are_shown_for_a_pipeline_that_it_does_not_take() {
    let (failure, _) = failed(&compiled("9.9.9", "busybox:1.36", "echo hello"), "60");
    assert!(failure.actual.contains("Failed to create a pipeline"), "{failure:?}");
    assert!(failure.actual.contains("version 9.9.9"), "{failure:?}");
}

#[test]
fn an_image_that_cannot_be_pulled_is_named_and_nothing_of_the_run_is_left_at_work() {
    let (failure, results) = failed(&compiled("2.1.0", "registry.invalid/train:1", "echo hello"), "60");
    assert!(failure.actual.contains("ImagePullBackOff"), "{failure:?}");
    assert!(failure.cause.as_deref().unwrap_or_default().contains("registry.invalid/train:1"), "{failure:?}");
    assert!(remarks(&results).contains("terminated, it ended"), "{}", remarks(&results));
}

#[test]
fn a_run_that_never_ends_is_terminated_when_its_time_is_over() {
    let (failure, results) = failed(&compiled("2.1.0", "busybox:1.36", "sleep infinity"), "1");
    assert!(failure.expected.contains("within 1s"), "{failure:?}");
    assert!(failure.actual.contains("RUNNING"), "{failure:?}");
    assert!(remarks(&results).contains("terminated, it ended"), "{}", remarks(&results));
}

/// What the check noted besides, and what it left.
fn remarks(results: &Results) -> String {
    let check = results.checks.iter().find(|check| check.id == "KFP-070").unwrap();
    assert!(check.leaked.is_empty(), "{:?}", check.leaked);
    serde_json::to_string(&check.evidence).unwrap()
}
