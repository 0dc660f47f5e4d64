//! v1beta1: other names for what v2beta1 does, and the question whether somebody may use viewers.
//!
//! Who asks is told the same and refused the same, from the same rows; this converts what is sent and what is shown.
//! Defaults are left out of what is shown, as grpc-gateway 1.16 does: a run that is AVAILABLE has no `storage_state`,
//! since that is number 0 of v1beta1's enumeration.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/api/v1beta1/*.proto`, `backend/src/apiserver/server/api_converter.go`,
//! `auth_server.go`.

mod experiments;
mod jobs;
pub mod pipelines;
mod references;
mod runs;

use http::{Method, StatusCode};
use serde_json::json;

use super::call::Call;
use super::identity::{self, Wish};
use super::refusal::{Answered, Refusal, Within as _};
use super::{self as now, reported};

/// `GET /auth?namespace=&resources=VIEWERS&verb=`.
pub fn auth(call: &Call) -> Answered {
    let (namespace, resources, verb) = (call.asked("namespace"), call.asked("resources"), call.asked("verb"));
    let missing = |text: &str| Err(Refusal::invalid(text).within("Authorize request is not valid"));
    if namespace.is_empty() {
        return missing("Namespace is empty. Please specify a valid namespace");
    }
    if resources.is_empty() || resources == "UNASSIGNED_RESOURCES" {
        return missing("Resources not specified. Please specify a valid resources");
    }
    if verb.is_empty() || verb == "UNASSIGNED_VERB" {
        return missing("Verb not specified. Please specify a valid verb");
    }
    let verb = verb.to_lowercase();
    let (resource, group) = (resources.to_lowercase(), "kubeflow.org");
    let wish = Wish { group, resource: &resource, verb: &verb, namespace: &namespace, name: "" };
    identity::check(&call.visit, &call.settings, &call.head.headers, &wish)
        .within("Failed to authorize the request")?;
    Ok(json!({}))
}

/// A path of v1beta1; an error is the status for a path or method that is not known. Terminating and switching are paths
/// of their own here, no verbs behind a colon.
pub fn route(call: &Call, path: &str) -> Result<Answered, StatusCode> {
    let segments: Vec<&str> = path.split('/').collect();
    let method = &call.head.method;
    let verb = |id: &str| id.split_once(':').map(|(_, verb)| verb.to_owned()).unwrap_or_default();
    let allowed: &[Method] = match segments.as_slice() {
        ["auth"] => &[Method::GET],
        ["workflows" | "scheduledworkflows"]
        | ["runs", _, "terminate" | "retry"]
        | ["jobs", _, "enable" | "disable"] => &[Method::POST],
        ["experiments" | "runs" | "jobs"] => &[Method::GET, Method::POST],
        ["pipelines" | "pipeline_versions"] => &[Method::GET],
        ["jobs" | "pipelines" | "pipeline_versions", _] => &[Method::GET, Method::DELETE],
        ["experiments" | "runs", id] if ["archive", "unarchive"].contains(&verb(id).as_str()) => &[Method::POST],
        ["runs", id] if verb(id) == "reportMetrics" => &[Method::POST],
        ["experiments" | "runs", id] if verb(id).is_empty() => &[Method::GET, Method::DELETE],
        _ => return Err(StatusCode::NOT_FOUND),
    };
    if !allowed.contains(method) {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    Ok(match (segments.as_slice(), method == Method::GET) {
        (["auth"], _) => auth(call),
        (["workflows"], _) => reported::workflow(call),
        (["scheduledworkflows"], _) => reported::schedule(call),
        (["experiments"], true) => experiments::list(call),
        (["experiments"], false) => experiments::create(call),
        (["runs"], true) => runs::list(call),
        (["runs"], false) => runs::create(call),
        (["jobs"], true) => jobs::list(call),
        (["jobs"], false) => jobs::create(call),
        (["jobs", id], true) => jobs::get(call, id),
        (["jobs", id], false) => now::recurring::delete(call, id),
        (["jobs", id, verb], _) => now::recurring::switch(call, id, verb),
        (["pipelines"], _) => pipelines::list(call),
        (["pipelines", id], true) => pipelines::get(call, id),
        (["pipelines", id], false) => now::packages::delete(call, id),
        (["pipeline_versions"], _) => pipelines::versions(call),
        (["pipeline_versions", id], true) => pipelines::version(call, id),
        (["pipeline_versions", id], false) => now::packages::delete_version(call, id),
        (["experiments", id], true) => experiments::get(call, id),
        (["runs", id], true) => runs::get(call, id),
        (["runs", id, "terminate"], _) => now::runs::terminate(call, id),
        (["runs", id, "retry"], _) => now::runs::retry(call, id),
        ([kind, id], false) => match (*kind, id.split_once(':')) {
            ("experiments", None) => now::experiments::delete(call, id),
            ("experiments", Some((id, verb))) => now::experiments::store(call, id, verb),
            ("runs", None) => now::runs::delete(call, id),
            ("runs", Some((id, "reportMetrics"))) => reported::metrics(call, id),
            ("runs", Some((id, verb))) => now::runs::store(call, id, verb),
            _ => return Err(StatusCode::NOT_FOUND),
        },
        _ => return Err(StatusCode::NOT_FOUND),
    })
}
