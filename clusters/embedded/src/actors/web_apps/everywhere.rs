//! The routes that every one of the web applications has.

use http::Method;
use serde_json::{Value, json};

use super::asked::{Asked, said};
use super::flask::{Outcome, Refusal};
use crate::actors::kubernetes::part;
use crate::object::{self, text};

const IS_DEFAULT: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// The route's outcome, if the request has one here.
pub async fn route(asked: &Asked<'_>) -> Option<Outcome> {
    if asked.method != Method::GET {
        return None;
    }
    Some(match asked.path().as_slice() {
        ["info"] => Ok(json!({"info": {}})),
        ["api", "namespaces"] => namespaces(asked).await,
        ["api", "storageclasses"] => storage_classes(asked).await,
        ["api", "storageclasses", "default"] => default_class(asked).await,
        _ => return None,
    })
}

/// The user must be allowed to list namespaces, in the group `core` (so the program asks), and the program itself, too.
async fn namespaces(asked: &Asked<'_>) -> Outcome {
    asked.allowed("list", "core/v1/namespaces", None).await?;
    let found = asked.api.items("/api/v1/namespaces").await.map_err(said)?;
    let names: Vec<&str> = found.iter().map(object::name).collect();
    Ok(json!({"namespaces": names}))
}

async fn storage_classes(asked: &Asked<'_>) -> Outcome {
    let found = asked.api.items("/apis/storage.k8s.io/v1/storageclasses").await.map_err(said)?;
    let names: Vec<&str> = found.iter().map(object::name).collect();
    Ok(json!({"storageClasses": names}))
}

async fn default_class(asked: &Asked<'_>) -> Outcome {
    let found = asked.api.items("/apis/storage.k8s.io/v1/storageclasses").await.map_err(said)?;
    let marked = |class: &&Value| {
        let annotations = &class["metadata"]["annotations"];
        IS_DEFAULT.iter().any(|key| annotations.get(*key).and_then(Value::as_str) == Some("true"))
    };
    let name = found.iter().find(marked).map(object::name).unwrap_or_default();
    Ok(json!({"defaultStorageClass": name}))
}

/// The PodDefaults of a namespace with what the forms show of them; two applications offer them. One whose selector
/// names no label breaks the whole list, as it does for the real program.
pub async fn pod_defaults(asked: &Asked<'_>, namespace: &str) -> Outcome {
    asked.allowed("list", "kubeflow.org/v1alpha1/poddefaults", Some(namespace)).await?;
    let path = format!("/apis/kubeflow.org/v1alpha1/namespaces/{}/poddefaults", part(namespace));
    let mut found = asked.api.items(&path).await.map_err(said)?;
    for default in &mut found {
        let labels = default.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
        let label = labels.and_then(|labels| labels.keys().next().cloned()).ok_or_else(Refusal::backend)?;
        let described = text(default, "/spec/desc");
        let described = if described.is_empty() { object::name(default) } else { described }.to_owned();
        default["label"] = json!(label);
        default["desc"] = json!(described);
    }
    Ok(json!({"poddefaults": found}))
}
