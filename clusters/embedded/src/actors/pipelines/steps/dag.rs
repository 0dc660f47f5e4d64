//! The tasks of a pipeline's root that are containers, each after those that it waits for.

use serde_json::{Map, Value};

use crate::object::{list, text};

/// A task.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Task {
    /// Its name, part of the keys of its results.
    pub(super) name: String,
    /// Its executor.
    pub(super) executor: String,
    /// The artifacts that it makes: name and type.
    pub(super) artifacts: Vec<(String, String)>,
    /// The parameters that it makes.
    pub(super) parameters: Vec<String>,
    /// Whether results of an equal task may be taken instead.
    pub(super) caches: bool,
    /// The task as the pipeline has it.
    pub(super) spec: Value,
}

/// The tasks in an order in which they can run; those that wait for each other, and those that are no containers, are left
/// out.
pub(super) fn tasks(root: &Value, components: &Map<String, Value>) -> Vec<Task> {
    let all = root.pointer("/dag/tasks").and_then(Value::as_object);
    let mut left: Vec<Task> = all.into_iter().flatten().filter_map(|(key, spec)| task(key, spec, components)).collect();
    let mut ordered: Vec<Task> = Vec::new();
    loop {
        let is_done = |wanted: &str| ordered.iter().any(|task| task.name == wanted);
        let Some(at) = left.iter().position(|task| waits_for(&task.spec).iter().all(|one| is_done(one))) else {
            return ordered;
        };
        ordered.push(left.remove(at));
    }
}

fn task(key: &str, spec: &Value, components: &Map<String, Value>) -> Option<Task> {
    let component = components.get(text(spec, "/componentRef/name"))?;
    let executor = text(component, "/executorLabel");
    if executor.is_empty() {
        return None;
    }
    let outputs = |of: &str| component.pointer(of).and_then(Value::as_object).cloned().unwrap_or_default();
    let name = Some(text(spec, "/taskInfo/name")).filter(|name| !name.is_empty()).unwrap_or(key);
    Some(Task {
        name: name.to_owned(),
        executor: executor.to_owned(),
        artifacts: outputs("/outputDefinitions/artifacts")
            .iter()
            .map(|(name, of)| (name.clone(), text(of, "/artifactType/schemaTitle").to_owned()))
            .collect(),
        parameters: outputs("/outputDefinitions/parameters").keys().cloned().collect(),
        caches: spec.pointer("/cachingOptions/enableCache") == Some(&Value::Bool(true)),
        spec: spec.clone(),
    })
}

/// The tasks that one waits for: named, or because it takes what they make.
fn waits_for(spec: &Value) -> Vec<String> {
    let named = list(spec, "/dependentTasks").iter().filter_map(Value::as_str).map(str::to_owned);
    let inputs = ["/inputs/parameters", "/inputs/artifacts"];
    let taken = inputs.iter().filter_map(|of| spec.pointer(of)?.as_object()).flatten().filter_map(|(_, input)| {
        let producer = ["/taskOutputParameter/producerTask", "/taskOutputArtifact/producerTask"];
        producer.iter().find_map(|of| input.pointer(of)?.as_str()).map(str::to_owned)
    });
    named.chain(taken).collect()
}
