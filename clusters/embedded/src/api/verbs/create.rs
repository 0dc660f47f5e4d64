//! `create`.

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use super::names;
use crate::api::answer::Answer;
use crate::api::apply::{Operation, record_update};
use crate::api::call::{self, Call};
use crate::api::decode::decode;
use crate::api::kinds::Resource;
use crate::api::validate::{self, Problem};
use crate::api::{Status, admission};
use crate::object::text;
use crate::store::StoreError;

/// `POST` to a collection.
pub(super) async fn create(call: &Call, request: Request<Body>, warnings: &mut Vec<String>) -> Result<Answer, Status> {
    let body = call::read_body(request).await?;
    let mut object = call::parse(&body, call.content_type(), &call.resource.kind)?;
    identify(call, &mut object)?;
    decode(call, &mut object, None, warnings)?;
    let metadata = &object["metadata"];
    if metadata["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
        return Err(Status::new(500, "", "resourceVersion should not be set on objects to be created"));
    }
    let named = !text(&object, "/metadata/name").is_empty();
    let base = text(&object, "/metadata/generateName").to_owned();
    if !named && base.is_empty() {
        let problem = Problem::required("metadata.name", "name or generateName is required");
        return Err(validate::invalid(&call.resource, "", &[problem]));
    }
    // A generated name that is taken is made again, as Kubernetes does since 1.30.
    for _ in 0..8 {
        if !named {
            object["metadata"]["name"] = json!(names::generated(&base));
        }
        let mut tried = object.clone();
        forget_what_is_set_here(&mut tried);
        record(call, &mut tried);
        match create_object(call, tried, warnings).await {
            Err(status) if status.reason == "AlreadyExists" && !named => {}
            other => return other.map(|created| Answer::Object(201, created)),
        }
    }
    let name = text(&object, "/metadata/name");
    Err(Status::already_exists(&call.resource.group, &call.resource.plural, name))
}

/// What the server itself sets is taken from nobody.
fn forget_what_is_set_here(object: &mut Value) {
    let Some(metadata) = object["metadata"].as_object_mut() else { return };
    for set_here in ["uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "selfLink"] {
        metadata.remove(set_here);
    }
    metadata.remove("deletionGracePeriodSeconds");
}

fn record(call: &Call, object: &mut Value) {
    record_update(&call.resource, None, object, &call.writer(Operation::Update));
}

/// Checks that a posted or put object is of the kind and namespace that its path names, and fills in what it leaves out.
///
/// # Errors
/// 400.
pub(super) fn identify(call: &Call, object: &mut Value) -> Result<(), Status> {
    let resource = &call.resource;
    if !object.is_object() {
        return Err(Status::bad_request("the body is not an object: expected a Kubernetes object"));
    }
    let (api_version, kind) = (text(object, "/apiVersion").to_owned(), text(object, "/kind").to_owned());
    let wanted = resource.api_version();
    if resource.definition.is_none() && !kind.is_empty() && kind != resource.kind {
        return Err(Status::bad_request(format!(
            "{kind} in version \"{}\" cannot be handled as a {}: no kind \"{kind}\" is registered here for version \"{api_version}\"",
            resource.version, resource.kind,
        )));
    }
    if !api_version.is_empty() && api_version != wanted {
        return Err(Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({wanted})"
        )));
    }
    if resource.definition.is_some() {
        custom_kind(call, object, &kind)?;
    }
    object["apiVersion"] = json!(wanted);
    object["kind"] = json!(resource.kind);
    match &object["metadata"] {
        Value::Object(_) => {}
        Value::Null => object["metadata"] = json!({}),
        _ => {
            let kind = &resource.kind;
            return Err(Status::bad_request(format!(
                "{kind} in version \"{}\" cannot be handled as a {kind}: json: cannot unmarshal {} into Go struct field \
                 {kind}.metadata of type v1.ObjectMeta",
                resource.version,
                call::type_name(&object["metadata"]),
            )));
        }
    }
    let namespace = text(object, "/metadata/namespace").to_owned();
    if resource.namespaced {
        if !namespace.is_empty() && namespace != call.route.namespace {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        object["metadata"]["namespace"] = json!(call.route.namespace);
    } else if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("namespace");
    }
    Ok(())
}

/// A custom resource must name its kind, the right one.
fn custom_kind(call: &Call, object: &Value, kind: &str) -> Result<(), Status> {
    let resource = &call.resource;
    if kind.is_empty() {
        let shown = object.to_string();
        let start: String = shown.chars().take(30).collect();
        let more = if shown.len() > 30 { " ..." } else { "" };
        return Err(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): Object 'Kind' is missing in '{shown}' ({start}{more})",
            resource.kind
        )));
    }
    if kind != resource.kind {
        let problem = Problem::invalid("kind", &json!(kind), &format!("must be {}", resource.kind));
        let sent = Resource { kind: kind.to_owned(), ..Resource::clone(resource) };
        return Err(validate::invalid(&sent, text(object, "/metadata/name"), &[problem]));
    }
    Ok(())
}

/// Admits and stores a new object whose identity is settled.
///
/// # Errors
/// What admission, validation or the store refuse.
pub async fn create_object(call: &Call, mut object: Value, warnings: &mut Vec<String>) -> Result<Arc<Value>, Status> {
    let name = text(&object, "/metadata/name").to_owned();
    names::check(&call.resource, &name)?;
    forget_what_is_set_here(&mut object);
    admission::admit(call, None, &mut object, warnings).await?;
    validate::check(&call.resource, None, &object, "")?;
    let key = call.resource.key(&call.route.namespace, &name);
    if call.query.dry_run() {
        if call.world.store.get(&key).is_some() {
            return Err(Status::already_exists(&call.resource.group, &call.resource.plural, &name));
        }
        object["metadata"]["uid"] = json!(uuid::Uuid::new_v4().to_string());
        object["metadata"]["creationTimestamp"] = json!(crate::store::now());
        return Ok(Arc::new(object));
    }
    call.world.store.create(&key, object).map_err(|error| match error {
        StoreError::Exists(_) => Status::already_exists(&call.resource.group, &call.resource.plural, &name),
        other => Status::internal(other),
    })
}
