//! A pipeline's intermediate representation (IR), and the Workflow that a run of it becomes.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/src/apiserver/template/v2_template.go`,
//! `backend/src/v2/compiler/argocompiler`. The Workflow has the names, labels and arguments of a real one; its templates
//! are named, not filled in, as no container runs here, but for what the run sets.

use serde_json::{Value, json};

use super::refusal::{Answered, Refusal};

/// The only version of the IR that is understood.
const SCHEMA: &str = "2.1.0";
const INVALID: &str = "pipeline spec is invalid";
const BAD_NAME: &str = "pipeline's name must contain only lowercase alphanumeric characters or '-' and must start with \
                        alphanumeric characters";

/// A pipeline that compiles.
#[derive(Debug, Clone, PartialEq)]
pub struct Specification {
    /// The IR.
    pub pipeline: Value,
    /// What follows it in the file for one platform alone, if anything does.
    pub platform: Option<Value>,
}

impl Specification {
    /// Reads a file: YAML or JSON, the IR first.
    ///
    /// # Errors
    /// It is no IR, or of another version. `found` says whose fault that is, before the reason.
    pub fn read(text: &str, found: impl Fn(Refusal) -> Refusal) -> Answered<Self> {
        let documents = serde_saphyr::from_multiple::<Value>(text).unwrap_or_default();
        let mut documents = documents.into_iter();
        let pipeline = documents.next().unwrap_or_default();
        // An IR may be wrapped, as the API takes it in a run.
        let wrapped = pipeline.get("pipeline_spec").filter(|inner| inner.is_object()).cloned();
        let platform = pipeline.get("platform_spec").cloned().or_else(|| documents.next());
        Self::of(wrapped.unwrap_or(pipeline), platform.filter(|platform| !platform.is_null()), found)
    }

    fn of(pipeline: Value, platform: Option<Value>, found: impl Fn(Refusal) -> Refusal) -> Answered<Self> {
        let name = pipeline.pointer("/pipelineInfo/name").and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() || !pipeline.get("root").is_some_and(Value::is_object) {
            return Err(found(Refusal::invalid_because("unknown template format", INVALID)));
        }
        let version = pipeline.get("schemaVersion").and_then(Value::as_str).unwrap_or_default();
        if version != SCHEMA {
            let why = format!("KFP only supports schema version {SCHEMA}, but the pipeline spec has version {version}");
            return Err(found(Refusal::invalid_because(&why, INVALID)));
        }
        let last = name.rsplit('/').next().unwrap_or_default();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !last.starts_with(fits) || !last.chars().all(|c| fits(c) || c == '-') || last.len() > 128 {
            return Err(Refusal::invalid(BAD_NAME));
        }
        Ok(Self { pipeline, platform })
    }

    /// As the API shows it.
    #[must_use]
    pub fn shown(&self) -> Value {
        match &self.platform {
            Some(platform) => json!({"pipeline_spec": self.pipeline, "platform_spec": platform}),
            None => self.pipeline.clone(),
        }
    }

    /// As the database keeps it.
    #[must_use]
    pub fn text(&self) -> String {
        let shown = json!({"pipeline_spec": self.pipeline, "platform_spec": self.platform});
        if self.platform.is_some() { shown.to_string() } else { self.pipeline.to_string() }
    }

    /// The pipeline's own name, without what stands before a slash.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = self.pipeline.pointer("/pipelineInfo/name").and_then(Value::as_str).unwrap_or_default();
        name.rsplit('/').next().unwrap_or_default()
    }

    /// Refuses parameters that the pipeline does not take.
    ///
    /// # Errors
    /// 400, naming them.
    pub fn takes(&self, given: &Value) -> Answered<()> {
        let known = self.pipeline.pointer("/root/inputDefinitions/parameters").and_then(Value::as_object);
        let given = given.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let extra: Vec<&str> = given.filter(|name| !known.is_some_and(|known| known.contains_key(*name))).collect();
        if extra.is_empty() {
            return Ok(());
        }
        let text = format!("parameter(s) provided are not required by pipeline: {}", extra.join(", "));
        Err(Refusal::invalid(text).within("invalid pipeline job inputs").within("Failed to generate the ExecutionSpec"))
    }

    /// The `spec` of its Workflow, with the id of its run and what the run sets.
    #[must_use]
    pub fn workflow(&self, run: &str, account: &str, config: &Value) -> Value {
        let section =
            |pointer: &str| self.pipeline.pointer(pointer).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut parameters = Vec::new();
        for (name, component) in section("/components") {
            parameters.push(json!({"name": format!("components-{name}"), "value": component.to_string()}));
        }
        for (name, executor) in section("/deploymentSpec/executors") {
            let container = executor.get("container").cloned().unwrap_or_default();
            parameters.push(json!({"name": format!("implementations-{name}"), "value": container.to_string()}));
        }
        let root = self.pipeline.get("root").cloned().unwrap_or_default();
        parameters.push(json!({"name": "components-root", "value": root.to_string()}));
        let templates = [
            "system-container-driver",
            "system-container-executor",
            "system-container-impl",
            "root",
            "system-dag-driver",
            "entrypoint",
        ];
        json!({
            "arguments": {"parameters": parameters}, "entrypoint": "entrypoint",
            "podMetadata": {
                "annotations": {"pipelines.kubeflow.org/v2_component": "true"},
                "labels": {"pipeline/runid": run, "pipelines.kubeflow.org/v2_component": "true"},
            },
            "serviceAccountName": account,
            "templates": templates.map(|name| match name {
                "entrypoint" => json!({"name": name, "dag": {"tasks": [{
                    "name": "root-driver", "template": "system-dag-driver",
                    "arguments": {"parameters": [{"name": "runtime-config", "value": config.to_string()}]},
                }]}}),
                name => json!({"name": name}),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALLEST: &str = "{schemaVersion: 2.1.0, pipelineInfo: {name: one}, root: {dag: {tasks: {}}}}";

    fn message(text: &str) -> String {
        Specification::read(text, |refusal| refusal).unwrap_err().message().to_owned()
    }

    #[test]
    fn only_an_ir_of_the_known_version_compiles() {
        assert_eq!(Specification::read(SMALLEST, |refusal| refusal).unwrap().name(), "one");
        assert_eq!(message(""), "InvalidInputError: unknown template format: pipeline spec is invalid");
        assert!(message(&SMALLEST.replace("2.1.0", "2.0.0")).contains("but the pipeline spec has version 2.0.0"));
        assert!(message(&SMALLEST.replace("one", "One")).contains("must contain only lowercase"));
    }

    #[test]
    fn unknown_parameters_are_refused() {
        let pipeline = Specification::read(SMALLEST, |refusal| refusal).unwrap();
        assert!(pipeline.takes(&json!({})).is_ok());
        assert!(pipeline.takes(&json!({"zz": 1})).unwrap_err().message().ends_with("not required by pipeline: zz"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,120}") {
            let _ = Specification::read(&text, |refusal| refusal);
        }
    }
}
