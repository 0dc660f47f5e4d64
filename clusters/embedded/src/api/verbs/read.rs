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
    if let Some(version) = call.query.get("resourceVersion").filter(|version| version.parse::<u64>().is_err()) {
        return Err(invalid_version(version));
    }
    Ok(Answer::Object(200, call.stored()?))
}

/// The selector of a list, watch or deletecollection.
pub(super) fn selector(call: &Call) -> Result<Selector, Status> {
    let extra: Option<Vec<String>> = call.resource.definition.as_ref().map(|definition| {
        let version = definition.version(&call.resource.version).cloned().unwrap_or_default();
        let paths = object::list(&version, "/selectableFields").iter();
        paths.map(|field| object::text(field, "/jsonPath").to_owned()).collect()
    });
    let (labels, fields) = (call.query.get("labelSelector"), call.query.get("fieldSelector"));
    Selector::parse(labels, fields, &call.resource.plural, extra.as_deref())
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
    let Some(version) = call.query.get("resourceVersion") else { return Ok(()) };
    let Ok(version) = version.parse::<u64>() else {
        return Err(Status::bad_request(format!("invalid resource version: {}", no_version(version))));
    };
    if version > 0 && call.query.get("continue").is_some() {
        return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
    }
    if version > call.world.store.revision() {
        return Err(too_large(version, call.world.store.revision()));
    }
    Ok(())
}

/// What is wrong with a `resourceVersion` that is no number.
fn no_version(version: &str) -> String {
    format!("resourceVersion: Invalid value: \"{version}\": strconv.ParseUint: parsing \"{version}\": invalid syntax")
}

/// 500, as Kubernetes answers for a `resourceVersion` of a get or a watch that is no number.
pub(super) fn invalid_version(version: &str) -> Status {
    Status::new(500, "", no_version(version))
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
    read().ok_or_else(|| {
        let why = "invalid continue token: continue key is not valid: illegal base64 data at input byte 0";
        Status::bad_request(why)
    })
}
