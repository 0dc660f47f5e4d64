//! `get` and `list`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::api::Status;
use crate::api::answer::{Answer, Listed};
use crate::api::call::Call;
use crate::api::selector::Selector;
use crate::object;

/// One object.
pub(super) fn get(call: &Call) -> Result<Answer, Status> {
    Ok(Answer::Object(200, call.stored()?))
}

/// The selector of a list, watch or deletecollection.
pub(super) fn selector(call: &Call) -> Result<Selector, Status> {
    let extra: Vec<String> = call.resource.definition.as_ref().map_or_else(Vec::new, |definition| {
        let version = definition.version(&call.resource.version).cloned().unwrap_or_default();
        let paths = object::list(&version, "/selectableFields").iter();
        paths.map(|field| object::text(field, "/jsonPath").to_owned()).collect()
    });
    let (labels, fields) = (call.query.get("labelSelector"), call.query.get("fieldSelector"));
    Selector::parse(labels, fields, &call.resource.plural, &extra)
}

/// The objects of a collection.
pub(super) fn list(call: &Call) -> Result<Answer, Status> {
    let selector = selector(call)?;
    check_revision(call)?;
    let resource = &call.resource;
    let namespace = Some(call.route.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let (mut revision, mut items) = call.world.store.list_at(&resource.kept_as, &resource.plural, namespace);
    if !selector.is_empty() {
        items.retain(|object| selector.matches(object));
    }
    if let Some(token) = call.query.get("continue") {
        let (at, start) = read_token(token)?;
        revision = at;
        let from = items.partition_point(|object| place(object) <= start);
        items.drain(..from);
    }
    let limit = call.query.number("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0);
    let (mut proceed, mut remaining) = (None, None);
    if limit > 0 && items.len() > limit {
        // Kubernetes does not count what a selector hides.
        remaining = selector.is_empty().then_some(items.len() - limit);
        items.truncate(limit);
        proceed = items.last().map(|last| token(revision, &place(last)));
    }
    Ok(Answer::List(Listed { items, revision, proceed, remaining }))
}

/// A `resourceVersion` of a list must be a number, and one of the past if it must match exactly.
fn check_revision(call: &Call) -> Result<(), Status> {
    let how = call.query.get("resourceVersionMatch");
    let Some(version) = call.query.get("resourceVersion") else {
        return match how {
            None => Ok(()),
            Some(_) => Err(invalid_options("resourceVersionMatch is forbidden unless resourceVersion is provided")),
        };
    };
    let Ok(version) = version.parse::<u64>() else {
        return Err(invalid_version(version));
    };
    if let Some(how) = how.filter(|how| !matches!(*how, "Exact" | "NotOlderThan")) {
        return Err(invalid_options(&format!("resourceVersionMatch: Unsupported value: \"{how}\"")));
    }
    if version > call.world.store.revision() {
        return Err(too_large(version, call.world.store.revision()));
    }
    Ok(())
}

fn invalid_options(why: &str) -> Status {
    Status::new(422, "Invalid", format!("ListOptions.meta.k8s.io \"\" is invalid: {why}"))
        .with_details(json!({ "group": "meta.k8s.io", "kind": "ListOptions" }))
}

/// 400 for a `resourceVersion` that is no number.
pub(super) fn invalid_version(version: &str) -> Status {
    Status::bad_request(format!(
        "invalid resource version \"{version}\": strconv.ParseUint: parsing \"{version}\": invalid syntax"
    ))
}

/// 504 for a `resourceVersion` of the future.
fn too_large(wanted: u64, current: u64) -> Status {
    Status::new(504, "Timeout", format!("Timeout: Too large resource version: {wanted}, current: {current}"))
        .with_details(json!({
            "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
            "retryAfterSeconds": 1,
        }))
}

fn place(object: &Value) -> String {
    format!("{}/{}", object::namespace(object), object::name(object))
}

fn token(revision: u64, start: &str) -> String {
    URL_SAFE_NO_PAD.encode(json!({ "v": "meta.k8s.io/v1", "rv": revision, "start": start }).to_string())
}

fn read_token(token: &str) -> Result<(u64, String), Status> {
    let read = || -> Option<(u64, String)> {
        let text = URL_SAFE_NO_PAD.decode(token).ok()?;
        let token: Value = serde_json::from_slice(&text).ok()?;
        Some((token["rv"].as_u64()?, token["start"].as_str()?.to_owned()))
    };
    read().ok_or_else(|| Status::bad_request("continue key is not valid: encoding is not recognised"))
}
