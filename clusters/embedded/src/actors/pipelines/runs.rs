//! Runs: a pipeline at work, as a Workflow in the namespace of its experiment.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/src/apiserver/server/run_server.go`, `resource/resource_manager.go`.

use serde_json::{Value, json};

use super::call::{Call, field, id, now, shown};
use super::listing::{self, Page, RUNS};
use super::packages;
use super::refusal::{Answered, Refusal, Within as _};
use super::rows::{Row, Rows, object, text};
use super::specification::Specification;
use super::steps::pods;
use super::{experiments, shapes, workflows};
use crate::platform::World;

const NO_NAMESPACE: &str = "A run cannot have an empty namespace in multi-user mode";
/// How far a run is that has just been made, in the words of v2 and of v1.
const PENDING: (&str, &str) = ("PENDING", "Pending");

/// What a run, or a recurring run, is made from.
pub struct Source {
    /// The pipeline.
    pub specification: Specification,
    /// Where it comes from: ids of pipeline and version, empty for one that was sent along.
    pub pipeline: String,
    /// See above.
    pub version: String,
    /// Its name.
    pub name: String,
}

impl Source {
    /// A version that was uploaded.
    pub fn of(version: &Row) -> Answered<Self> {
        Ok(Self {
            specification: Specification::read(text(version, "PipelineSpec"), |refusal| refusal)?,
            pipeline: text(version, "PipelineId").to_owned(),
            version: text(version, "UUID").to_owned(),
            name: text(version, "Name").to_owned(),
        })
    }
}

/// `POST /runs`.
pub fn create(call: &Call) -> Answered {
    let row = make(call, &call.json()?)?;
    shapes::run(call, &row)
}

/// Makes the run that a body describes.
///
/// # Errors
/// It has no name or no pipeline, or the caller may not.
pub fn make(call: &Call, body: &Value) -> Answered<Row> {
    let old = call.old();
    if field(body, "/display_name").is_empty() {
        let refusal = Refusal::invalid("Run name cannot be empty")
            .into_internal(&format!("Failed to convert a {old}API run detail to its internal representation"));
        let why = format!("CreateJob(job.ToV2())Failed to create a {old}run due to conversion error");
        return Err(refusal.within(&why));
    }
    make_it(call, body).within(&format!("Failed to create a new {old}run"))
}

fn make_it(call: &Call, body: &Value) -> Answered<Row> {
    let experiment = field(body, "/experiment_id");
    let namespace = experiments::namespace_of(call, experiment)
        .within("Failed to create a run due to invalid experimentId and namespace combination")?;
    in_namespace(call, "create", &namespace, "", "").within(&format!(
        "Failed to create a run due to authorization error. Check if you have write permissions to namespace {namespace}"
    ))?;
    let source = source(call, body)
        .map_err(|refusal| refusal.into_internal("Failed to create a run due to error fetching manifest"))?;
    source.specification.takes(body.pointer("/runtime_config/parameters").unwrap_or(&Value::Null))?;
    let run = Some(field(body, "/run_id")).filter(|id| !id.is_empty()).map_or_else(id, str::to_owned);
    let account = Some(field(body, "/service_account")).filter(|name| !name.is_empty());
    let account = account.unwrap_or(&call.settings.runner);
    let name = field(body, "/display_name");
    call.own_right("create", workflows::GROUP, "workflows", &namespace)
        // The name in it is that before the API server gave one.
        .map_err(|refusal| refusal.into_internal("Failed to create a workflow for ()"))
        .within("Failed to create a run")?;
    add(
        &call.visit.world,
        &call.rows,
        &New {
            id: &run,
            name,
            description: field(body, "/description"),
            namespace: &namespace,
            experiment,
            schedule: field(body, "/recurring_run_id"),
            account,
            source: &source,
            config: body.get("runtime_config").unwrap_or(&Value::Null),
        },
    )
}

/// A run that is to be made.
pub struct New<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its description.
    pub description: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its experiment.
    pub experiment: &'a str,
    /// The recurring run that makes it, if one does.
    pub schedule: &'a str,
    /// The account that its pods work with.
    pub account: &'a str,
    /// Its pipeline.
    pub source: &'a Source,
    /// `runtime_config`: parameters and root.
    pub config: &'a Value,
}

/// Makes a run: its Workflow, then its row.
pub fn add(world: &World, rows: &Rows, new: &New<'_>) -> Answered<Row> {
    let New { id: run, name, namespace, experiment, source, config, .. } = *new;
    // The IR's own names (`RuntimeConfig` of pipeline_spec.proto).
    let set = json!({"parameters": config["parameters"], "pipelineRoot": field(config, "/pipeline_root")});
    let workflow = workflows::create(world, namespace, &source.specification, (run, name), new.account, &set)
        .map_err(|cause| Refusal::internal(cause).within("Failed to create a run"))?;
    let at = now();
    let history = json!([{"UpdateTimeInSec": at, "State": PENDING.0, "Error": null}]);
    let parameters = config.get("parameters").cloned().unwrap_or_else(|| json!({}));
    let row = object(json!({
        "UUID": run, "DisplayName": name, "Name": crate::object::name(&workflow), "Description": new.description,
        "Namespace": namespace, "ExperimentUUID": experiment, "JobUUID": new.schedule,
        "StorageState": "AVAILABLE", "ServiceAccount": new.account, "PipelineId": source.pipeline,
        "PipelineVersionId": source.version, "PipelineName": source.name,
        "PipelineSpecManifest": source.specification.text(), "WorkflowSpecManifest": "",
        "RuntimeParameters": parameters.to_string(), "PipelineRoot": field(config, "/pipeline_root"),
        "CreatedAtInSec": at, "ScheduledAtInSec": at, "Conditions": PENDING.1, "State": PENDING.0,
        "StateHistory": history.to_string(), "PipelineRuntimeManifest": "", "WorkflowRuntimeManifest": "",
    }));
    rows.insert(&format!("Failed to store run {name} to table"), "run_details", &row, |_| {
        let why = format!("Error 1062 (23000): Duplicate entry '{run}' for key 'PRIMARY'");
        Refusal::internal(format!("Failed to store run {name} to table: {why}"))
    })
    .within("Failed to create a run")?;
    rows.refer(("Run", run), ("Experiment", experiment), "Owner")?;
    rows.refer(("Run", run), ("Namespace", namespace), "Owner")?;
    Ok(row)
}

/// The pipeline that a body names or carries.
pub fn source(call: &Call, body: &Value) -> Answered<Source> {
    let pipeline = field(body, "/pipeline_version_reference/pipeline_id");
    let named = field(body, "/pipeline_version_reference/pipeline_version_id");
    let retrieving = "Failed to fetch a template due to error retrieving pipeline version";
    if !named.is_empty() {
        let version = packages::known_version(&call.rows, named)
            .within(&format!("Failed to fetch a pipeline version and its manifest from pipeline version {named}"))
            .within(retrieving)?;
        return Source::of(&version);
    }
    if !pipeline.is_empty() {
        return Source::of(&packages::latest_version(&call.rows, pipeline).within(retrieving)?);
    }
    let sent = match body.get("pipeline_spec") {
        Some(spec @ Value::Object(_)) => spec.to_string(),
        // v1beta1 sends the file as it is.
        Some(Value::String(manifest)) if call.first => manifest.clone(),
        _ => return Err(Refusal::invalid("Failed to fetch a template with an empty pipeline spec manifest")),
    };
    let specification = Specification::read(&sent, |refusal| {
        refusal.within("Failed to fetch a template with an invalid pipeline spec manifest")
    })?;
    let name = specification.name().to_owned();
    Ok(Source { specification, pipeline: String::new(), version: String::new(), name })
}

/// `GET /runs`.
pub fn list(call: &Call, namespace: &str) -> Answered {
    let page = page(call, namespace, &call.asked("experiment_id"))?;
    let shown_runs: Vec<Value> = page.rows.iter().map(|row| shapes::run(call, row)).collect::<Answered<_>>()?;
    Ok(shown(json!({"runs": shown_runs, "total_size": page.total, "next_page_token": page.next})))
}

/// The page that a call asks for, of the runs of a namespace or of an experiment.
///
/// # Errors
/// Neither is named, or the caller may not.
pub fn page(call: &Call, namespace: &str, experiment: &str) -> Answered<Page> {
    let what = &format!("Failed to list {}runs", call.old());
    let namespace = if namespace.is_empty() && !experiment.is_empty() {
        experiments::namespace_of(call, experiment).within(what)?
    } else {
        namespace.to_owned()
    };
    if call.settings.multi_user && namespace.is_empty() {
        return Err(Refusal::invalid(NO_NAMESPACE).within(&list_denied("")).within(what));
    }
    in_namespace(call, "list", &namespace, "", "").within(&list_denied(&namespace)).within(what)?;
    // For one user alone all of them, unless a namespace is named.
    let mut scope = vec![("Namespace", namespace.as_str())];
    scope.retain(|(_, value)| call.settings.multi_user || !value.is_empty());
    if !experiment.is_empty() {
        scope.push(("ExperimentUUID", experiment));
    }
    listing::page(&call.rows, &RUNS, &call.head.uri, &scope, "Failed to list runs")
}

fn list_denied(namespace: &str) -> String {
    format!(
        "Failed to list runs due to authorization error. Check if you have permission to access namespace {namespace}"
    )
}

/// `GET /runs/{id}`.
pub fn get(call: &Call, id: &str) -> Answered {
    let row = read(call, id)?;
    shapes::run(call, &row)
}

/// A run that the caller may see.
///
/// # Errors
/// See [`reached`].
pub fn read(call: &Call, id: &str) -> Answered<Row> {
    reached(call, id, "get", &format!("Failed to get a {}run", call.old()))
}

/// `DELETE /runs/{id}`: the Workflow goes with it.
pub fn delete(call: &Call, id: &str) -> Answered {
    let what = &format!("Failed to delete a {}run", call.old());
    let row = reached(call, id, "delete", what)?;
    workflows::delete(&call.visit.world, text(&row, "Namespace"), text(&row, "Name"));
    let id = [id.to_owned().into()];
    call.rows.execute(what, "DELETE FROM run_details WHERE UUID = ?", &id)?;
    call.rows.execute(what, "DELETE FROM resource_references WHERE ResourceUUID = ? AND ResourceType = 'Run'", &id)?;
    Ok(json!({}))
}

/// `POST /runs/{id}:archive` and `:unarchive`.
pub fn store(call: &Call, id: &str, verb: &str) -> Answered {
    let what = format!("Failed to {verb} a {}run", call.old());
    reached(call, id, verb, &what)?;
    let state = if verb == "archive" { "ARCHIVED" } else { "AVAILABLE" };
    let values = [state.to_owned().into(), id.to_owned().into()];
    call.rows.execute(&what, "UPDATE run_details SET StorageState = ? WHERE UUID = ?", &values)?;
    Ok(json!({}))
}

/// `POST /runs/{id}:terminate`: the row says so at once, the Workflow is told to stop.
pub fn terminate(call: &Call, id: &str) -> Answered {
    let what = &format!("Failed to terminate a {}run", call.old());
    let row = reached(call, id, "terminate", what)?;
    let statement = "UPDATE run_details SET Conditions = 'Terminating', State = 'CANCELING' WHERE UUID = ? AND State \
                     IN ('PENDING', 'RUNNING', 'PAUSED')";
    let changed = call.rows.execute(what, statement, &[id.to_owned().into()])?;
    if changed == 0 {
        return Err(Refusal::invalid(format!("Failed to terminate run {id}. Row not found")).within(what));
    }
    let why = format!("Failed to terminate run {id} due to error terminating its workflow");
    let right = call.own_right("patch", workflows::GROUP, "workflows", text(&row, "Namespace"));
    right.map_err(|refusal| refusal.into_internal(&why)).within(what)?;
    workflows::stop(&call.visit.world, text(&row, "Namespace"), text(&row, "Name"));
    Ok(json!({}))
}

/// `POST /runs/{id}:retry`: only a run that failed, and whose Workflow has been reported. Its history begins anew
/// (`resource_manager.go`: the row is updated with a run that has none).
pub fn retry(call: &Call, id: &str) -> Answered {
    let what = "Failed to retry a run";
    let row = reached(call, id, "retry", what)?;
    if text(&row, "WorkflowRuntimeManifest").is_empty() {
        let cause = Refusal::invalid("Workflow manifest cannot be empty");
        let why = format!("Failed to retry run {id} due to error fetching workflow manifest");
        return Err(Refusal::bad_request(&why, cause.message()).within(what));
    }
    if text(&row, "State") != "FAILED" {
        let refusal = Refusal::bad_request("Workflow must be Failed/Error to retry", "workflow cannot be retried");
        return Err(refusal.within(&format!("Failed to retry run {id}")).within(what));
    }
    let (space, workflow) = (text(&row, "Namespace"), text(&row, "Name"));
    let failed = pods::failed(&call.visit.world, space, workflow);
    if !failed.is_empty() {
        let why =
            format!("Failed to retry run {id} due to error cleaning up the failed pods from the previous attempt");
        let right = call.own_right("delete", "", "pods", space);
        right.map_err(|refusal| refusal.into_internal("Failed to delete pods").into_internal(&why)).within(what)?;
        pods::remove(&call.visit.world, space, &failed);
    }
    let why = format!("Failed to retry run {id} due to error updating and creating a workflow");
    let right = call.own_right("update", workflows::GROUP, "workflows", space);
    right.map_err(|refusal| refusal.into_internal(&why)).within(what)?;
    workflows::restart(&call.visit.world, space, workflow);
    let history = json!([{"UpdateTimeInSec": now(), "State": "RUNNING", "Error": null}]);
    let statement = "UPDATE run_details SET Conditions = 'Running', State = 'RUNNING', FinishedAtInSec = 0, \
                     StateHistory = ? WHERE UUID = ?";
    call.rows.execute(what, statement, &[history.to_string().into(), id.to_owned().into()])?;
    Ok(json!({}))
}

/// `GET /runs/{id}/nodes/{node}/artifacts/{name}:read`: runs of an IR have none here.
pub fn read_artifact(call: &Call, id: &str, node: &str, name: &str) -> Answered {
    reached(call, id, "readArtifact", "Failed to read an artifact")?;
    let what = format!("failed to read artifact 'run_id:\"{id}\" node_id:\"{node}\" artifact_name:\"{name}\"'");
    Err(Refusal::invalid("read artifact from run with v2 IR spec is not supported").within(&what))
}

/// A run that the caller may do this to.
///
/// # Errors
/// There is none of this id, or the caller may not.
pub fn reached(call: &Call, id: &str, verb: &str, what: &str) -> Answered<Row> {
    let found = call.rows.by_id("Failed to get run", "run_details", id);
    let found = found.and_then(|row| row.ok_or_else(|| Refusal::absent("Run", id)));
    let asked = "Failed to authorize the request";
    let row = found
        .within(&format!("Failed to fetch run {id}"))
        .within(&format!("Failed to authorize with the run ID {id}"))
        .within(asked)
        .within(what)?;
    in_namespace(call, verb, text(&row, "Namespace"), id, text(&row, "Name")).within(asked).within(what)?;
    Ok(row)
}

fn in_namespace(call: &Call, verb: &str, namespace: &str, id: &str, name: &str) -> Answered<()> {
    let why = format!("Failed to access run {id}. Check if you have access to namespace {namespace}");
    call.may(verb, "runs", namespace, name).within(&why)
}
