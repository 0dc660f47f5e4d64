//! What a task gets, and what its command makes of it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::dag::Task;
use crate::actors::object_store::Client;
use crate::kubelet::streams::{Files, play};
use crate::object::{list, text};
use crate::platform::World;

/// What tasks can take: the pipeline's parameters, and what earlier tasks have made.
#[derive(Debug, Default)]
pub(super) struct Given {
    pipeline: BTreeMap<String, Value>,
    parameters: BTreeMap<(String, String), Value>,
    artifacts: BTreeMap<(String, String), String>,
}

/// What one task takes.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    /// Parameters by name.
    pub(super) parameters: BTreeMap<String, Value>,
    /// URIs of artifacts by name.
    pub(super) artifacts: BTreeMap<String, String>,
}

impl Given {
    /// The parameters of a pipeline: as the run gives them, else as they are by default.
    pub(super) fn root(root: &Value, config: &Value) -> Self {
        let defined = root.pointer("/inputDefinitions/parameters").and_then(Value::as_object);
        let mut given = Self::default();
        for (name, definition) in defined.into_iter().flatten() {
            if let Some(value) = definition.get("defaultValue") {
                given.pipeline.insert(name.clone(), value.clone());
            }
        }
        let set = ["/parameters", "/parameterValues"].iter().filter_map(|of| config.pointer(of)?.as_object()).flatten();
        given.pipeline.extend(set.map(|(name, value)| (name.clone(), value.clone())));
        given
    }

    pub(super) fn artifact(&mut self, task: &str, name: &str, uri: &str) {
        self.artifacts.insert((task.to_owned(), name.to_owned()), uri.to_owned());
    }

    /// The parameters that a task has written into its files.
    pub(super) fn parameters(&mut self, task: &Task, files: &Files) {
        for name in &task.parameters {
            if let Some(written) = files.get(&parameter_path(name)) {
                let value = String::from_utf8_lossy(written).into_owned();
                self.parameters.insert((task.name.clone(), name.clone()), json!(value));
            }
        }
    }

    pub(super) fn inputs_of(&self, task: &Task) -> Inputs {
        let mut inputs = Inputs::default();
        let of = |pointer: &str| task.spec.pointer(pointer).and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, input) in of("/inputs/parameters") {
            let made = (
                text(&input, "/taskOutputParameter/producerTask").to_owned(),
                text(&input, "/taskOutputParameter/outputParameterKey").to_owned(),
            );
            let value = input
                .pointer("/runtimeValue/constant")
                .or_else(|| self.pipeline.get(text(&input, "/componentInputParameter")))
                .or_else(|| self.parameters.get(&made));
            inputs.parameters.extend(value.map(|value| (name, value.clone())));
        }
        for (name, input) in of("/inputs/artifacts") {
            let made = (
                text(&input, "/taskOutputArtifact/producerTask").to_owned(),
                text(&input, "/taskOutputArtifact/outputArtifactKey").to_owned(),
            );
            inputs.artifacts.extend(self.artifacts.get(&made).map(|uri| (name, uri.clone())));
        }
        inputs
    }
}

/// What tells equal tasks: the image, the command as the pipeline has it, what goes in and what comes out.
pub(super) fn fingerprint(container: &Value, task: &Task, inputs: &Inputs) -> String {
    let key = json!({
        "containerSpec": {"image": text(container, "/image"), "cmdArgs": [container["command"], container["args"]]},
        "inputParameterValues": inputs.parameters, "inputArtifactNames": inputs.artifacts,
        "outputArtifactsSpec": task.artifacts, "outputParametersSpec": task.parameters,
    });
    Sha256::digest(key.to_string().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where a container finds what a URI names: `minio://bucket/key` is `/minio/bucket/key`.
pub(super) fn path(uri: &str) -> String {
    format!("/{}", uri.replacen("://", "/", 1))
}

/// The key of a URI in its bucket.
pub(super) fn key(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.split_once('/').map_or("", |(_, key)| key)
}

fn parameter_path(name: &str) -> String {
    format!("/tmp/kfp/outputs/{name}")
}

/// Where a command runs.
pub(super) struct Place<'a> {
    pub(super) task: &'a Task,
    /// Where its results go.
    pub(super) folder: &'a str,
    pub(super) inputs: &'a Inputs,
    pub(super) store: &'a Client,
}

/// What a command did.
pub(super) struct Ran {
    /// What it printed.
    pub(super) printed: Vec<u8>,
    /// What it wrote.
    pub(super) files: Files,
}

impl Ran {
    pub(super) fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.printed).lines().map(str::to_owned).collect()
    }
}

/// Runs the command of a task.
pub(super) fn run(world: &World, workflow: &Value, container: &Value, place: &Place<'_>) -> Ran {
    let mut files = Files::new();
    for uri in place.inputs.artifacts.values() {
        let rest = uri.split_once("://").map_or("", |(_, rest)| rest);
        let bucket = rest.split('/').next().unwrap_or_default();
        if let Ok(found) = place.store.get(bucket, key(uri)) {
            files.insert(path(uri), found.bytes.to_vec());
        }
    }
    let words = list(container, "/command").iter().chain(list(container, "/args")).filter_map(Value::as_str);
    let words: Vec<String> = words.map(|word| filled(word, place)).collect();
    let mut main = container.clone();
    main["name"] = json!("main");
    let pod = json!({
        "metadata": {"name": crate::object::name(workflow), "namespace": crate::object::namespace(workflow)},
        "spec": {"containers": [main]},
    });
    let files = RefCell::new(files);
    let ended = play(world, (&pod, "main"), &words, &files).unwrap_or_default();
    Ran { printed: [ended.stdout, ended.stderr].concat(), files: files.into_inner() }
}

/// A word of a command with its placeholders filled in.
fn filled(word: &str, place: &Place<'_>) -> String {
    let mut word = word.to_owned();
    for (name, value) in &place.inputs.parameters {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        word = word.replace(&format!("{{{{$.inputs.parameters['{name}']}}}}"), &shown);
    }
    for name in &place.task.parameters {
        let placeholder = format!("{{{{$.outputs.parameters['{name}'].output_file}}}}");
        word = word.replace(&placeholder, &parameter_path(name));
    }
    let made =
        place.task.artifacts.iter().map(|(name, _)| ("outputs", name.clone(), format!("{}/{name}", place.folder)));
    let taken = place.inputs.artifacts.iter().map(|(name, uri)| ("inputs", name.clone(), uri.clone()));
    for (side, name, uri) in made.chain(taken) {
        word = word.replace(&format!("{{{{$.{side}.artifacts['{name}'].path}}}}"), &path(&uri));
        word = word.replace(&format!("{{{{$.{side}.artifacts['{name}'].uri}}}}"), &uri);
    }
    word
}
