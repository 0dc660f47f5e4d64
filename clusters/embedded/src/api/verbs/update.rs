//! `update`, and the part of every change of an existing object that is the same for `update`, `patch` and `apply`.

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use super::create::identify;
use crate::api::answer::Answer;
use crate::api::apply::{Operation, record_update};
use crate::api::call::{self, Call};
use crate::api::decode::decode;
use crate::api::validate::Problem;
use crate::api::{Status, admission, validate};
use crate::object::text;
use crate::store::StoreError;

/// How often a change without a `resourceVersion` is tried against a moving object.
const TRIES: usize = 5;
/// Kubernetes' sentence for a stale `resourceVersion`.
const STALE: &str = "the object has been modified; please apply your changes to the latest version and try again";

/// `PUT` of an object or of its status.
pub(super) async fn update(call: &Call, request: Request<Body>, warnings: &mut Vec<String>) -> Result<Answer, Status> {
    let body = call::read_body(request).await?;
    let mut object = call::parse(&body, call.content_type(), &call.resource.kind)?;
    identify(call, &mut object)?;
    let name = text(&object, "/metadata/name").to_owned();
    let wanted = &call.route.name;
    if name.is_empty() {
        let message =
            format!("the name of the object ({wanted} based on URL) was undeterminable: name must be provided");
        return Err(Status::bad_request(message));
    }
    if name != *wanted {
        let message = format!("the name of the object ({name}) does not match the name on the URL ({wanted})");
        return Err(Status::bad_request(message));
    }
    check_version(call, &object)?;
    let changed = change(call, warnings, Operation::Update, None, |_| Ok(object.clone())).await?;
    Ok(Answer::Object(200, changed))
}

/// A `resourceVersion` is a number, and a custom resource cannot be put without one.
fn check_version(call: &Call, object: &Value) -> Result<(), Status> {
    let version = text(object, "/metadata/resourceVersion");
    if version.parse::<u64>().is_err() && !version.is_empty() {
        return Err(Status::new(500, "", format!("strconv.ParseUint: parsing \"{version}\": invalid syntax")));
    }
    let resource = &call.resource;
    if version.is_empty() && resource.definition.is_some() && call.route.subresource.is_empty() {
        call.stored()?;
        let problem = Problem::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
        let message = format!(
            "{} \"{}\" is invalid: {}: {}",
            resource.qualified(),
            call.route.name,
            problem.field,
            problem.message
        );
        return Err(Status::new(422, "Invalid", message).with_details(json!({
            "name": call.route.name, "group": resource.group, "kind": resource.plural, "causes": [problem.cause()],
        })));
    }
    Ok(())
}

/// Replaces the stored object by what `make` makes of it. `make` is called again if the object moved meanwhile, unless
/// what it made names a `resourceVersion`.
///
/// # Errors
/// What `make`, admission or validation refuse; 409.
pub(super) async fn change(
    call: &Call,
    warnings: &mut Vec<String>,
    operation: Operation,
    patch: Option<&Value>,
    make: impl Fn(&Value) -> Result<Value, Status>,
) -> Result<Arc<Value>, Status> {
    let key = call.resource.key(&call.route.namespace, &call.route.name);
    for _ in 0..TRIES {
        let old = call.stored()?;
        let mut new = make(&old)?;
        decode(call, &mut new, patch, warnings)?;
        let given = text(&new, "/metadata/resourceVersion").to_owned();
        let stored = text(&old, "/metadata/resourceVersion").to_owned();
        if !given.is_empty() && given != stored {
            return Err(conflict(call, STALE));
        }
        keep_identity(call, &old, &mut new, operation)?;
        only_the_addressed_part(call, &old, &mut new);
        admission::admit(call, Some(&old), &mut new, warnings).await?;
        validate::check(&call.resource, Some(&old), &new, &call.route.subresource)?;
        if operation == Operation::Update {
            record_update(&call.resource, Some(&old), &mut new, &call.writer(operation));
        }
        if same_but_for_times(&old, &new) {
            return Ok(old);
        }
        if call.query.dry_run() {
            return Ok(Arc::new(new));
        }
        let expected = Some(stored.as_str());
        match call.world.store.update(&key, expected, |object| replace(object, new)) {
            Ok(updated) => return Ok(updated),
            Err(StoreError::Conflict(_)) if given.is_empty() => {}
            Err(StoreError::Conflict(_)) => return Err(conflict(call, STALE)),
            Err(StoreError::Missing(_)) => return Err(call.not_found()),
            Err(error) => return Err(Status::internal(error)),
        }
    }
    Err(conflict(call, STALE))
}

/// Whether a change changes nothing: then nothing is written, and managers keep their times (apiserver
/// `pkg/endpoints/handlers/fieldmanager/equality.go`, `IgnoreManagedFieldsTimestampsTransformer`).
fn same_but_for_times(old: &Value, new: &Value) -> bool {
    let comparable = |object: &Value| {
        let mut object = object.clone();
        let managers = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
        for manager in managers.into_iter().flatten().filter_map(Value::as_object_mut) {
            manager.shift_remove("time");
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.shift_remove("resourceVersion");
        }
        object
    };
    comparable(old) == comparable(new)
}

fn replace(object: &mut Value, new: Value) -> bool {
    *object = new;
    true
}

fn conflict(call: &Call, why: &str) -> Status {
    Status::conflict(&call.resource.group, &call.resource.plural, &call.route.name, why)
}

/// What a change cannot touch is taken from the stored object (`rest.BeforeUpdate`).
fn keep_identity(call: &Call, old: &Value, new: &mut Value, operation: Operation) -> Result<(), Status> {
    let sent = text(new, "/metadata/uid");
    let uid = text(old, "/metadata/uid");
    if !sent.is_empty() && sent != uid {
        if call.method == http::Method::PATCH {
            let problem = Problem::invalid("metadata.uid", &json!(sent), "field is immutable");
            return Err(validate::invalid(&call.resource, &call.route.name, &[problem]));
        }
        let route = &call.route;
        let key = [&call.resource.group, &call.resource.plural, &route.namespace, &route.name];
        let custom = call.resource.definition.is_some();
        let key: Vec<&str> = key[usize::from(!custom)..].iter().map(|part| part.as_str()).collect();
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{}, ResourceVersion: 0, AdditionalErrorMsg: \
             Precondition failed: UID in precondition: {sent}, UID in object meta: {uid}",
            key.join("/")
        );
        return Err(conflict(call, &why));
    }
    if !new["metadata"].is_object() {
        new["metadata"] = json!({});
    }
    // An apply has settled who manages what.
    let sent_managers = operation == Operation::Apply || new.pointer("/metadata/managedFields").is_some();
    let Some(metadata) = new["metadata"].as_object_mut() else { return Ok(()) };
    for kept in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
        "generateName",
        "selfLink",
    ] {
        match old["metadata"].get(kept) {
            Some(value) => metadata.insert(kept.into(), value.clone()),
            None => metadata.shift_remove(kept),
        };
    }
    if !sent_managers && let Some(managers) = old["metadata"].get("managedFields") {
        metadata.insert("managedFields".into(), managers.clone());
    }
    Ok(())
}

/// The main resource leaves `status` alone, the status subresource all else.
fn only_the_addressed_part(call: &Call, old: &Value, new: &mut Value) {
    // A binding says where a pod runs and that it was placed: both parts.
    if !call.resource.has("status") || call.route.subresource == "binding" {
        return;
    }
    if call.route.subresource == "status" {
        let mut whole = old.clone();
        match new.get("status") {
            Some(status) => whole["status"] = status.clone(),
            None => drop(whole.as_object_mut().map(|map| map.shift_remove("status"))),
        }
        whole["metadata"]["managedFields"] = new["metadata"]["managedFields"].clone();
        if whole["metadata"]["managedFields"].is_null()
            && let Some(metadata) = whole["metadata"].as_object_mut()
        {
            metadata.shift_remove("managedFields");
        }
        *new = whole;
        return;
    }
    match old.get("status") {
        Some(status) => new["status"] = status.clone(),
        None => drop(new.as_object_mut().map(|map| map.shift_remove("status"))),
    }
}
