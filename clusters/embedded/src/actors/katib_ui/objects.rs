//! One experiment, suggestion or trial; and what a trial's pod has written.

use serde_json::{Map, Value, json};

use super::experiments::{NO_NAME, NO_NAMESPACE};
use super::{Answered, Asked, Refusal};
use crate::actors::katib::{GROUP, TRIAL_LABEL};
use crate::actors::kubernetes::part;
use crate::object::{label, name, text};

const NO_PLACE: &str = "no 'namespace' provided";
const NO_TRIAL: &str = "no 'trialName' provided";
/// Where the collector's log is, which shows what the program wrote.
const COLLECTOR: &str = "metrics-logger-and-collector";

/// `fetch_experiment`.
pub(super) async fn experiment(asked: &Asked<'_>) -> Answered {
    let place = asked.parameter("namespace", NO_NAMESPACE)?;
    let called = asked.parameter("experimentName", NO_NAME)?;
    one(asked, "experiments", &place, &called).await
}

/// `fetch_suggestion`.
pub(super) async fn suggestion(asked: &Asked<'_>) -> Answered {
    let place = asked.parameter("namespace", NO_PLACE)?;
    let called = asked.parameter("suggestionName", NO_NAME)?;
    one(asked, "suggestions", &place, &called).await
}

/// `fetch_trial`.
pub(super) async fn trial(asked: &Asked<'_>) -> Answered {
    let place = asked.parameter("namespace", NO_PLACE)?;
    let called = asked.parameter("trialName", NO_TRIAL)?;
    one(asked, "trials", &place, &called).await
}

async fn one(asked: &Asked<'_>, plural: &str, place: &str, called: &str) -> Answered {
    asked.allowed("get", &format!("{GROUP}/v1beta1/{plural}"), place, called).await?;
    let found = read(asked, plural, place, called).await?;
    // The client's decoder forgets version and kind.
    let mut shown = Map::new();
    for field in ["metadata", "spec", "status"] {
        shown.insert(field.to_owned(), found.get(field).cloned().unwrap_or_else(|| json!({})));
    }
    // What is null is not there to it.
    if let Some(status) = shown.get_mut("status").and_then(Value::as_object_mut) {
        status.retain(|_, value| !value.is_null());
    }
    Ok(Some(Value::Object(shown)))
}

/// An object of Katib's, read with the server's own rights.
pub(super) async fn read(asked: &Asked<'_>, plural: &str, place: &str, called: &str) -> Result<Value, Refusal> {
    let path = format!("/apis/{GROUP}/v1beta1/namespaces/{}/{plural}/{}", part(place), part(called));
    Ok(asked.api.read(&path).await?)
}

/// `fetch_trial_logs`.
pub(super) async fn trial_logs(asked: &Asked<'_>) -> Answered {
    let place = asked.parameter("namespace", NO_PLACE)?;
    let called = asked.parameter("trialName", NO_TRIAL)?;
    asked.allowed("get", &format!("{GROUP}/v1beta1/trials"), &place, &called).await?;
    let trial = read(asked, "trials", &place, &called).await?;
    let mut pods = asked.api.list("", "pods", Some(&place))?;
    let primary = trial.pointer("/spec/primaryPodLabels").and_then(Value::as_object);
    pods.retain(|pod| {
        label(pod, TRIAL_LABEL) == Some(called.as_str())
            && primary.into_iter().flatten().all(|(key, value)| label(pod, key) == value.as_str())
    });
    if pods.is_empty() {
        return Err(Refusal::internal(
            "Failed to find logs for this Trial. Make sure you've set \"spec.trialTemplate.retain\"\n\t\tfield to \"true\" in \
             the Experiment definition. If this error persists then the Pod's logs are not currently\n\t\tpersisted in the \
             cluster.",
        ));
    }
    let in_phase = |phases: &[&str]| pods.iter().find(|pod| phases.contains(&text(pod, "/status/phase")));
    let pod = in_phase(&["Succeeded", "Running"]).or_else(|| in_phase(&["Failed"]));
    let pod = pod.ok_or_else(|| {
        Refusal::internal("Failed to get logs for this Trial. Pod is in the Pending or Unknown state.")
    })?;
    asked.allowed("get", "v1/pods/log", &place, name(pod)).await?;
    let container = match text(&trial, "/spec/metricsCollector/collector/kind") {
        "StdOut" => COLLECTOR,
        _ => text(&trial, "/spec/primaryContainerName"),
    };
    let path =
        format!("/api/v1/namespaces/{}/pods/{}/log?container={}", part(&place), part(name(pod)), part(container));
    Ok(Some(json!(asked.api.ask(http::Method::GET, &path, None).await?)))
}
