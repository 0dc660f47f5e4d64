//! Whether a Kubeflow Pipelines is standalone, the platform's, or something between: the marks by which the two
//! installations differ (kubeflow/pipelines `manifests/kustomize/env/platform-agnostic` against
//! `base/installs/multi-user`; kubeflow/katib `installs/katib-standalone` against `katib-with-kubeflow`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::survey::{Object, Survey};

/// What stands in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Neither Kubeflow Pipelines nor Katib.
    Empty,
    /// Standalone installations only.
    Standalone,
    /// The platform's only.
    Platform,
    /// Both at once: a standalone installation that somebody patched towards a platform.
    Frankenstein,
}

/// Which installation something is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// A standalone one.
    Standalone,
    /// The platform's.
    Platform,
}

/// One mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Of which part: `Kubeflow Pipelines` or `Katib`.
    pub part: &'static str,
    /// The object that bears it.
    pub object: String,
    /// What it says.
    pub says: String,
    /// Which installation that is of.
    pub of: Side,
}

const PIPELINES: &str = "Kubeflow Pipelines";
const KATIB: &str = "Katib";

/// All marks.
pub(super) fn marks(survey: &Survey) -> Vec<Mark> {
    let mut marks = Vec::new();
    for deployment in survey.of("Deployment") {
        let mut says = |part, says: &str, platform: bool| {
            let of = if platform { Side::Platform } else { Side::Standalone };
            marks.push(Mark { part, object: deployment.place(), says: says.to_owned(), of });
        };
        match deployment.name() {
            "ml-pipeline" if is_api_server(deployment) => {
                let multi = variable(deployment, "MULTIUSER").is_some_and(|value| value == "true")
                    || reads_config_map(deployment, "pipeline-api-server-config");
                says(
                    PIPELINES,
                    if multi { "serves many users (MULTIUSER)" } else { "serves one user (no MULTIUSER)" },
                    multi,
                );
            }
            "workflow-controller" => {
                let one = deployment.containers().any(|container| has_argument(container, "--namespaced"));
                let words = if one { "watches its own namespace (--namespaced)" } else { "watches all namespaces" };
                says(PIPELINES, words, !one);
            }
            "ml-pipeline-ui" => {
                let dashboard = variable(deployment, "DEPLOYMENT").is_some_and(|value| value == "KUBEFLOW");
                let words = if dashboard {
                    "is for the dashboard (DEPLOYMENT=KUBEFLOW)"
                } else {
                    "stands alone (no DEPLOYMENT=KUBEFLOW)"
                };
                says(PIPELINES, words, dashboard);
            }
            "cache-deployer-deployment" => says(PIPELINES, "makes the cache's webhook at run time", false),
            "kubeflow-pipelines-profile-controller" => says(PIPELINES, "equips each profile's namespace", true),
            "katib-ui" => {
                // Of several variables of one name the last one counts; without any, it asks nobody.
                let asks = variable(deployment, "APP_DISABLE_AUTH").is_some_and(|value| value == "false");
                says(
                    KATIB,
                    if asks { "asks who may see what" } else { "asks nobody (no APP_DISABLE_AUTH=false)" },
                    asks,
                );
            }
            _ => {}
        }
    }
    let homes: Vec<String> = survey
        .of("Deployment")
        .filter(|deployment| deployment.name() == "ml-pipeline" && is_api_server(deployment))
        .map(|deployment| deployment.namespace().to_owned())
        .collect();
    for namespace in survey.of("Namespace").filter(|namespace| homes.iter().any(|home| home == namespace.name())) {
        let injected = namespace.label("istio-injection") == "enabled";
        let words = if injected { "gets sidecars (istio-injection)" } else { "gets no sidecars (no istio-injection)" };
        let of = if injected { Side::Platform } else { Side::Standalone };
        marks.push(Mark { part: PIPELINES, object: namespace.place(), says: words.to_owned(), of });
    }
    for route in survey.of("VirtualService").filter(|route| matches!(route.name(), "ml-pipeline-ui" | "katib-ui")) {
        let part = if route.name() == "katib-ui" { KATIB } else { PIPELINES };
        let says = "leads from the gateway to it".to_owned();
        marks.push(Mark { part, object: route.place(), says, of: Side::Platform });
    }
    marks
}

/// What the marks amount to.
pub(super) fn state(marks: &[Mark]) -> State {
    let has = |side| marks.iter().any(|mark| mark.of == side);
    match (has(Side::Standalone), has(Side::Platform)) {
        (false, false) => State::Empty,
        (true, false) => State::Standalone,
        (false, true) => State::Platform,
        (true, true) => State::Frankenstein,
    }
}

/// Namespaces that hold a standalone installation.
pub(super) fn homes(survey: &Survey, marks: &[Mark]) -> Vec<String> {
    namespaces(survey, marks.iter().filter(|mark| mark.of == Side::Standalone))
}

/// Namespaces that hold Kubeflow Pipelines or Katib, of whichever installation.
pub(super) fn places(survey: &Survey, marks: &[Mark]) -> Vec<String> {
    namespaces(survey, marks.iter())
}

fn namespaces<'a>(survey: &Survey, marks: impl Iterator<Item = &'a Mark>) -> Vec<String> {
    let bearers = marks.map(|mark| mark.object.as_str());
    let mut homes: Vec<String> = bearers
        .filter_map(|place| {
            let (kind, place) = place.split_once(' ')?;
            (kind == "Deployment").then(|| place.split_once('/').map_or("", |(namespace, _)| namespace).to_owned())
        })
        .collect();
    homes.sort();
    homes.dedup();
    homes.retain(|home| survey.find("Namespace", "", home).is_some());
    homes
}

/// Whether a Deployment `ml-pipeline` is the API server, whatever registry its image is of.
pub(super) fn is_api_server(deployment: &Object) -> bool {
    deployment.containers().any(|container| container["name"] == "ml-pipeline-api-server")
}

fn variable(deployment: &Object, name: &str) -> Option<String> {
    let variables = deployment.containers().filter_map(|container| container["env"].as_array()).flatten();
    let value = variables.filter(|variable| variable["name"] == name).last()?;
    Some(value["value"].as_str().unwrap_or_default().to_owned())
}

fn reads_config_map(deployment: &Object, prefix: &str) -> bool {
    let from = deployment.containers().filter_map(|container| container["envFrom"].as_array()).flatten();
    from.filter_map(|source| source.pointer("/configMapRef/name").and_then(Value::as_str))
        .any(|name| name.starts_with(prefix))
}

fn has_argument(container: &Value, argument: &str) -> bool {
    let arguments = |list: &str| container[list].as_array().into_iter().flatten();
    arguments("args").chain(arguments("command")).any(|one| one == argument)
}
