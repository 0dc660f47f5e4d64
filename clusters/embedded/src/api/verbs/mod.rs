//! The verbs of the API, one file each.

mod create;
mod delete;
mod names;
mod patch;
mod read;
mod subresource;
mod update;
mod watch;

use axum::body::Body;
use http::Request;

use super::Status;
use super::answer::Answer;
use super::call::Call;
use crate::access::Attributes;

pub use create::create_object;
pub use names::label as label_rule;

/// Serves a request about a resource.
///
/// # Errors
/// The refusal.
pub async fn dispatch(
    call: &Call,
    attributes: Attributes,
    request: Request<Body>,
    warnings: &mut Vec<String>,
) -> Result<Answer, Status> {
    let verb = attributes.verb.clone();
    if !call.route.subresource.is_empty() && !call.resource.has(&call.route.subresource) {
        return Err(if call.resource.definition.is_some() { call.not_found() } else { Status::no_such_path() });
    }
    if call.method == http::Method::HEAD {
        return Err(method_not_allowed());
    }
    if !call.resource.stored {
        return match verb.as_str() {
            "create" => subresource::review(call, attributes, request).await,
            _ => Err(method_not_allowed()),
        };
    }
    match (verb.as_str(), call.route.subresource.as_str()) {
        ("update" | "patch", _) if call.route.name.is_empty() => Err(method_not_allowed()),
        (_, sub) if !matches!(sub, "" | "status") => subresource::dispatch(call, attributes, request, warnings).await,
        ("get", _) => read::get(call),
        ("list", "") => read::list(call),
        ("watch", "") => watch::watch(call),
        // A namespaced object is made in its namespace, and namespaces go one by one.
        ("create", "") if call.resource.namespaced && call.route.namespace.is_empty() => Err(method_not_allowed()),
        ("deletecollection", "") if call.resource.plural == "namespaces" => Err(method_not_allowed()),
        ("create", "") if call.route.name.is_empty() => create::create(call, request, warnings).await,
        ("update", _) => update::update(call, request, warnings).await,
        ("patch", _) => patch::patch(call, request, warnings).await,
        ("delete", "") => delete::delete(call, request).await,
        ("deletecollection", "") => delete::collection(call, request).await,
        _ => Err(method_not_allowed()),
    }
}

/// 405.
#[must_use]
pub fn method_not_allowed() -> Status {
    let message = "the server does not allow this method on the requested resource";
    Status::new(405, "MethodNotAllowed", message).with_details(serde_json::json!({}))
}
