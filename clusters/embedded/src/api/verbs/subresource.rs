//! Subresources that are not part of the object, and virtual resources.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use super::method_not_allowed;
use super::update::change;
use crate::access::{Attributes, reviews};
use crate::api::Status;
use crate::api::answer::Answer;
use crate::api::apply::{Operation, Writer, record_update};
use crate::api::call::{self, Call};
use crate::api::kinds::Resource;
use crate::api::patch as patches;
use crate::api::schema;
use crate::api::validate::{self, Problem};
use crate::controllers::owned::set_condition;
use crate::kubelet::streams;
use crate::object::{list, text};

/// Serves a subresource other than `status`.
pub(super) async fn dispatch(
    call: &Call,
    attributes: Attributes,
    request: Request<Body>,
    warnings: &mut Vec<String>,
) -> Result<Answer, Status> {
    let verb = attributes.verb.clone();
    match (call.route.subresource.as_str(), verb.as_str()) {
        ("token", "create") => {
            call.stored()?;
            review(call, attributes, request).await
        }
        ("log", "get") => Ok(Answer::Response(streams::logs(call.world.clone(), call.stored()?, request).await)),
        ("exec", "get" | "create") => {
            Ok(Answer::Response(streams::exec(call.world.clone(), call.stored()?, request).await))
        }
        ("attach", "get" | "create") => {
            Ok(Answer::Response(streams::attach(call.world.clone(), call.stored()?, request).await))
        }
        ("portforward", "get" | "create") => {
            Ok(Answer::Response(streams::port_forward(call.world.clone(), call.stored()?, request).await))
        }
        ("scale", "get") => Ok(Answer::Document(200, scale(call, &*call.stored()?)?)),
        ("scale", "update" | "patch") => set_scale(call, request, warnings).await,
        ("finalize", "update") => finalize(call, request, warnings).await,
        ("approval" | "ephemeralcontainers" | "resize", "get") => super::read::get(call),
        ("approval" | "ephemeralcontainers" | "resize", "update") => {
            super::update::update(call, request, warnings).await
        }
        ("approval" | "ephemeralcontainers" | "resize", "patch") => super::patch::patch(call, request, warnings).await,
        ("binding", "create") => bind(call, request, warnings).await,
        ("eviction", "create") => {
            let body = call::read_body(request).await?;
            let eviction = call::parse(&body, call.content_type(), "Eviction")?;
            let stored = call.stored()?;
            if text(&eviction, "/metadata/name") != call.route.name {
                return Err(Status::bad_request("name in URL does not match name in Eviction object"));
            }
            if !call.query.dry_run() && !list(&eviction, "/deleteOptions/dryRun").iter().any(|value| value == "All") {
                let key = call.resource.key(&call.route.namespace, text(&stored, "/metadata/name"));
                call.world.store.delete(&key).map_err(|_| call.not_found())?;
            }
            Ok(Answer::Document(201, success()))
        }
        _ => Err(method_not_allowed()),
    }
}

/// A resource that is answered, not stored.
pub(super) async fn review(call: &Call, attributes: Attributes, request: Request<Body>) -> Result<Answer, Status> {
    let body = call::read_body(request).await?;
    let kind = if call.route.subresource == "token" { "TokenRequest" } else { &call.resource.kind };
    let mut object = call::parse(&body, call.content_type(), kind)?;
    read_as_review(call, &mut object)?;
    own_review(call, &mut object);
    let answered = reviews::create(&call.world, &call.user, &attributes, object)?;
    Ok(Answer::Document(201, answered))
}

/// What is answered is read as strictly as what is stored.
fn read_as_review(call: &Call, object: &mut Value) -> Result<(), Status> {
    let resource = &call.resource;
    let (group, kind) = match call.route.subresource.as_str() {
        "token" => ("authentication.k8s.io", "TokenRequest"),
        _ => (resource.group.as_str(), resource.kind.as_str()),
    };
    if !object.is_object() {
        return Err(Status::bad_request("the body is not an object: expected a Kubernetes object"));
    }
    if let Some((_, of)) = schema::built_in_kind(group, "v1", kind)
        && let Some(why) = schema::conform(object, &of, kind, false).unreadable
    {
        return Err(Status::bad_request(format!("{kind} in version \"v1\" cannot be handled as a {kind}: {why}")));
    }
    object["apiVersion"] = json!(if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") });
    object["kind"] = json!(kind);
    Ok(())
}

/// Notes who asked, as of any other object that is created.
fn own_review(call: &Call, object: &mut Value) {
    let mut resource = Resource::clone(&call.resource);
    if call.route.subresource == "token" {
        (resource.group, resource.kind) = ("authentication.k8s.io".into(), "TokenRequest".into());
        if object["spec"].is_null() {
            object["spec"] = json!({});
        }
        if object["spec"].is_object() && object["spec"].get("expirationSeconds").is_none() {
            object["spec"]["expirationSeconds"] = json!(3600);
        }
    }
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    if resource.namespaced && !resource.stored {
        object["metadata"]["namespace"] = json!(call.route.namespace);
    }
    let writer = Writer { api_version: resource.api_version(), ..call.writer(Operation::Update) };
    record_update(&resource, None, object, &writer);
}

fn success() -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 })
}

/// Where a resource keeps its replica counts and its selector.
fn paths(call: &Call) -> (String, String, Option<String>) {
    let pointer = |path: &str| path.replace('.', "/");
    if let Some(definition) = &call.resource.definition {
        let version = definition.version(&call.resource.version).cloned().unwrap_or_default();
        let at = |key: &str| pointer(text(&version, &format!("/subresources/scale/{key}")));
        let selector = at("labelSelectorPath");
        return (at("specReplicasPath"), at("statusReplicasPath"), Some(selector).filter(|path| !path.is_empty()));
    }
    ("/spec/replicas".into(), "/status/replicas".into(), Some("/spec/selector".into()))
}

fn scale(call: &Call, object: &Value) -> Result<Value, Status> {
    let (wanted, current, selector) = paths(call);
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    let mut metadata = serde_json::Map::new();
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object["metadata"].get(key) {
            metadata.insert(key.into(), value.clone());
        }
    }
    let mut status = json!({ "replicas": number(&current) });
    let selector = selector.and_then(|path| object.pointer(&path)).map(selector_text).unwrap_or_default();
    if !selector.is_empty() {
        status["selector"] = json!(selector);
    }
    let replicas = number(&wanted);
    let spec = if replicas == 0 { json!({}) } else { json!({ "replicas": replicas }) };
    Ok(json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status,
    }))
}

/// A LabelSelector as text.
fn selector_text(selector: &Value) -> String {
    if let Some(text) = selector.as_str() {
        return text.into();
    }
    let labels = selector.get("matchLabels").unwrap_or(selector);
    let mut terms: Vec<(&str, String)> = labels
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), format!("{key}={}", value.as_str()?))))
        .collect();
    for expression in list(selector, "/matchExpressions") {
        let key = text(expression, "/key");
        let values: Vec<&str> = list(expression, "/values").iter().filter_map(Value::as_str).collect();
        let term = match text(expression, "/operator") {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        terms.push((key, term));
    }
    terms.sort();
    terms.into_iter().map(|(_, term)| term).collect::<Vec<_>>().join(",")
}

async fn set_scale(call: &Call, request: Request<Body>, warnings: &mut Vec<String>) -> Result<Answer, Status> {
    let kind =
        if call.method == http::Method::PATCH { Some(patches::Kind::of(call.content_type(), false)?) } else { None };
    let body = call::read_body(request).await?;
    let media_type = if kind.is_some() { "application/yaml" } else { call.content_type() };
    let sent = call::parse(&body, media_type, "Scale")?;
    let (wanted, ..) = paths(call);
    let changed = change(call, warnings, Operation::Update, None, |old| {
        let current = scale(call, old)?;
        let desired = match kind {
            Some(patches::Kind::Json) => patches::patched(patches::Kind::Json, &call.resource, &current, &sent)?,
            Some(_) => {
                let mut desired = current;
                json_patch::merge(&mut desired, &sent);
                desired
            }
            None => sent.clone(),
        };
        let named = text(&desired, "/metadata/name");
        if !named.is_empty() && named != call.route.name {
            return Err(Status::bad_request(format!(
                "the name of the object ({named}) does not match the name on the URL ({})",
                call.route.name
            )));
        }
        let replicas = desired.pointer("/spec/replicas").cloned().unwrap_or_else(|| json!(0));
        if replicas.as_i64().is_none_or(|replicas| replicas < 0) {
            let problem = Problem::invalid("spec.replicas", &replicas, "must be greater than or equal to 0");
            let scale =
                Resource { group: "autoscaling".into(), kind: "Scale".into(), ..Resource::clone(&call.resource) };
            return Err(validate::invalid(&scale, &call.route.name, &[problem]));
        }
        let mut new = old.clone();
        set(&mut new, &wanted, replicas);
        let version = text(&desired, "/metadata/resourceVersion");
        let patched = kind.is_some() && version == text(old, "/metadata/resourceVersion");
        if let Some(metadata) = new["metadata"].as_object_mut() {
            if version.is_empty() || patched {
                metadata.shift_remove("resourceVersion");
            } else {
                metadata.insert("resourceVersion".into(), json!(version));
            }
        }
        Ok(new)
    })
    .await?;
    Ok(Answer::Document(200, scale(call, &changed)?))
}

fn set(object: &mut Value, pointer: &str, value: Value) {
    let mut at = object;
    for key in pointer.split('/').filter(|key| !key.is_empty()) {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[key];
    }
    *at = value;
}

/// `PUT …/namespaces/NAME/finalize`: sets `spec.finalizers`; a leaving namespace without any is gone.
async fn finalize(call: &Call, request: Request<Body>, warnings: &mut Vec<String>) -> Result<Answer, Status> {
    let body = call::read_body(request).await?;
    let mut sent = call::parse(&body, call.content_type(), "Namespace")?;
    crate::api::decode::decode(call, &mut sent, None, warnings)?;
    let finalizers = sent.pointer("/spec/finalizers").cloned().unwrap_or_else(|| json!([]));
    let changed = change(call, warnings, Operation::Update, None, |old| {
        let mut new = old.clone();
        new["spec"]["finalizers"] = finalizers.clone();
        if let Some(metadata) = new["metadata"].as_object_mut() {
            metadata.shift_remove("resourceVersion");
        }
        Ok(new)
    })
    .await?;
    Ok(Answer::Object(200, changed))
}

/// `POST …/pods/NAME/binding`: a scheduler places the pod.
async fn bind(call: &Call, request: Request<Body>, warnings: &mut Vec<String>) -> Result<Answer, Status> {
    let body = call::read_body(request).await?;
    let binding = call::parse(&body, call.content_type(), "Binding")?;
    let kind = &binding["target"]["kind"];
    if kind.as_str().is_some_and(|kind| !matches!(kind, "" | "Node")) {
        let problem = Problem::unsupported("target.kind", kind, &[json!("Node"), json!("<empty>")]);
        return Err(Status::new(500, "", format!("{}: {}", problem.field, problem.message)));
    }
    let node = text(&binding, "/target/name").to_owned();
    change(call, warnings, Operation::Update, None, |old| {
        let bound = text(old, "/spec/nodeName");
        if !bound.is_empty() && bound != node {
            let why = format!("pod {} is already assigned to node \"{bound}\"", call.route.name);
            return Err(Status::conflict("", "pods/binding", &call.route.name, &why));
        }
        let mut new = old.clone();
        let mut conditions = list(old, "/status/conditions").to_vec();
        set_condition(&mut conditions, "PodScheduled", "True", "", "");
        new["status"]["conditions"] = json!(conditions);
        new["spec"]["nodeName"] = json!(node);
        if let Some(metadata) = new["metadata"].as_object_mut() {
            metadata.shift_remove("resourceVersion");
        }
        Ok(new)
    })
    .await?;
    Ok(Answer::Document(201, success()))
}
