//! `patch` of all four types.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use super::create::{self, identify};
use super::update::change;
use crate::api::answer::Answer;
use crate::api::apply::{self, Operation};
use crate::api::call::{self, Call};
use crate::api::decode::{decode, decode_applied, refused_patch};
use crate::api::{Status, patch as patches};
use crate::object::text;

/// `PATCH` of an object or of a subresource that is part of it.
pub(super) async fn patch(call: &Call, request: Request<Body>, warnings: &mut Vec<String>) -> Result<Answer, Status> {
    let kind = patches::Kind::of(call.content_type(), call.resource.definition.is_some())?;
    let body = call::read_body(request).await?;
    if kind == patches::Kind::Apply {
        return apply(call, &body, warnings).await;
    }
    let patch: Value = serde_json::from_slice(&body)
        .map_err(|error| Status::bad_request(format!("error decoding patch: {}", call::in_go(&error))))?;
    let changed = change(call, warnings, Operation::Update, Some(&patch), |old| {
        let mut new = patches::patched(kind, &call.resource, old, &patch)?;
        let (name, wanted) = (text(&new, "/metadata/name").to_owned(), &call.route.name);
        if name != *wanted {
            return Err(Status::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({wanted})"
            )));
        }
        // A patch cannot make another kind of an object.
        let (api_version, kind) = (text(&new, "/apiVersion"), text(&new, "/kind"));
        if api_version != call.resource.api_version() || kind != call.resource.kind {
            let why = format!("no kind \"{kind}\" is registered for version \"{api_version}\"");
            return Err(refused_patch(call, &patch, new, &why));
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
    let mut config = read_applied(body)?;
    let namespace = text(&config, "/metadata/namespace").to_owned();
    if config
        .pointer("/metadata/managedFields")
        .is_some_and(|managed| managed.as_array().is_some_and(|m| !m.is_empty()))
    {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    let (api_version, kind) = (text(&config, "/apiVersion"), text(&config, "/kind"));
    if api_version != call.resource.api_version() || kind != call.resource.kind {
        let named = if api_version.contains('/') { api_version.to_owned() } else { format!("/{api_version}") };
        return Err(Status::bad_request(format!("invalid object type: {named}, Kind={kind}")));
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
    decode_applied(call, &mut config, &namespace)?;
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

/// Reads what is applied: JSON or YAML, which says nothing if it is empty.
fn read_applied(body: &[u8]) -> Result<Value, Status> {
    let refused = |why: String| Status::bad_request(format!("error decoding YAML: {why}"));
    let config: Value = match serde_json::from_slice(body) {
        Ok(config) => config,
        Err(_) => {
            let text = std::str::from_utf8(body).map_err(|error| refused(error.to_string()))?;
            if text.trim().is_empty() {
                return Ok(json!({}));
            }
            serde_saphyr::from_str(text)
                .map_err(|error| refused(format!("error converting YAML to JSON: yaml: {error}")))?
        }
    };
    if config.is_object() {
        return Ok(config);
    }
    Err(refused(format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value of type \
         map[string]interface {{}}",
        call::type_name(&config)
    )))
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
