//! Pipelines and their versions: packages that runs are made from.
//!
//! A pipeline without namespace is shared: nobody is asked who they are. Source: kubeflow/pipelines 2.3.0
//! `backend/src/apiserver/server/pipeline_server.go`.

use serde_json::{Value, json};

use super::call::{Call, field, id, now, shown, time};
use super::listing::{self, PIPELINES, Page, VERSIONS};
use super::refusal::{Answered, Refusal, Within as _};
use super::rows::{Row, Rows, number, object, text};
use super::specification::Specification;
use crate::actors::object_store;

/// `POST /pipelines`: one without a version.
pub fn create(call: &Call) -> Answered {
    let body = call.json()?;
    let (name, namespace) = (field(&body, "/display_name"), field(&body, "/namespace"));
    let what = "Failed to create a pipeline";
    if name.is_empty() {
        return Err(Refusal::invalid("pipeline's name cannot be empty").within(what));
    }
    allowed(call, "create", namespace, name)
        .within("Failed to create a pipeline due to authorization error")
        .within(what)?;
    Ok(shape(&add(call, name, namespace, field(&body, "/description"), "READY").within(what)?))
}

/// Where a version's package is in the bucket (`backend/src/apiserver/config/config.json`: `PipelinePath`).
fn package_key(version: &str) -> String {
    format!("pipelines/{version}")
}

/// Adds a pipeline. One that waits for its package is `CREATING`, and shown to nobody.
pub fn add(call: &Call, name: &str, namespace: &str, description: &str, status: &str) -> Answered<Row> {
    let row = object(json!({
        "UUID": id(), "CreatedAtInSec": now(), "Name": name, "Description": description, "Parameters": "",
        "Status": status, "DefaultVersionId": "", "Namespace": namespace,
    }));
    call.rows.insert("Failed to add pipeline to pipeline table", "pipelines", &row, |_| {
        Refusal::taken(format!(
            "Failed to create a new pipeline. The name {name} already exists. Please specify a new name"
        ))
    })?;
    Ok(row)
}

/// Adds a version to a pipeline.
pub fn add_version(call: &Call, pipeline: &str, name: &str, description: &str, of: &Specification) -> Answered<Row> {
    let row = object(json!({
        "UUID": id(), "CreatedAtInSec": now(), "Name": name, "Parameters": "[]", "PipelineId": pipeline,
        "Status": "CREATING", "CodeSourceUrl": "", "Description": description, "PipelineSpec": of.text(),
        "PipelineSpecURI": "",
    }));
    call.rows.insert("Failed to add version to pipeline version table", "pipeline_versions", &row, |_| {
        Refusal::taken(format!(
            "Failed to create a new pipeline version. The name {name} already exist. Specify a new name"
        ))
    })?;
    let latest = [text(&row, "UUID").to_owned().into(), pipeline.to_owned().into()];
    let what = "Failed to update the default version";
    call.rows.execute(what, "UPDATE pipelines SET DefaultVersionId = ? WHERE UUID = ?", &latest)?;
    Ok(row)
}

/// Stores the package of a version that was added; only then are version and pipeline shown.
pub async fn keep_package(call: &Call, version: &Row, of: &Specification, what: &str) -> Answered<()> {
    let id = text(version, "UUID");
    let key = package_key(id);
    let stored = match store(call).await {
        Ok(store) => store
            .put(&call.settings.bucket, &key, "application/octet-stream", of.text().into_bytes())
            .map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    stored.map_err(|why| {
        Refusal::internal(format!("Failed to store file {key}: {why}"))
            .within(&format!("{what} due to error saving PipelineSpec to ObjectStore"))
    })?;
    let what = "Failed to update status of a new pipeline version after creation";
    let id = [id.to_owned().into()];
    call.rows.execute(what, "UPDATE pipeline_versions SET Status = 'READY' WHERE UUID = ?", &id)?;
    let pipeline = [text(version, "PipelineId").to_owned().into()];
    call.rows.execute(what, "UPDATE pipelines SET Status = 'READY' WHERE UUID = ?", &pipeline)?;
    Ok(())
}

/// The object store, as the configuration names it.
async fn store(call: &Call) -> Result<object_store::Client, String> {
    let (host, port) = &call.settings.store;
    let opened = object_store::connect(&call.visit.world, call.visit.as_caller(), (host, port), &call.settings.keys);
    opened.await.map_err(|error| error.to_string())
}

/// Removes the package of a version; one that cannot be removed stays.
pub async fn remove_package(call: &Call, version: &str) {
    let removed = match store(call).await {
        Ok(store) => store.delete(&call.settings.bucket, &package_key(version)).map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    if let Err(why) = removed {
        tracing::debug!(%why, version, "the package stays");
    }
}

/// `GET /pipelines`.
pub fn list(call: &Call, namespace: &str) -> Answered {
    let page = page(call, namespace)?;
    Ok(shown(json!({
        "pipelines": page.rows.iter().map(shape).collect::<Vec<_>>(),
        "total_size": page.total, "next_page_token": page.next,
    })))
}

/// The page that a call asks for, of the pipelines of a namespace, or of the shared ones.
///
/// # Errors
/// The caller may not.
pub fn page(call: &Call, namespace: &str) -> Answered<Page> {
    let what = format!("Failed to list pipelines{} in namespace {namespace}. Check error stack", call.aside());
    allowed(call, "list", namespace, "")
        .within(&access(namespace))
        .within(&format!("Failed to list pipelines due to authorization error. Check if you have read permission to namespace {namespace}"))
        .within(&what)?;
    let scope = [("Namespace", namespace), ("Status", "READY")];
    listing::page(&call.rows, &PIPELINES, &call.head.uri, &scope, "Failed to list pipelines").within(&what)
}

/// `GET /pipelines/{id}`.
pub fn get(call: &Call, id: &str) -> Answered {
    read(call, id).map(|row| shape(&row))
}

/// A pipeline that the caller may see.
///
/// # Errors
/// There is none of this id, or the caller may not.
pub fn read(call: &Call, id: &str) -> Answered<Row> {
    let what = format!("Failed to get a pipeline{} {id}. Check error stack", call.aside());
    let why = format!("Failed to get a pipeline due authorization error for pipeline id {id}");
    reached(call, id, "get").within(&why).within(&what)
}

/// `GET /pipelines/names/{name}`.
pub fn by_name(call: &Call, name: &str) -> Answered {
    let namespace = call.asked("namespace");
    let what = format!("Failed to get a pipeline with name {name} and namespace {namespace}. Check error stack.");
    if call.settings.release == (2, 0) {
        // 2.0 compares the name of the API's version with a misspelt one (`pipeline_server.go`).
        return Err(Refusal::internal("Unsupported API version").within(&what));
    }
    allowed(call, "get", &namespace, name)
        .within(&access(&namespace))
        .within(&format!("Failed to fetch a pipeline due to authorization error. Check if you have read permission to namespace {namespace}"))
        .within(&what)?;
    let query = "SELECT * FROM pipelines WHERE Name = ? AND Namespace = ?";
    let values = [name.to_owned().into(), namespace.clone().into()];
    let found = call.rows.select("Failed to get pipeline", query, &values).within(&what)?.pop();
    let absent = || {
        Refusal::absent("Namespace/Pipeline", &format!("{namespace}/{name}"))
            .within(&format!("Failed to get a pipeline named {name} in namespace {namespace}"))
            .within(&what)
    };
    Ok(shape(&found.ok_or_else(absent)?))
}

/// `DELETE /pipelines/{id}`: only one without versions.
pub fn delete(call: &Call, id: &str) -> Answered {
    let what = format!("Failed to delete pipeline{} {id}. Check error stack", call.aside());
    let why = format!("Failed to delete a pipeline due authorization error for pipeline id {id}");
    reached(call, id, "delete").within(&why).within(&what)?;
    let query = "SELECT UUID FROM pipeline_versions WHERE PipelineId = ? ORDER BY CreatedAtInSec DESC LIMIT 1";
    let versions =
        call.rows.select("Failed to list pipeline versions", query, &[id.to_owned().into()]).within(&what)?;
    if let Some(version) = versions.first() {
        let version = text(version, "UUID");
        let text =
            format!("Failed to delete pipeline with id {id} as it has existing pipeline versions (e.g. {version})");
        return Err(Refusal::invalid(text).within(&what));
    }
    call.rows.execute(&what, "DELETE FROM pipelines WHERE UUID = ?", &[id.to_owned().into()])?;
    Ok(json!({}))
}

/// `GET /pipelines/{id}/versions`.
pub fn versions(call: &Call, id: &str) -> Answered {
    let what = match call.first {
        true => format!("Failed to list pipeline versions (v1beta1) with pipeline id {id}. Check error stack"),
        false => format!("Failed to list pipeline versions for pipeline {id}"),
    };
    let pipeline = known(call, id).within(&what)?;
    let namespace = text(&pipeline, "Namespace");
    allowed(call, "list", namespace, "")
        .within(&access(namespace))
        .within(&format!("Failed to list pipeline versions due to authorization error. Check if you have read permission to namespace {namespace}"))
        .within(&what)?;
    let scope = [("PipelineId", id), ("Status", "READY")];
    let page = listing::page(&call.rows, &VERSIONS, &call.head.uri, &scope, "Failed to list pipeline versions");
    let page = page.within(&what)?;
    Ok(shown(json!({
        "pipeline_versions": page.rows.iter().map(version_shape).collect::<Vec<_>>(),
        "total_size": page.total, "next_page_token": page.next,
    })))
}

/// `GET /pipelines/{id}/versions/{id}`.
pub fn version(call: &Call, id: &str) -> Answered {
    let what = format!("Failed to get a pipeline version{} {id}", call.aside());
    let why = format!("Failed to get a pipeline version due to authorization error for pipeline version id {id}");
    Ok(version_shape(&reached_version(call, id, "get").within(&why).within(&what)?))
}

/// `DELETE /pipelines/{id}/versions/{id}`.
pub fn delete_version(call: &Call, id: &str) -> Answered {
    let what = format!("Failed to delete a pipeline version {id}");
    let why = format!("Failed to delete a pipeline version id {id} due to authorization error");
    reached_version(call, id, "delete").within(&why).within(&what)?;
    call.rows.execute(&what, "DELETE FROM pipeline_versions WHERE UUID = ?", &[id.to_owned().into()])?;
    Ok(json!({}))
}

/// A pipeline by its id.
pub fn known(call: &Call, id: &str) -> Answered<Row> {
    let found = call.rows.by_id("Failed to get pipeline", "pipelines", id);
    let found = found.and_then(|row| row.ok_or_else(|| Refusal::absent("Pipeline", id)));
    found.within(&format!("Failed to get a pipeline with id {id}"))
}

/// A version by its id.
pub fn known_version(rows: &Rows, id: &str) -> Answered<Row> {
    let found = rows.by_id("Failed to get pipeline version", "pipeline_versions", id);
    let found = found.and_then(|row| row.ok_or_else(|| Refusal::absent("PipelineVersion", id)));
    found.within(&format!("Failed to get a pipeline version with id {id}"))
}

/// The newest version of a pipeline: times are whole seconds, and of one second's versions any may be taken.
pub fn latest_version(rows: &Rows, pipeline: &str) -> Answered<Row> {
    let doing = format!("Failed to fetch the latest pipeline version for pipeline {pipeline}");
    let query = "SELECT * FROM pipeline_versions WHERE PipelineId = ? AND Status = 'READY' ORDER BY CreatedAtInSec DESC \
                 LIMIT 1";
    let found = rows.by_id("Failed to get pipeline", "pipelines", pipeline);
    found
        .and_then(|row| row.ok_or_else(|| Refusal::absent("Pipeline", pipeline)))
        .within("Failed to get the latest pipeline version as pipeline was not found")
        .and_then(|_| rows.select(&doing, query, &[pipeline.to_owned().into()]))
        .and_then(|mut found| found.pop().ok_or_else(|| Refusal::absent("PipelineVersion", pipeline)))
        .within(&format!("Failed to fetch a pipeline version and its manifest from pipeline {pipeline}"))
}

fn reached(call: &Call, id: &str, verb: &str) -> Answered<Row> {
    let unknown = format!("Failed to access pipeline {id}. Check if it exists and have a namespace assigned");
    let row = known(call, id).within(&unknown)?;
    let namespace = text(&row, "Namespace");
    let why = format!("Failed to access pipeline {id}. Check if you have access to namespace {namespace}");
    allowed(call, verb, namespace, text(&row, "Name")).within(&why)?;
    Ok(row)
}

fn reached_version(call: &Call, id: &str, verb: &str) -> Answered<Row> {
    let unknown = format!("Failed to access pipeline version {id}. Check if it exists");
    let row = known_version(&call.rows, id).within(&unknown)?;
    reached(call, text(&row, "PipelineId"), verb)?;
    Ok(row)
}

/// A shared pipeline is everybody's.
pub fn allowed(call: &Call, verb: &str, namespace: &str, name: &str) -> Answered<()> {
    if namespace.is_empty() { Ok(()) } else { call.may(verb, "pipelines", namespace, name) }
}

fn access(namespace: &str) -> String {
    format!("Failed to access pipeline . Check if you have access to namespace {namespace}")
}

/// A pipeline as the API shows it.
pub fn shape(row: &Row) -> Value {
    shown(json!({
        "pipeline_id": text(row, "UUID"), "display_name": text(row, "Name"), "description": text(row, "Description"),
        "created_at": time(number(row, "CreatedAtInSec")), "namespace": text(row, "Namespace"),
    }))
}

/// A version as the API shows it.
pub fn version_shape(row: &Row) -> Value {
    let kept = serde_json::from_str::<Value>(text(row, "PipelineSpec")).unwrap_or_default();
    shown(json!({
        "pipeline_id": text(row, "PipelineId"), "pipeline_version_id": text(row, "UUID"),
        "display_name": text(row, "Name"), "description": text(row, "Description"),
        "created_at": time(number(row, "CreatedAtInSec")), "pipeline_spec": kept,
    }))
}
