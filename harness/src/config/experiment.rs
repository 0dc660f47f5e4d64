//! The file of an Experiment of the user's own, which is tried as an acceptance case.

use std::path::Path;

use serde_json::Value;

/// No experiment is longer: the API takes no larger object.
const LIMIT: u64 = 3 << 20;

/// The Experiment of a file.
pub(super) fn read(file: &Path) -> Result<Value, String> {
    let name = file.display();
    let next = "give a file with one Experiment of kubeflow.org/v1beta1: --experiment";
    let failed = |error: std::io::Error| format!("cannot read the experiment {name}: {error}; {next}");
    let size = std::fs::metadata(file).map_err(failed)?.len();
    if size > LIMIT {
        return Err(format!("the experiment {name} has {size} bytes, more than the Kubernetes API takes; {next}"));
    }
    let text = std::fs::read_to_string(file).map_err(failed)?;
    parse(&text).map_err(|why| format!("{name} {why}; {next}"))
}

fn parse(text: &str) -> Result<Value, String> {
    let read: Value = serde_saphyr::from_str(text).map_err(|error| format!("is no YAML of one object: {error}"))?;
    let part = |field: &str| read.get(field).and_then(Value::as_str).unwrap_or_default();
    match (part("apiVersion"), part("kind")) {
        ("kubeflow.org/v1beta1", "Experiment") => {}
        (version, kind) => return Err(format!("holds {kind:?} of {version:?}")),
    }
    if read.get("spec").is_some_and(Value::is_object) { Ok(read) } else { Err("has no spec".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_experiment_is_taken() {
        let good =
            "apiVersion: kubeflow.org/v1beta1\nkind: Experiment\nmetadata: {name: x}\nspec: {maxTrialCount: 1}\n";
        assert_eq!(parse(good).unwrap()["spec"]["maxTrialCount"], 1);
        for (bad, why) in [
            ("", "holds"),
            ("kind: Experiment\napiVersion: batch/v1\nspec: {}", "holds"),
            ("apiVersion: kubeflow.org/v1beta1\nkind: Experiment", "no spec"),
            ("apiVersion: kubeflow.org/v1beta1\nkind: Experiment\nspec: 5", "no spec"),
            ("a: [", "no YAML"),
            ("- 1\n- 2\n", "holds"),
        ] {
            let said = parse(bad).unwrap_err();
            assert!(said.contains(why), "{bad:?}: {said}");
        }
        assert!(parse(&format!("{good}---\n{good}")).is_err());
    }
}
