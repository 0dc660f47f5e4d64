//! Pipelines and their versions in v1beta1, where a pipeline is shown with its latest version.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/api/v1beta1/pipeline.proto`, `backend/src/apiserver/server/api_converter.go`
//! (`toApiPipelineV1`, `toApiPipelineVersionV1`).

use serde_json::{Value, json};

use super::references;
use crate::actors::pipelines::call::{Call, field, shown, time};
use crate::actors::pipelines::packages;
use crate::actors::pipelines::refusal::{Answered, Refusal, Within as _};
use crate::actors::pipelines::rows::{Row, number, text};

/// `GET /pipelines`.
pub fn list(call: &Call) -> Answered {
    let page = packages::page(call, &references::listed(call, "NAMESPACE"))?;
    // One without a version is in the list, too.
    let shape = |row: &Row| shape(row, packages::latest_version(&call.rows, text(row, "UUID")).ok().as_ref());
    Ok(shown(json!({
        "pipelines": page.rows.iter().map(shape).collect::<Vec<_>>(),
        "total_size": page.total, "next_page_token": page.next,
    })))
}

/// `GET /pipelines/{id}`: only one that has a version.
pub fn get(call: &Call, id: &str) -> Answered {
    let row = packages::read(call, id)?;
    let why = format!("Failed to get a pipeline (v1beta1) {id} due to error fetching the latest pipeline version");
    Ok(shape(&row, Some(&packages::latest_version(&call.rows, id).within(&why)?)))
}

/// `GET /pipeline_versions`.
pub fn versions(call: &Call) -> Answered {
    let id = call.asked("resource_key.id");
    if id.is_empty() {
        return Err(Refusal::invalid("Failed to list pipeline versions (v1beta1) due to missing pipeline id"));
    }
    let mut listed = packages::versions(call, &id)?;
    let found = listed.as_object_mut().and_then(|members| members.shift_remove("pipeline_versions"));
    if let Some(Value::Array(found)) = found {
        listed["versions"] = found.iter().map(version_shape).collect();
    }
    Ok(listed)
}

/// `GET /pipeline_versions/{id}`.
pub fn version(call: &Call, id: &str) -> Answered {
    packages::version(call, id).map(|found| version_shape(&found))
}

/// A pipeline with its latest version.
pub fn shape(row: &Row, latest: Option<&Row>) -> Value {
    shown(json!({
        "id": text(row, "UUID"), "name": text(row, "Name"), "description": text(row, "Description"),
        "created_at": time(number(row, "CreatedAtInSec")),
        "resource_references": references::shown(&[("NAMESPACE", text(row, "Namespace"), "OWNER")]),
        "default_version": latest.map(|version| version_shape(&packages::version_shape(version))),
    }))
}

/// A version, from what v2beta1 shows.
pub fn version_shape(now: &Value) -> Value {
    shown(json!({
        "id": now["pipeline_version_id"], "name": now["display_name"], "description": now["description"],
        "created_at": now["created_at"],
        "resource_references": references::shown(&[("PIPELINE", field(now, "/pipeline_id"), "OWNER")]),
    }))
}
