//! `delete` and `deletecollection`.

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use super::read;
use crate::api::answer::{Answer, Listed};
use crate::api::call::{self, Call};
use crate::api::validate::Problem;
use crate::api::{Status, crd, options};
use crate::object::{list, name, namespace, text, uid};

/// What a deletion asks for: body and query say the same things.
#[derive(Debug, Default)]
struct Options {
    propagation: Option<String>,
    uid: Option<String>,
    version: Option<String>,
    grace: Option<i64>,
    dry_run: bool,
}

impl Options {
    async fn read(call: &Call, request: Request<Body>) -> Result<Self, Status> {
        let body = call::read_body(request).await?;
        let document = if body.is_empty() {
            Value::Null
        } else {
            call::parse(&body, call.content_type(), "DeleteOptions").map_err(|status| match status.code {
                // The decoder's complaint, without a reason.
                400 => {
                    let why = status.message.split_once("): ").map_or("", |(_, why)| why);
                    Status::new(500, "", why.rsplit_once(" (").map_or(why, |(why, _)| why))
                }
                _ => status,
            })?
        };
        let dry: Vec<String> = list(&document, "/dryRun").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        if let Some(problem) = options::dry_run(&dry) {
            return Err(options::invalid("DeleteOptions", &[problem]));
        }
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let mut options = Self {
            propagation: text("/propagationPolicy").or_else(|| call.query.get("propagationPolicy").map(str::to_owned)),
            uid: text("/preconditions/uid"),
            version: text("/preconditions/resourceVersion"),
            grace: document.get("gracePeriodSeconds").and_then(Value::as_i64),
            dry_run: call.query.dry_run() || list(&document, "/dryRun").iter().any(|value| value == "All"),
        };
        if options.grace.is_none() {
            options.grace = call.query.get("gracePeriodSeconds").and_then(|seconds| seconds.parse().ok());
        }
        if let (Some(_), Some(policy)) = (document["orphanDependents"].as_bool(), &options.propagation) {
            let rule = "orphanDependents and deletionPropagation cannot be both set";
            let problem = Problem::invalid("propagationPolicy", &json!(policy), rule);
            return Err(options::invalid("DeleteOptions", &[problem]));
        }
        match (document["orphanDependents"].as_bool(), &options.propagation) {
            (Some(true), None) => options.propagation = Some("Orphan".into()),
            (Some(false), None) => options.propagation = Some("Background".into()),
            _ => {}
        }
        match options.propagation.as_deref() {
            None | Some("Orphan" | "Background" | "Foreground") => Ok(options),
            Some(other) => {
                let supported = ["Foreground", "Background", "Orphan", "nil"].map(|policy| json!(policy));
                let problem = Problem::unsupported("propagationPolicy", &json!(other), &supported);
                Err(options::invalid("DeleteOptions", &[problem]))
            }
        }
    }
}

/// `DELETE` of one object.
pub(super) async fn delete(call: &Call, request: Request<Body>) -> Result<Answer, Status> {
    let options = Options::read(call, request).await?;
    let wanted = &call.route.name;
    let immortal = matches!(wanted.as_str(), "default" | "kube-system" | "kube-public");
    if immortal && call.resource.plural == "namespaces" && call.resource.group.is_empty() {
        return Err(Status::forbidden("", "namespaces", wanted, "this namespace may not be deleted"));
    }
    let (object, gone) = delete_object(call, &call.stored()?, &options)?;
    let returned = matches!(call.resource.plural.as_str(), "pods" | "services" | "persistentvolumeclaims" | "serviceaccounts" | "persistentvolumes" | "podtemplates" | "resourcequotas" | "replicationcontrollers" if call.resource.group.is_empty());
    if gone && call.resource.plural == "pods" && call.resource.group.is_empty() {
        // It had no time left.
        let mut object = Value::clone(&object);
        object["metadata"]["deletionTimestamp"] = json!(crate::store::now());
        object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        return Ok(Answer::Object(200, Arc::new(object)));
    }
    if !gone || returned {
        return Ok(Answer::Object(200, object));
    }
    let mut details = json!({ "name": name(&object), "kind": call.resource.plural, "uid": uid(&object) });
    if !call.resource.group.is_empty() {
        details["group"] = json!(call.resource.group);
    }
    Ok(Answer::Document(
        200,
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details }),
    ))
}

/// `DELETE` of a collection; the objects that were there are returned.
pub(super) async fn collection(call: &Call, request: Request<Body>) -> Result<Answer, Status> {
    let options = Options::read(call, request).await?;
    let selector = read::selector(call)?;
    let within = Some(call.route.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let store = &call.world.store;
    let (revision, mut items) = store.list_at(&call.resource.kept_as, &call.resource.plural, within);
    items.retain(|object| selector.matches(object));
    for object in &items {
        match delete_object(call, object, &options) {
            Err(status) if status.code != 404 => return Err(status),
            _ => {}
        }
    }
    Ok(Answer::List(Listed { items, revision, proceed: None, remaining: None }))
}

/// Deletes one object; returns it as it is afterwards, and whether it is gone.
fn delete_object(call: &Call, object: &Arc<Value>, options: &Options) -> Result<(Arc<Value>, bool), Status> {
    let resource = &call.resource;
    let conflict = |what: &str, wanted: &str, found: &str| {
        let happened = if what == "UID" { "deleted and then recreated" } else { "modified" };
        let why = format!(
            "the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). The object might have \
             been {happened}"
        );
        Status::conflict(&resource.group, &resource.kind, name(object), &why)
    };
    if let Some(wanted) = options.uid.as_deref().filter(|wanted| *wanted != uid(object)) {
        return Err(conflict("UID", wanted, uid(object)));
    }
    let version = text(object, "/metadata/resourceVersion");
    if let Some(wanted) = options.version.as_deref().filter(|wanted| *wanted != version) {
        return Err(conflict("ResourceVersion", wanted, version));
    }
    let missing = |_| Status::not_found(&resource.group, &resource.plural, name(object));
    if options.dry_run {
        return Ok((object.clone(), list(object, "/metadata/finalizers").is_empty()));
    }
    let key = resource.key(namespace(object), name(object));
    let finalizer = match options.propagation.as_deref() {
        Some("Foreground") => Some("foregroundDeletion"),
        Some("Orphan") => Some("orphan"),
        _ if resource.group == crd::GROUP && resource.plural == crd::PLURAL => Some(crd::CLEANUP),
        _ => None,
    };
    if let Some(finalizer) = finalizer {
        call.world
            .store
            .update(&key, None, |object| {
                if !object["metadata"]["finalizers"].is_array() {
                    object["metadata"]["finalizers"] = json!([]);
                }
                let Some(finalizers) = object["metadata"]["finalizers"].as_array_mut() else { return false };
                let absent = !finalizers.iter().any(|known| known == finalizer);
                if absent {
                    finalizers.push(json!(finalizer));
                }
                absent
            })
            .map_err(missing)?;
    }
    call.world.store.delete(&key).map_err(missing)
}
