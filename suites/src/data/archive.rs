//! Where Argo keeps what pods printed: its artifact repository, and the key of a pod's log in it.
//!
//! Facts: Argo Workflows `pkg/apis/workflow/v1alpha1/artifact_repository_types.go`: without a format, keys are
//! `{{workflow.name}}/{{pod.name}}` below a prefix; the variables of a time are those of the ConfigMap's own comment in
//! kubeflow/manifests.

use harness::{Checked, Ctx, Stop};
use kube::api::DynamicObject;
use serde::Deserialize;

use crate::objects::{self, CONFIG_MAP, config_value, label, name, namespace};

/// The ConfigMap that names it.
pub const PLACE: &str = "ConfigMap kubeflow/workflow-controller-configmap: artifactRepository";

/// The keys where no format is given.
const DEFAULT: &str = "{{workflow.name}}/{{pod.name}}";

/// The artifact repository.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub struct Repository {
    /// Whether logs are kept.
    pub archive_logs: bool,
    /// The bucket, and where it is.
    pub s3: S3,
}

/// A bucket of an S3 store.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub struct S3 {
    /// Host and port.
    pub endpoint: String,
    /// The bucket's name.
    pub bucket: String,
    /// How keys are made: a text with variables of Argo in it.
    pub key_format: String,
    /// What keys begin with where there is no format.
    pub key_prefix: String,
}

impl S3 {
    fn format(&self) -> String {
        match (self.key_format.as_str(), self.key_prefix.trim_end_matches('/')) {
            ("", "") => DEFAULT.to_owned(),
            ("", prefix) => format!("{prefix}/{DEFAULT}"),
            (format, _) => format.to_owned(),
        }
    }
}

impl Repository {
    /// The platform's own.
    pub async fn of(cx: &Ctx) -> Checked<Self> {
        let config = objects::get(cx, CONFIG_MAP, "kubeflow", "workflow-controller-configmap").await?;
        let config = config.ok_or_else(|| Stop::absent("ConfigMap kubeflow/workflow-controller-configmap"))?;
        Self::read(config_value(&config, "artifactRepository").unwrap_or_default()).map_err(|error| {
            Stop::failed("a YAML mapping with the artifact repository", error).at(PLACE).because(PLACE)
        })
    }

    fn read(yaml: &str) -> Result<Self, String> {
        if yaml.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(yaml).map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
    }

    /// The key of the log of a pod's main container.
    ///
    /// # Errors
    /// The first variable in the format that is not known here.
    pub fn log_of(&self, workflow: &DynamicObject, pod: &str) -> Result<String, String> {
        let format = self.s3.format();
        let mut rest = format.as_str();
        let mut key = String::new();
        while let Some((before, after)) = rest.split_once("{{") {
            let (variable, after) = after.split_once("}}").ok_or_else(|| after.to_owned())?;
            key.push_str(before);
            key.push_str(&value(variable.trim(), workflow, pod).ok_or_else(|| variable.to_owned())?);
            rest = after;
        }
        key.push_str(rest);
        Ok(format!("{key}/main.log"))
    }
}

/// What a variable of Argo stands for.
fn value(variable: &str, workflow: &DynamicObject, pod: &str) -> Option<String> {
    if let Some(part) = variable.strip_prefix("workflow.creationTimestamp.") {
        let made = workflow.metadata.creation_timestamp.as_ref()?.0;
        return ["Y", "m", "d", "H", "M", "S", "y", "j"]
            .contains(&part)
            .then(|| made.strftime(&format!("%{part}")).to_string());
    }
    if let Some(key) = variable.strip_prefix("workflow.labels.") {
        return Some(label(workflow, key).to_owned()).filter(|value| !value.is_empty());
    }
    match variable {
        "workflow.name" => Some(name(workflow).to_owned()),
        "workflow.namespace" => Some(namespace(workflow).to_owned()),
        "workflow.uid" => workflow.metadata.uid.clone(),
        "pod.name" => Some(pod.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workflow() -> DynamicObject {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": "w-1", "namespace": "team", "uid": "u-1", "labels": {"pipeline/runid": "r-1"},
                         "creationTimestamp": "2026-03-04T05:06:07Z"},
        }))
        .unwrap()
    }

    fn key(format: &str) -> Result<String, String> {
        let yaml = format!("archiveLogs: true\ns3:\n  endpoint: s:9000\n  bucket: b\n  keyFormat: {format:?}\n");
        Repository::read(&yaml).unwrap().log_of(&workflow(), "pod-1")
    }

    #[test]
    fn a_key_follows_the_format() {
        let dated = "artifacts/{{workflow.name}}/{{workflow.creationTimestamp.Y}}/{{workflow.creationTimestamp.m}}/\
                     {{workflow.creationTimestamp.d}}/{{pod.name}}";
        assert_eq!(key(dated).unwrap(), "artifacts/w-1/2026/03/04/pod-1/main.log");
        assert_eq!(
            key("private/{{ workflow.namespace }}/{{workflow.labels.pipeline/runid}}/{{pod.name}}").unwrap(),
            "private/team/r-1/pod-1/main.log"
        );
        assert_eq!(Repository::read("").unwrap().log_of(&workflow(), "p").unwrap(), "w-1/p/main.log");
        let below = Repository::read("s3: {keyPrefix: logs/, keyFormat: ''}").unwrap();
        assert_eq!(below.log_of(&workflow(), "p").unwrap(), "logs/w-1/p/main.log");
    }

    #[test]
    fn what_is_not_known_is_named() {
        assert_eq!(key("{{workflow.parameters.x}}/{{pod.name}}").unwrap_err(), "workflow.parameters.x");
        assert_eq!(key("a/{{pod.name").unwrap_err(), "pod.name");
        assert_eq!(key("{{workflow.creationTimestamp.%n}}").unwrap_err(), "workflow.creationTimestamp.%n");
        assert_eq!(key("{{workflow.labels.absent}}").unwrap_err(), "workflow.labels.absent");
        assert!(Repository::read("s3: [").is_err());
        assert!(Repository::read("- a").is_err());
    }
}
