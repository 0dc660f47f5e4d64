//! From what was sent to an object of its kind: types, unknown fields, defaults.

use serde_json::{Value, json};

use super::call::Call;
use super::validate::Problem;
use super::{Status, defaults, schema};

/// How many warnings an answer carries at most.
const WARNINGS: usize = 20;

/// What to do about unknown fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Validation {
    Ignore,
    Warn,
    Strict,
}

impl Validation {
    fn wanted(call: &Call) -> Result<Self, Status> {
        match call.query.get("fieldValidation") {
            None | Some("Warn") => Ok(Self::Warn),
            Some("Ignore") => Ok(Self::Ignore),
            Some("Strict") => Ok(Self::Strict),
            Some(other) => {
                let options = match call.method.as_str() {
                    "POST" => "CreateOptions",
                    "PATCH" => "PatchOptions",
                    _ => "UpdateOptions",
                };
                let problem = Problem::unsupported(
                    "fieldValidation",
                    &json!(other),
                    &[json!("Ignore"), json!("Strict"), json!("Warn")],
                );
                let message = format!("{options}.meta.k8s.io \"\" is invalid: {}: {}", problem.field, problem.message);
                Err(Status::new(422, "Invalid", message)
                    .with_details(json!({ "group": "meta.k8s.io", "kind": options })))
            }
        }
    }
}

/// Reads an object as its kind and fills in what it leaves out. `patch` is the patch that made it, if one did.
///
/// # Errors
/// 400 for a value of a wrong type, and for unknown fields if the client is strict (422 if a patch brought them).
pub fn decode(
    call: &Call,
    object: &mut Value,
    patch: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Result<(), Status> {
    let validation = Validation::wanted(call)?;
    let (resource, kind) = (&call.resource, &call.resource.kind);
    let schema = schema::of(resource);
    let problems = schema::conform(object, &schema, kind, resource.definition.is_some());
    let handled =
        |why: &str| format!("{kind} in version \"{}\" cannot be handled as a {kind}: {why}", resource.version);
    if let Some(unreadable) = problems.unreadable {
        return Err(Status::bad_request(handled(&unreadable)));
    }
    if !problems.unknown.is_empty() {
        let unknown: Vec<String> = problems.unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
        match (validation, patch) {
            (Validation::Ignore, _) => {}
            (Validation::Warn, _) => {
                warnings.extend(unknown);
                warnings.truncate(WARNINGS);
            }
            (Validation::Strict, None) => {
                return Err(Status::bad_request(handled(&format!("strict decoding error: {}", unknown.join(", ")))));
            }
            (Validation::Strict, Some(patch)) => {
                let rule = format!("strict decoding error: {}", unknown.join(", "));
                let problem = Problem::invalid("patch", &json!(as_go_prints(patch)), &rule);
                let message = format!(" \"\" is invalid: {}: {}", problem.field, problem.message);
                return Err(Status::new(422, "Invalid", message).with_details(json!({ "causes": [
                    { "reason": problem.reason, "message": problem.message, "field": problem.field },
                ] })));
            }
        }
    }
    defaults::fill(resource, object);
    Ok(())
}

/// Reads the configuration of a server-side apply: no defaults, and a built-in kind may have no unknown fields at all,
/// for nobody could own them.
///
/// # Errors
/// 400, or 500 as Kubernetes answers for fields that a type does not have.
pub fn decode_applied(call: &Call, config: &mut Value, warnings: &mut Vec<String>) -> Result<(), Status> {
    let validation = Validation::wanted(call)?;
    let (resource, kind) = (&call.resource, &call.resource.kind);
    let schema = schema::of(resource);
    let custom = resource.definition.is_some();
    let problems = schema::conform(config, &schema, kind, custom);
    let Some(unknown) = problems.unknown.first() else {
        return match problems.unreadable {
            Some(unreadable) => Err(untyped(call, &unreadable)),
            None => Ok(()),
        };
    };
    match (custom, validation) {
        (false, _) => Err(untyped(call, &format!(".{unknown}: field not declared in schema"))),
        (true, Validation::Strict) => {
            let unknown: Vec<String> =
                problems.unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
            Err(Status::bad_request(format!(
                "{kind} in version \"{}\" cannot be handled as a {kind}: strict decoding error: {}",
                resource.version,
                unknown.join(", ")
            )))
        }
        (true, Validation::Warn) => {
            warnings.extend(problems.unknown.iter().map(|path| format!("unknown field \"{path}\"")));
            warnings.truncate(WARNINGS);
            Ok(())
        }
        (true, Validation::Ignore) => Ok(()),
    }
}

/// A value as Go's `%+v` prints it.
fn as_go_prints(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(as_go_prints).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let mut entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}:{}", as_go_prints(value))).collect();
            entries.sort();
            format!("map[{}]", entries.join(" "))
        }
        other => other.to_string(),
    }
}

fn untyped(call: &Call, why: &str) -> Status {
    let (resource, route) = (&call.resource, &call.route);
    let message = format!(
        "failed to create typed patch object ({}/{}; {}, Kind={}): {why}",
        route.namespace,
        route.name,
        resource.api_version(),
        resource.kind
    );
    Status::new(500, "", message)
}
