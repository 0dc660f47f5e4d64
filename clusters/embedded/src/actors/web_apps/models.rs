//! KServe's models: only the list.

use http::Method;
use serde_json::{Value, json};

use super::asked::{Asked, said};
use super::flask::Outcome;
use crate::actors::kubernetes::part;
use crate::object;

/// The route's outcome, if the request has one here.
pub async fn route(asked: &Asked<'_>) -> Option<Outcome> {
    match (&asked.method, asked.path().as_slice()) {
        (&Method::GET, ["api", "namespaces", namespace, "inferenceservices"]) => Some(list(asked, namespace).await),
        _ => None,
    }
}

async fn list(asked: &Asked<'_>, namespace: &str) -> Outcome {
    asked.allowed("list", "serving.kserve.io/v1beta1/inferenceservices", Some(namespace)).await?;
    let path = format!("/apis/serving.kserve.io/v1beta1/namespaces/{}/inferenceservices", part(namespace));
    let found = asked.api.items(&path).await.map_err(said)?;
    let named = |item: &Value| json!({"name": object::name(item), "namespace": object::namespace(item)});
    Ok(json!({"inferenceservices": found.iter().map(named).collect::<Vec<_>>()}))
}
