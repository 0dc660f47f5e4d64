//! The calls by which the platform's own programs report: `POST /workflows`, `/scheduledworkflows` and
//! `/runs/{id}:reportMetrics`. Here they come from whoever tries: the played programs do what these calls do without asking.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/src/apiserver/server/report_server.go`, `run_server.go`; recorded exchanges.

use serde_json::{Value, json};

use super::call::{Call, field};
use super::identity::{self, GROUP, Wish};
use super::refusal::{Answered, Refusal, Within as _};
use super::report::{self, Reported};
use super::rows::object;
use super::runs;
use super::workflows::{self, RUN_LABEL};
use crate::object::{label, name, namespace};
use crate::store::Key;

/// `POST /workflows`: how far a Workflow is, as a JSON text of its JSON.
pub fn workflow(call: &Call) -> Answered {
    let (what, workflow) = ("Failed to report workflow", sent(call)?);
    may_report(call, "workflows", &workflow)?;
    if report::workflow(&call.rows, &workflow).within(what)? == Reported::Kept {
        return Ok(json!({}));
    }
    // A Workflow whose run nobody knows is removed.
    let (home, called) = (namespace(&workflow), name(&workflow));
    if call.visit.world.store.get(&Key::new("argoproj.io", "workflows", home, called)).is_some() {
        workflows::delete(&call.visit.world, home, called);
        return Ok(json!({}));
    }
    let run = label(&workflow, RUN_LABEL).unwrap_or_default();
    let failed = format!("Failed to delete the obsolete workflow for run {run}");
    Err(Refusal::gone(&failed, &format!("workflows.argoproj.io \"{called}\" not found")).within(what))
}

/// `POST /scheduledworkflows`: when a recurring run has run. Nothing that is shown depends on it here.
pub fn schedule(call: &Call) -> Answered {
    let schedule = sent(call)?;
    may_report(call, "scheduledworkflows", &schedule)?;
    Ok(json!({}))
}

/// `POST /runs/{id}:reportMetrics`.
pub fn metrics(call: &Call, id: &str) -> Answered {
    let what = "Failed to report v1beta1 run metrics";
    runs::reached(call, id, "reportMetrics", what)?;
    for metric in call.json()?.get("metrics").and_then(Value::as_array).into_iter().flatten() {
        let row = object(json!({
            "RunUUID": id, "NodeID": field(metric, "/node_id"), "Name": field(metric, "/name"),
            "NumberValue": metric.get("number_value").cloned().unwrap_or_else(|| json!(0)),
            "Format": field(metric, "/format"), "Payload": metric.to_string(),
        }));
        call.rows.insert(what, "run_metrics", &row, |error| Refusal::internal(error.to_string()).within(what))?;
    }
    Ok(json!({}))
}

/// The object that the body is a JSON text of.
fn sent(call: &Call) -> Answered<Value> {
    let kinds = [("object", b'{'), ("array", b'['), ("bool", b't'), ("bool", b'f')];
    let first = call.body.iter().find(|byte| !byte.is_ascii_whitespace());
    if let Some((kind, _)) = kinds.iter().find(|(_, begins)| first == Some(begins)) {
        return Err(Refusal::malformed(format!("json: cannot unmarshal {kind} into Go value of type string")));
    }
    let body = call.json()?;
    let text = body.as_str().unwrap_or_default();
    serde_json::from_str(text)
        .map_err(|error| Refusal::invalid_because("Could not unmarshal workflow", &error.to_string()))
}

fn may_report(call: &Call, resource: &str, reported: &Value) -> Answered<()> {
    let wish = Wish { group: GROUP, resource, verb: "report", namespace: "", name: "" };
    let checked = identity::check(&call.visit, &call.settings, &call.head.headers, &wish);
    checked.within(&format!("Failed to report {resource} `{}` due to authorization error.", name(reported)))
}
