//! Experiments are listed, made and removed.

use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value, json};

use super::{Answered, Asked, Refusal};
use crate::actors::katib::GROUP;
use crate::actors::kubernetes::part;
use crate::object::{list as items, name, namespace, text};

const RESOURCE: &str = "kubeflow.org/v1beta1/experiments";
pub(super) const NO_NAMESPACE: &str = "no 'namespace' query parameter was provided";
pub(super) const NO_NAME: &str = "no experimentName provided";

/// `fetch_experiments`.
pub(super) async fn list(asked: &Asked<'_>) -> Answered {
    let place = asked.parameter("namespace", NO_NAMESPACE)?;
    asked.allowed("list", RESOURCE, &place, "").await?;
    views(asked, (!place.is_empty()).then_some(place.as_str())).map(Some)
}

/// What the page's table shows; an experiment that has just been made and has no condition yet is an error.
fn views(asked: &Asked<'_>, place: Option<&str>) -> Result<Value, Refusal> {
    let found = asked.api.list(GROUP, "experiments", place)?;
    found.iter().map(view).collect::<Result<Vec<Value>, Refusal>>().map(|views| json!(views))
}

fn view(experiment: &Arc<Value>) -> Result<Value, Refusal> {
    let last = items(experiment, "/status/conditions").last();
    let last = last.ok_or_else(|| Refusal::internal("Experiment doesn't have any condition"))?;
    let kind = if experiment.pointer("/spec/nasConfig").is_some() { "nas" } else { "hp" };
    let mut view = Map::new();
    for (field, value) in [
        ("name", name(experiment)),
        ("namespace", namespace(experiment)),
        ("type", kind),
        ("status", text(last, "/type")),
    ] {
        view.insert(field.to_owned(), json!(value));
    }
    for (field, value) in experiment["status"].as_object().into_iter().flatten() {
        if !value.is_null() {
            view.insert(field.clone(), value.clone());
        }
    }
    Ok(Value::Object(view))
}

/// `create_experiment`.
pub(super) async fn create(asked: &Asked<'_>) -> Answered {
    let sent = asked.json()?;
    let data = sent.get("postData");
    let experiment =
        data.ok_or_else(|| Refusal::internal("Couldn't load the 'postData' field of the request's data"))?;
    if !experiment.is_object() {
        let kind = crate::api::call::type_name(experiment);
        return Err(Refusal::internal(format!(
            "json: cannot unmarshal {kind} into Go value of type v1beta1.Experiment"
        )));
    }
    let place = namespace(experiment);
    asked.allowed("create", RESOURCE, place, name(experiment)).await?;
    let mut experiment = experiment.clone();
    // The client knows what it sends.
    experiment["apiVersion"] = json!("kubeflow.org/v1beta1");
    experiment["kind"] = json!("Experiment");
    asked.api.send(Method::POST, &path(place, ""), Some(&experiment)).await?;
    Ok(None)
}

/// `delete_experiment`: answers when no namespace has an experiment of that name, with all of all namespaces.
pub(super) async fn delete(asked: &Asked<'_>) -> Answered {
    let place = asked.parameter("namespace", NO_NAMESPACE)?;
    let called = asked.parameter("experimentName", NO_NAME)?;
    asked.allowed("delete", RESOURCE, &place, &called).await?;
    asked.api.read(&path(&place, &called)).await?;
    asked.api.send(Method::DELETE, &path(&place, &called), None).await?;
    let mut changes = asked.visit.world.store.revisions();
    loop {
        changes.borrow_and_update();
        let left = views(asked, None)?;
        if items(&left, "").iter().all(|view| text(view, "/name") != called) {
            return Ok(Some(left));
        }
        if changes.changed().await.is_err() {
            return Err(Refusal::internal("the platform is being stopped"));
        }
    }
}

fn path(namespace: &str, name: &str) -> String {
    let of = format!("/apis/{GROUP}/v1beta1/namespaces/{}/experiments", part(namespace));
    if name.is_empty() { of } else { format!("{of}/{}", part(name)) }
}
