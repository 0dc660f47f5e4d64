//! An experiment's trial template, and the job of one trial that it becomes
//! (`pkg/controller.v1beta1/experiment/manifest/generator.go`).

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use crate::object::{list, text};
use crate::platform::World;
use crate::store::Key;

/// A reference to what a trial is, for example `${trialSpec.Labels[team]}`.
static META: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\$\{trialSpec\.(.+?)\}").ok());

/// The template as a text.
///
/// # Errors
/// Its ConfigMap is not there, or has no such entry.
pub(crate) fn template(world: &World, experiment: &Value) -> Result<String, String> {
    if let Some(specification) = experiment.pointer("/spec/trialTemplate/trialSpec") {
        return Ok(specification.to_string());
    }
    let part = |field: &str| text(experiment, &format!("/spec/trialTemplate/configMap/{field}"));
    let (namespace, name, path) = (part("configMapNamespace"), part("configMapName"), part("templatePath"));
    let map = world.store.get(&Key::new("", "configmaps", namespace, name));
    let map = map.ok_or_else(|| format!("GetConfigMap failed: ConfigMap \"{name}\" not found"))?;
    let entry = map.get("data").and_then(|data| data.get(path)).and_then(Value::as_str);
    entry.map(str::to_owned).ok_or_else(|| format!("TemplatePath: {path} not found in configMap: {name}"))
}

/// A template as an object.
///
/// # Errors
/// It is neither YAML nor JSON of an object.
pub(crate) fn object(template: &str) -> Result<Value, String> {
    let read: Value = serde_saphyr::from_str(template).map_err(|error| error.to_string())?;
    if read.is_object() {
        Ok(read)
    } else {
        Err("json: cannot unmarshal into Go value of type map[string]interface {}".to_owned())
    }
}

/// What a reference asks of the trial itself; `None` if it names a parameter.
pub(crate) fn meta_key(reference: &str) -> Option<String> {
    let found = META.as_ref()?.captures(reference)?;
    found.get(1).map(|key| key.as_str().to_owned())
}

/// The job of a trial.
///
/// # Errors
/// Why there is none.
pub(super) fn job(
    world: &World,
    experiment: &Value,
    trial: &str,
    namespace: &str,
    assignments: &Value,
) -> Result<Value, String> {
    let mut text_of = template(world, experiment)?;
    let specification = object(&text_of).map_err(|why| format!("ConvertStringToUnstructured failed: {why}"))?;
    let mut parameters = 0;
    for parameter in list(experiment, "/spec/trialTemplate/trialParameters") {
        let reference = text(parameter, "/reference");
        let value = match meta_key(reference) {
            Some(key) => meta(&specification, trial, namespace, &key)
                .ok_or_else(|| format!("illegal reference of trial metadata: {reference}"))?,
            None => {
                parameters += 1;
                let found = list(assignments, "").iter().find(|one| text(one, "/name") == reference);
                let found =
                    found.ok_or_else(|| format!("Unable to find parameter: {reference} in parameter assignment"))?;
                text(found, "/value").to_owned()
            }
        };
        text_of = text_of.replace(&placeholder(text(parameter, "/name")), &value);
    }
    let given = list(assignments, "").len();
    if given != parameters {
        return Err(format!(
            "Number of TrialAssignment: {given} != number of nonMetaTrialParameters in TrialSpec: {parameters}"
        ));
    }
    let mut job = object(&text_of).map_err(|why| format!("ConvertStringToUnstructured failed: {why}"))?;
    if !job["metadata"].is_object() {
        job["metadata"] = json!({});
    }
    job["metadata"]["name"] = json!(trial);
    job["metadata"]["namespace"] = json!(namespace);
    Ok(job)
}

/// Where the value of a parameter goes.
pub(crate) fn placeholder(parameter: &str) -> String {
    format!("${{trialParameters.{parameter}}}")
}

fn meta(specification: &Value, trial: &str, namespace: &str, key: &str) -> Option<String> {
    let of = |place: &str, name: &str| specification.pointer(place)?.get(name)?.as_str().map(str::to_owned);
    match key {
        "Name" => Some(trial.to_owned()),
        "Namespace" => Some(namespace.to_owned()),
        "Kind" => Some(text(specification, "/kind").to_owned()),
        "APIVersion" => Some(text(specification, "/apiVersion").to_owned()),
        _ => {
            let (map, name) = key.strip_suffix(']')?.split_once('[')?;
            match map {
                "Labels" => of("/metadata/labels", name),
                "Annotations" => of("/metadata/annotations", name),
                _ => None,
            }
        }
    }
}
