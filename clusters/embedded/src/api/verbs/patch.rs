//! `patch` of all four types.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use super::create::{self, identify};
use super::update::change;
use crate::api::answer::Answer;
use crate::api::apply::{self, Operation};
use crate::api::call::{self, Call};
use crate::api::decode::{decode, decode_applied};
use crate::api::{Status, patch as patches};
use crate::object::text;

/// `PATCH` of an object or of a subresource that is part of it.
pub(super) async fn patch(call: &Call, request: Request<Body>, warnings: &mut Vec<String>) -> Result<Answer, Status> {
    let kind = patches::Kind::of(call.content_type(), call.resource.definition.is_some())?;
    let body = call::read_body(request).await?;
    if kind == patches::Kind::Apply {
        return apply(call, &body, warnings).await;
    }
    let patch = call::parse(&body, "application/json")?;
    let changed = change(call, warnings, Operation::Update, Some(&patch), |old| {
        let mut new = patches::patched(kind, &call.resource, old, &patch)?;
        let (name, wanted) = (text(&new, "/metadata/name").to_owned(), &call.route.name);
        if name != *wanted {
            return Err(Status::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({wanted})"
            )));
        }
        // Only a version that the patch itself names is a precondition.
        if new["metadata"]["resourceVersion"] == old["metadata"]["resourceVersion"]
            && let Some(metadata) = new["metadata"].as_object_mut()
        {
            metadata.shift_remove("resourceVersion");
        }
        Ok(new)
    })
    .await?;
    Ok(Answer::Object(200, changed))
}

/// Server-side apply: creates the object if it is not there.
async fn apply(call: &Call, body: &[u8], warnings: &mut Vec<String>) -> Result<Answer, Status> {
    if call.query.get("fieldManager").is_none() {
        return Err(required_manager());
    }
    let mut config = call::parse(body, "application/yaml")?;
    if config
        .pointer("/metadata/managedFields")
        .is_some_and(|managed| managed.as_array().is_some_and(|m| !m.is_empty()))
    {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    identify(call, &mut config)?;
    if text(&config, "/metadata/name").is_empty() {
        config["metadata"]["name"] = json!(call.route.name);
    }
    if text(&config, "/metadata/name") != call.route.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            text(&config, "/metadata/name"),
            call.route.name
        )));
    }
    decode_applied(call, &mut config, warnings)?;
    let writer = call.writer(Operation::Apply);
    let force = call.query.is("force");
    if call.stored().is_err() {
        if !call.route.subresource.is_empty() {
            return Err(call.not_found());
        }
        let mut object = apply::apply(&call.resource, &Value::Null, &config, &writer, force)?;
        decode(call, &mut object, None, warnings)?;
        match create::create_object(call, object, warnings).await {
            // Somebody was faster: apply to what is there now.
            Err(status) if status.reason == "AlreadyExists" => {}
            other => return other.map(|created| Answer::Object(201, created)),
        }
    }
    let make = |old: &Value| {
        let old = crate::api::answer::in_version(&call.resource, old);
        let mut new = apply::apply(&call.resource, &old, &config, &writer, force)?;
        match config["metadata"].get("resourceVersion") {
            Some(version) => new["metadata"]["resourceVersion"] = version.clone(),
            None => drop(new["metadata"].as_object_mut().map(|metadata| metadata.shift_remove("resourceVersion"))),
        }
        Ok(new)
    };
    let changed = change(call, warnings, Operation::Apply, None, make).await?;
    Ok(Answer::Object(200, changed))
}

fn required_manager() -> Status {
    let message = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
    Status::new(422, "Invalid", message).with_details(json!({
        "group": "meta.k8s.io", "kind": "PatchOptions",
        "causes": [{
            "reason": "FieldValueRequired", "field": "fieldManager",
            "message": "Required value: is required for apply patch",
        }],
    }))
}
