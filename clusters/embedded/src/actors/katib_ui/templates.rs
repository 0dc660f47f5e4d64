//! Trial templates: ConfigMaps with a label, whose entries are the templates (`util.go`).

use http::Method;
use serde_json::{Map, Value, json};

use super::{Answered, Asked, Refusal};
use crate::actors::kubernetes::part;
use crate::object::{label, name, text};
use crate::store::Key;

const LABEL: (&str, &str) = ("katib.kubeflow.org/component", "trial-templates");
const RESOURCE: &str = "v1/configmaps";

/// `fetch_trial_templates`: those of Katib's own namespace for everybody; one elsewhere that the user may not read makes
/// the whole list fail.
pub(super) async fn list(asked: &Asked<'_>) -> Result<Value, Refusal> {
    let home = asked.home();
    let mut data = Vec::new();
    for place in asked.namespace_names() {
        let mut maps = asked.api.list("", "configmaps", Some(&place))?;
        maps.retain(|map| label(map, LABEL.0) == Some(LABEL.1));
        let mut views = Vec::new();
        for map in &maps {
            if place != home {
                let allowed = asked.allowed("get", RESOURCE, &place, name(map)).await;
                allowed.map_err(|Refusal(_, why)| Refusal::internal(why))?;
            }
            let mut entries: Vec<(&String, &Value)> = map["data"].as_object().into_iter().flatten().collect();
            entries.sort_by_key(|(path, _)| *path);
            let templates: Vec<Value> =
                entries.into_iter().map(|(path, yaml)| json!({"Path": path, "Yaml": yaml})).collect();
            if !templates.is_empty() {
                views.push(json!({"ConfigMapName": name(map), "Templates": templates}));
            }
        }
        if !views.is_empty() {
            data.push(json!({"ConfigMapNamespace": place, "ConfigMaps": views}));
        }
    }
    Ok(json!({"Data": data}))
}

/// `add_template`.
pub(super) async fn add(asked: &Asked<'_>) -> Answered {
    changed(asked, "create", |templates, sent| {
        templates.insert(text(sent, "/updatedConfigMapPath").to_owned(), sent["updatedTemplateYaml"].clone());
    })
    .await
}

/// `edit_template`.
pub(super) async fn edit(asked: &Asked<'_>) -> Answered {
    changed(asked, "update", |templates, sent| {
        templates.shift_remove(text(sent, "/configMapPath"));
        templates.insert(text(sent, "/updatedConfigMapPath").to_owned(), sent["updatedTemplateYaml"].clone());
    })
    .await
}

/// `delete_template`.
pub(super) async fn delete(asked: &Asked<'_>) -> Answered {
    changed(asked, "delete", |templates, sent| {
        templates.shift_remove(text(sent, "/updatedConfigMapPath"));
    })
    .await
}

/// Changes the templates of a ConfigMap; without templates it goes.
async fn changed(asked: &Asked<'_>, verb: &str, change: impl FnOnce(&mut Map<String, Value>, &Value)) -> Answered {
    let sent = asked.json()?;
    let (place, called) = (text(&sent, "/updatedConfigMapNamespace"), text(&sent, "/updatedConfigMapName"));
    // The real server's handler does not survive what is missing here.
    if place.is_empty() || called.is_empty() {
        return Err(Refusal::internal("updatedConfigMapNamespace and updatedConfigMapName must be given"));
    }
    asked.allowed(verb, RESOURCE, place, called).await?;
    let found = match asked.api.get(&Key::new("", "configmaps", place, called)) {
        Ok(found) => Some(found),
        Err(status) if status.code == 404 && verb == "create" => None,
        Err(status) => return Err(status.into()),
    };
    let mut templates = found.as_ref().and_then(|map| map["data"].as_object().cloned()).unwrap_or_default();
    change(&mut templates, &sent);
    let all = format!("/api/v1/namespaces/{}/configmaps", part(place));
    let one = format!("{all}/{}", part(called));
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": called, "namespace": place, "labels": {LABEL.0: LABEL.1}}, "data": templates,
    });
    match (templates.is_empty(), found.is_some()) {
        (true, _) => asked.api.send(Method::DELETE, &one, None).await?,
        (_, false) => asked.api.send(Method::POST, &all, Some(&map)).await?,
        _ => asked.api.send(Method::PUT, &one, Some(&map)).await?,
    }
    list(asked).await.map(Some)
}
