//! What happens when a recurring run is due: by whose right a run of it is made, and from what.
//!
//! Where its pipeline was settled when it was made, its ScheduledWorkflow has a Workflow's specification, and the controller
//! makes a Workflow of it by its own right. Where only a pipeline is named, releases from 2.5 on have none: the controller
//! asks the API server for a run, by the token in its volume, and the newest version is taken.
//!
//! Source: kubeflow/pipelines 2.3.0 and 2.5.0 `backend/src/crd/controller/scheduledworkflow/controller.go`
//! (`submitNewWorkflowIfNotAlreadySubmitted`), `main.go`.

use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use super::call::{field, id};
use super::identity::{self, GROUP, Wish};
use super::refusal::{Answered, Refusal, Within as _};
use super::report::Api;
use super::rows::{Row, Rows, number, text};
use super::runs::{self, New, Source};
use super::specification::Specification;
use super::{packages, workflows};
use crate::access::{Attributes, UserInfo, authorize, forbidden};
use crate::controllers::owned::suffix;
use crate::kubelet::projected_tokens;
use crate::object::{name, namespace, uid};
use crate::platform::World;

/// Where the controller looks for a token for the API server.
const TOKEN: &str = "/var/run/secrets/kubeflow/tokens/scheduledworkflow-sa-token";
const DOING: &str = "Failed to create a run";

/// The controller's container.
#[derive(Debug, Clone, Copy)]
pub struct Controller<'a> {
    /// Its pod.
    pub pod: &'a Value,
    /// The container in it.
    pub container: &'a str,
}

/// Makes the next run of a recurring run; yields whether one was made: none is if no row knows it, or if as many as it may
/// have are on their way.
///
/// # Errors
/// The database cannot be reached, the run cannot be made, or the controller may not make it.
pub fn fire(world: &World, by: Controller<'_>, api: &Api, schedule: &Value, index: i64) -> Answered<bool> {
    let rows = api.rows(world);
    let Some(job) = rows.by_id(DOING, "jobs", uid(schedule))? else { return Ok(false) };
    let going = "SELECT UUID FROM run_details WHERE JobUUID = ? AND State IN ('PENDING', 'RUNNING')";
    let going = rows.select(DOING, going, &[uid(schedule).to_owned().into()])?.len();
    if usize::try_from(number(&job, "MaxConcurrency")).is_ok_and(|most| going >= most) {
        return Ok(false);
    }
    let source = if field(schedule, "/spec/workflow/spec").is_empty() {
        asked_for(world, by, api, &job)?;
        newest(&rows, schedule)?
    } else {
        may_make(world, by, &job)?;
        settled(&job)?
    };
    let parameters = serde_json::from_str::<Value>(text(&job, "RuntimeParameters")).unwrap_or_default();
    let config = json!({"parameters": parameters, "pipeline_root": text(&job, "PipelineRoot")});
    let new = New {
        id: &id(),
        name: &format!("{}-{index}-{}", name(schedule), suffix()),
        description: "",
        namespace: text(&job, "Namespace"),
        experiment: text(&job, "ExperimentUUID"),
        schedule: uid(schedule),
        account: text(&job, "ServiceAccount"),
        source: &source,
        config: &config,
    };
    runs::add(world, &rows, &new).map(|_| true)
}

/// The pipeline that was settled when the recurring run was made.
fn settled(job: &Row) -> Answered<Source> {
    Ok(Source {
        specification: Specification::read(text(job, "PipelineSpecManifest"), |refusal| refusal)?,
        pipeline: text(job, "PipelineId").to_owned(),
        version: text(job, "PipelineVersionId").to_owned(),
        name: text(job, "PipelineName").to_owned(),
    })
}

/// The newest version of the pipeline that is named.
fn newest(rows: &Rows, schedule: &Value) -> Answered<Source> {
    Source::of(&packages::latest_version(rows, field(schedule, "/spec/pipelineId"))?)
}

/// Whether the controller may make Workflows.
fn may_make(world: &World, by: Controller<'_>, job: &Row) -> Answered<()> {
    let own = account(by.pod);
    let wish = Attributes::resource("create", workflows::GROUP, "workflows", text(job, "Namespace"), "");
    if authorize(world, &own, &wish) { Ok(()) } else { Err(Refusal::internal(forbidden(&own, &wish).message)) }
}

/// Whether the API server makes a run for the controller.
fn asked_for(world: &World, by: Controller<'_>, api: &Api, job: &Row) -> Answered<()> {
    let mut headers = HeaderMap::new();
    let token = projected_tokens::file(world, by.pod, by.container, TOKEN);
    if let Some(token) = token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok()) {
        headers.insert(header::AUTHORIZATION, token);
    }
    let space = text(job, "Namespace");
    let wish = Wish { group: GROUP, resource: "runs", verb: "create", namespace: space, name: "" };
    identity::check_as(world, &account(&api.pod), &api.settings(world), &headers, &wish).within(DOING)
}

fn account(pod: &Value) -> UserInfo {
    let account = Some(field(pod, "/spec/serviceAccountName")).filter(|account| !account.is_empty());
    UserInfo::service_account(namespace(pod), account.unwrap_or("default"), "")
}
