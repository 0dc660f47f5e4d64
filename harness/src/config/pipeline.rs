//! The file of a pipeline of the user's own, which is tried as an acceptance case: what `kfp dsl compile` writes.

use std::path::Path;

use serde_json::Value;

/// No pipeline is longer: the API takes no larger file (kubeflow/pipelines 2.3.0
/// `backend/src/apiserver/common/const.go`: `MaxFileLength`).
const LIMIT: u64 = 32 << 20;

/// The text of a file that holds a compiled pipeline (IR), and for one platform what follows it.
///
/// It is read here, as the real API server does not survive every file: what is no IR never reaches it.
pub(super) fn read(file: &Path) -> Result<String, String> {
    let name = file.display();
    let next = "give a file that the Pipelines SDK 2 has compiled (kfp dsl compile): --pipeline";
    let failed = |error: std::io::Error| format!("cannot read the pipeline {name}: {error}; {next}");
    let size = std::fs::metadata(file).map_err(failed)?.len();
    if size > LIMIT {
        return Err(format!("the pipeline {name} has {size} bytes, more than the pipelines API takes; {next}"));
    }
    let text = std::fs::read_to_string(file).map_err(failed)?;
    examine(&text).map_err(|why| format!("{name} {why}; {next}"))?;
    Ok(text)
}

fn examine(text: &str) -> Result<(), String> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| format!("is no YAML: {error}"))?;
    let (pipeline, platform) = match documents.as_slice() {
        [] => return Err("is empty".to_owned()),
        [pipeline] => (pipeline, None),
        [pipeline, platform] => (pipeline, Some(platform)),
        more => {
            return Err(format!(
                "holds {} documents: a pipeline has one, or two with what a platform adds",
                more.len()
            ));
        }
    };
    if let Some(kind) = pipeline.get("kind").and_then(Value::as_str) {
        return Err(format!("holds an object of kind {kind:?}, no compiled pipeline"));
    }
    if pipeline.pointer("/pipelineInfo/name").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err("is no compiled pipeline: pipelineInfo.name is missing".to_owned());
    }
    for section in ["root", "components", "deploymentSpec"] {
        if !pipeline.get(section).is_some_and(Value::is_object) {
            return Err(format!("is no compiled pipeline: {section} is missing"));
        }
    }
    match platform {
        Some(platform) if !platform.get("platforms").is_some_and(Value::is_object) => {
            Err("has a second document without platforms".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "pipelineInfo: {name: p}\nschemaVersion: 2.1.0\nroot: {dag: {}}\ncomponents: {}\ndeploymentSpec: {}\n";

    #[test]
    fn a_compiled_pipeline_is_taken_with_what_its_platform_adds() {
        for good in [GOOD.to_owned(), format!("# PIPELINE DEFINITION\n{GOOD}---\nplatforms: {{kubernetes: {{}}}}\n")] {
            assert_eq!(examine(&good), Ok(()), "{good}");
        }
    }

    #[test]
    fn anything_else_is_refused_in_a_few_words() {
        let three = format!("{GOOD}---\n{GOOD}---\n{GOOD}");
        let second = format!("{GOOD}---\n{GOOD}");
        let rootless = GOOD.replace("root", "Root");
        for (bad, why) in [
            ("", "is empty"),
            ("a: [", "no YAML"),
            ("- 1\n- 2\n", "pipelineInfo.name"),
            ("5", "pipelineInfo.name"),
            ("pipelineInfo: {name: 5}", "pipelineInfo.name"),
            ("apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec: {}", "\"Workflow\""),
            (&rootless, "root is missing"),
            (&three, "3 documents"),
            (&second, "platforms"),
            ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b", "no YAML"),
            ("\u{0}", "no YAML"),
        ] {
            let said = examine(bad).unwrap_err();
            assert!(said.contains(why), "{bad:?}: {said}");
        }
        let deep = format!("pipelineInfo: {}{}", "[".repeat(20_000), "]".repeat(20_000));
        assert!(examine(&deep).is_err());
    }
}
