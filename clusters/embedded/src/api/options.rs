//! The options of a request, before anything is done: those that make no sense are refused.
//!
//! Rules follow apimachinery's `pkg/apis/meta/v1/validation` and `meta/internalversion/validation` of Kubernetes 1.34.

use http::Method;
use serde_json::{Value, json};

use super::Status;
use super::call::Call;
use super::validate::Problem;

/// Checks the query of a request about a resource.
///
/// # Errors
/// 400 for what does not parse, 422 for options that are not valid.
pub fn check(call: &Call) -> Result<(), Status> {
    let (kind, problems) = match call.method {
        Method::GET if call.route.name.is_empty() => {
            numbers(call)?;
            ("ListOptions", list(call))
        }
        Method::POST => ("CreateOptions", write(call)),
        Method::PUT => ("UpdateOptions", write(call)),
        Method::PATCH => ("PatchOptions", write(call)),
        Method::DELETE => ("DeleteOptions", Vec::from_iter(dry_run(&given(call, "dryRun")))),
        _ => return Ok(()),
    };
    if problems.is_empty() { Ok(()) } else { Err(invalid(kind, &problems)) }
}

/// 422 for options.
#[must_use]
pub fn invalid(kind: &str, problems: &[Problem]) -> Status {
    let lines: Vec<String> = problems.iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect();
    let text = if let [only] = lines.as_slice() { only.clone() } else { format!("[{}]", lines.join(", ")) };
    let causes: Vec<Value> = problems.iter().map(Problem::cause).collect();
    Status::new(422, "Invalid", format!("{kind}.meta.k8s.io \"\" is invalid: {text}"))
        .with_details(json!({ "group": "meta.k8s.io", "kind": kind, "causes": causes }))
}

/// Only `All` makes sense for `dryRun`.
#[must_use]
pub fn dry_run(values: &[String]) -> Option<Problem> {
    let wrong = values.iter().any(|value| value != "All");
    wrong.then(|| Problem::unsupported("dryRun", &json!(values), &[json!("All")]))
}

fn given(call: &Call, key: &str) -> Vec<String> {
    call.query.all(key).filter(|value| !value.is_empty()).map(str::to_owned).collect()
}

fn write(call: &Call) -> Vec<Problem> {
    let mut problems = Vec::new();
    let apply = call.content_type() == "application/apply-patch+yaml";
    if call.method == Method::PATCH && !apply && call.query.get("force").is_some() {
        problems.push(Problem::forbidden("force", "may not be specified for non-apply patch"));
    }
    problems.extend(dry_run(&given(call, "dryRun")));
    if let Some(other) = call.query.get("fieldValidation").filter(|how| !matches!(*how, "Ignore" | "Warn" | "Strict")) {
        let supported = ["", "Ignore", "Strict", "Warn"].map(|how| json!(how));
        problems.push(Problem::unsupported("fieldValidation", &json!(other), &supported));
    }
    problems
}

/// Numbers must be numbers.
fn numbers(call: &Call) -> Result<(), Status> {
    for key in ["limit", "timeoutSeconds"] {
        if let Some(text) = call.query.get(key).filter(|text| text.parse::<i64>().is_err()) {
            let why = format!("strconv.ParseInt: parsing \"{text}\": invalid syntax");
            return Err(Status::bad_request(why));
        }
    }
    Ok(())
}

fn list(call: &Call) -> Vec<Problem> {
    let how = call.query.get("resourceVersionMatch");
    let version = call.query.get("resourceVersion");
    let initial = call.query.get("sendInitialEvents");
    let matching = |rule: &str| vec![Problem::forbidden("resourceVersionMatch", rule)];
    if call.query.is("watch") {
        return match (how, initial) {
            (Some(_), None) => {
                matching("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
            }
            (None, Some(_)) => matching("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
            _ => Vec::new(),
        };
    }
    if initial.is_some() {
        return vec![Problem::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")];
    }
    match (how, version) {
        (None, _) => Vec::new(),
        (Some(_), None) => matching("resourceVersionMatch is forbidden unless resourceVersion is provided"),
        (Some("Exact"), Some("0")) => matching("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""),
        (Some("Exact" | "NotOlderThan"), _) => Vec::new(),
        (Some(other), _) => {
            let supported = ["Exact", "NotOlderThan", ""].map(|how| json!(how));
            vec![Problem::unsupported("resourceVersionMatch", &json!(other), &supported)]
        }
    }
}
