//! Recurring runs: a schedule, kept as a ScheduledWorkflow in the namespace of its experiment.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/src/apiserver/server/job_server.go`.

use serde_json::{Value, json};

use super::call::{Call, field, now, shown, time};
use super::listing::{self, Page, RECURRING_RUNS};
use super::refusal::{Answered, Refusal, Within as _};
use super::rows::{Row, number, object, text};
use super::{experiments, runs, shapes, trigger, workflows};

const NO_NAMESPACE: &str = "a recurring run cannot have an empty namespace in multi-user mode";
/// How many runs of one schedule may go at once; the wording is upstream's, typing error included.
const CONCURRENCY: std::ops::RangeInclusive<i64> = 1..=10;

/// `POST /recurringruns`.
pub fn create(call: &Call) -> Answered {
    make(call, &call.json()?).map(|row| shape(&row))
}

/// Makes the recurring run that a body describes.
///
/// # Errors
/// It has no name, no pipeline or too many runs at once, or the caller may not.
pub fn make(call: &Call, body: &Value) -> Answered<Row> {
    let concurrency = body.get("max_concurrency").and_then(whole).unwrap_or_default();
    if !CONCURRENCY.contains(&concurrency) {
        let text =
            format!("Max concurrency of a recurring run must be at leas 1 and at most 10. Received {concurrency}");
        return Err(Refusal::invalid(text).within("Failed to create a recurring run due to conversion error"));
    }
    if field(body, "/display_name").is_empty() {
        let refusal = Refusal::invalid(format!(
            "{} cannot be empty",
            if call.first { "Job name" } else { "Recurring run's name" }
        ));
        return Err(refusal.within("Failed to create a recurring run due to conversion error"));
    }
    let trigger = trigger::sent(body).within("Failed to create a recurring run due to conversion error")?;
    make_it(call, body, concurrency, &trigger).within("Failed to create a recurring run")
}

fn make_it(call: &Call, body: &Value, concurrency: i64, trigger: &trigger::Sent) -> Answered<Row> {
    let (experiment, name) = (field(body, "/experiment_id"), field(body, "/display_name"));
    let namespace = experiments::namespace_of(call, experiment)
        .within("Failed to create a recurring run due to invalid experimentId and namespace combination")?;
    in_namespace(call, "create", &namespace, name).within(&format!(
        "Failed to create a recurring run due to authorization error. Check if you have write permission to namespace \
         {namespace}"
    ))?;
    let source = runs::source(call, body).map_err(|refusal| {
        refusal.into_internal("Failed to create a recurring run with an invalid pipeline spec manifest")
    })?;
    source.specification.takes(body.pointer("/runtime_config/parameters").unwrap_or(&Value::Null))?;
    let enabled = field(body, "/mode") == "ENABLE";
    let account = Some(field(body, "/service_account")).filter(|name| !name.is_empty());
    let account = account.unwrap_or(&call.settings.runner);
    call.own_right("create", "kubeflow.org", "scheduledworkflows", &namespace)?;
    let config = json!({
        "parameters": body.pointer("/runtime_config/parameters"),
        "pipelineRoot": field(body, "/runtime_config/pipeline_root"),
    });
    // Of a pipeline alone the newest version is taken each time, from 2.5 on; until then, the one that is newest now.
    let is_settled = call.settings.release < (2, 5)
        || !field(body, "/pipeline_version_reference/pipeline_version_id").is_empty()
        || source.pipeline.is_empty();
    let (version, workflow) = if is_settled {
        (source.version.as_str(), json!({"spec": source.specification.workflow("", account, &config).to_string()}))
    } else {
        ("", json!({"pipelineRoot": config["pipelineRoot"]}))
    };
    let specification = json!({
        "enabled": enabled, "experimentId": experiment, "maxConcurrency": concurrency,
        "noCatchup": body.get("no_catchup") == Some(&json!(true)), "pipelineId": source.pipeline,
        "pipelineName": source.name, "pipelineVersionId": version, "trigger": trigger.object,
        "workflow": workflow,
    });
    let schedule =
        workflows::schedule(&call.visit.world, &namespace, name, specification).map_err(Refusal::internal)?;
    let id = crate::object::uid(&schedule).to_owned();
    let at = now();
    let parameters = body.pointer("/runtime_config/parameters").cloned().unwrap_or_else(|| json!({}));
    let manifest = if is_settled { source.specification.text() } else { String::new() };
    let mut row = object(json!({
        "UUID": id, "DisplayName": name, "Name": crate::object::name(&schedule), "Namespace": namespace,
        "ServiceAccount": account, "Description": field(body, "/description"), "MaxConcurrency": concurrency,
        "NoCatchup": body.get("no_catchup") == Some(&json!(true)), "CreatedAtInSec": at, "UpdatedAtInSec": at,
        "Enabled": enabled, "ExperimentUUID": experiment,
        "PipelineId": source.pipeline, "PipelineVersionId": version, "PipelineName": source.name,
        "PipelineSpecManifest": manifest, "WorkflowSpecManifest": "",
        "RuntimeParameters": parameters.to_string(), "PipelineRoot": field(body, "/runtime_config/pipeline_root"),
        "Conditions": "STATUS_UNSPECIFIED",
    }));
    row.extend(object(trigger.columns.clone()));
    let what = format!("Failed to store job {name} to table");
    call.rows.insert(&what, "jobs", &row, |error| Refusal::internal(format!("{what}: {error}")))?;
    call.rows.refer(("Job", &id), ("Experiment", experiment), "Owner")?;
    call.rows.refer(("Job", &id), ("Namespace", &namespace), "Owner")?;
    Ok(row)
}

/// `GET /recurringruns`.
pub fn list(call: &Call, namespace: &str) -> Answered {
    let page = page(call, namespace, &call.asked("experiment_id"))?;
    Ok(shown(json!({
        "recurringRuns": page.rows.iter().map(shape).collect::<Vec<_>>(),
        "total_size": page.total, "next_page_token": page.next,
    })))
}

/// The page that a call asks for, of the recurring runs of a namespace or of an experiment.
///
/// # Errors
/// Neither is named, or the caller may not.
pub fn page(call: &Call, namespace: &str, experiment: &str) -> Answered<Page> {
    let what = "Failed to list jobs";
    let namespace = if namespace.is_empty() && !experiment.is_empty() {
        experiments::namespace_of(call, experiment).within(what)?
    } else {
        namespace.to_owned()
    };
    let denied = format!(
        "Failed to list recurring runs due to authorization error. Check if you have permission to access namespace \
         {namespace}"
    );
    if call.settings.multi_user && namespace.is_empty() {
        return Err(Refusal::invalid(NO_NAMESPACE).within(&denied).within(what));
    }
    in_namespace(call, "list", &namespace, "").within(&denied).within(what)?;
    // For one user alone all of them, unless a namespace is named.
    let mut scope = vec![("Namespace", namespace.as_str())];
    scope.retain(|(_, value)| call.settings.multi_user || !value.is_empty());
    if !experiment.is_empty() {
        scope.push(("ExperimentUUID", experiment));
    }
    listing::page(&call.rows, &RECURRING_RUNS, &call.head.uri, &scope, "Failed to list jobs")
}

/// `GET /recurringruns/{id}`.
pub fn get(call: &Call, id: &str) -> Answered {
    read(call, id).map(|row| shape(&row))
}

/// A recurring run that the caller may see.
///
/// # Errors
/// There is none of this id, or the caller may not.
pub fn read(call: &Call, id: &str) -> Answered<Row> {
    reached(call, id, "get", &format!("Failed to fetch a {}recurring run", call.old()))
}

/// `DELETE /recurringruns/{id}`: the ScheduledWorkflow goes with it.
pub fn delete(call: &Call, id: &str) -> Answered {
    // backend/src/apiserver/server/job_server.go at 2.3.0 words a deletion so, too.
    let what = "Failed to disable a recurring run";
    let row = reached(call, id, "delete", what)?;
    workflows::unschedule(&call.visit.world, text(&row, "Namespace"), text(&row, "Name"));
    let id = [id.to_owned().into()];
    call.rows.execute(what, "DELETE FROM jobs WHERE UUID = ?", &id)?;
    call.rows.execute(what, "DELETE FROM resource_references WHERE ResourceUUID = ? AND ResourceType = 'Job'", &id)?;
    Ok(json!({}))
}

/// `POST /recurringruns/{id}:enable` and `:disable`.
pub fn switch(call: &Call, id: &str, verb: &str) -> Answered {
    let what = format!("Failed to {verb} a {}recurring run", call.old());
    let row = reached(call, id, verb, &what)?;
    let enabled = verb == "enable";
    workflows::switch(&call.visit.world, text(&row, "Namespace"), text(&row, "Name"), enabled);
    let values = [i64::from(enabled).into(), now().into(), id.to_owned().into()];
    call.rows.execute(&what, "UPDATE jobs SET Enabled = ?, UpdatedAtInSec = ? WHERE UUID = ?", &values)?;
    Ok(json!({}))
}

fn reached(call: &Call, id: &str, verb: &str, what: &str) -> Answered<Row> {
    let found = call.rows.by_id("Failed to get job", "jobs", id);
    let found = found.and_then(|row| row.ok_or_else(|| Refusal::absent("Job", id)));
    let asked = "Failed to authorize the request";
    let row = found.within("failed to authorize with the recurring run ID").within(asked).within(what)?;
    in_namespace(call, verb, text(&row, "Namespace"), text(&row, "DisplayName")).within(asked).within(what)?;
    Ok(row)
}

fn in_namespace(call: &Call, verb: &str, namespace: &str, name: &str) -> Answered<()> {
    call.may(verb, "jobs", namespace, name).within("failed to authorize with API")
}

/// A whole number, as JSON's or, as 64-bit numbers are sent, in quotes.
pub(super) fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// Whether a column says yes: by a number if the row was read, in JSON if it has just been made.
pub fn is_set(row: &Row, column: &str) -> bool {
    number(row, column) != 0 || row.get(column) == Some(&json!(true))
}

/// When it makes them; both versions of the API say it alike.
pub fn trigger_shape(row: &Row) -> Value {
    let bound = |column: &str| row.get(column).and_then(Value::as_i64).map(time);
    let mut trigger = json!({});
    if let Some(seconds) = row.get("IntervalSecond").and_then(Value::as_i64).filter(|seconds| *seconds != 0) {
        trigger["periodic_schedule"] = shown(json!({
            "interval_second": seconds.to_string(), "start_time": bound("PeriodicScheduleStartTimeInSec"),
            "end_time": bound("PeriodicScheduleEndTimeInSec"),
        }));
    }
    if !text(row, "Schedule").is_empty() {
        trigger["cron_schedule"] = shown(json!({
            "cron": text(row, "Schedule"), "start_time": bound("CronScheduleStartTimeInSec"),
            "end_time": bound("CronScheduleEndTimeInSec"),
        }));
    }
    trigger
}

fn shape(row: &Row) -> Value {
    let enabled = is_set(row, "Enabled");
    let mut job = json!({
        "recurring_run_id": text(row, "UUID"), "display_name": text(row, "DisplayName"),
        "description": text(row, "Description"), "service_account": text(row, "ServiceAccount"),
        "max_concurrency": number(row, "MaxConcurrency").to_string(), "trigger": trigger_shape(row),
        "mode": if enabled { "ENABLE" } else { "DISABLE" }, "status": if enabled { "ENABLED" } else { "DISABLED" },
        "created_at": time(number(row, "CreatedAtInSec")), "updated_at": time(number(row, "UpdatedAtInSec")),
        "namespace": text(row, "Namespace"), "experiment_id": text(row, "ExperimentUUID"),
    });
    if is_set(row, "NoCatchup") {
        job["no_catchup"] = json!(true);
    }
    shapes::source(row, &mut job);
    shown(job)
}
