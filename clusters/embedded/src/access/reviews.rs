//! Questions about access, asked as objects: who am I, may this user do that, is this token good.
//!
//! Each answer is the asked object with its `status` filled, as `pkg/registry/authorization` and
//! `pkg/registry/authentication` of Kubernetes 1.34 do. Nothing is stored.

use serde_json::{Value, json};

use super::rbac::{decide, grants};
use super::tokens::{self, API_AUDIENCE};
use super::{Attributes, UserInfo};
use crate::api::Status;
use crate::api::decode::as_go_writes;
use crate::api::validate::Problem;
use crate::object::{list, text};
use crate::platform::World;

/// Answers a create of `subjectaccessreviews`, `localsubjectaccessreviews`, `selfsubjectaccessreviews`,
/// `selfsubjectrulesreviews`, `tokenreviews`, `selfsubjectreviews`, or `serviceaccounts/token`. `attributes` tells which
/// (resource, subresource, namespace, name); `object` is what was posted; returned is the object with its `status`.
///
/// # Errors
/// A [`Status`] for an object that makes no sense, or a service account that does not exist.
pub fn create(world: &World, user: &UserInfo, attributes: &Attributes, object: Value) -> Result<Value, Status> {
    match (attributes.resource.as_str(), attributes.subresource.as_str()) {
        ("subjectaccessreviews", "") => {
            let problems = problems(&object, true, None);
            access(world, &subject(&object), object, &problems)
        }
        ("localsubjectaccessreviews", "") => {
            let problems = problems(&object, true, Some(&attributes.namespace));
            access(world, &subject(&object), object, &problems)
        }
        ("selfsubjectaccessreviews", "") => {
            let problems = problems(&object, false, None);
            access(world, user, object, &problems)
        }
        ("selfsubjectrulesreviews", "") => rules(world, user, object),
        ("tokenreviews", "") => token(world, object),
        ("selfsubjectreviews", "") => {
            let mut object = object;
            object["metadata"]["creationTimestamp"] = json!(crate::store::now());
            Ok(with_status(object, json!({"userInfo": user})))
        }
        ("serviceaccounts", "token") => tokens::request(world, &attributes.namespace, &attributes.name, object),
        _ => Err(Status::no_such_path()),
    }
}

/// The user that a (local) SubjectAccessReview asks about. Group names are taken as they are given: nothing is added.
fn subject(review: &Value) -> UserInfo {
    let groups = list(review, "/spec/groups").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let (name, uid) = (text(review, "/spec/user").to_owned(), text(review, "/spec/uid").to_owned());
    UserInfo { name, uid, groups, ..UserInfo::default() }
}

/// What is wrong with a SubjectAccessReview (`pkg/apis/authorization/validation`). `of_another` tells whether it names a
/// subject; `home` is the namespace of a local one.
fn problems(review: &Value, of_another: bool, home: Option<&str>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (resource, path) = (part(review, "resourceAttributes"), part(review, "nonResourceAttributes"));
    match (resource, path) {
        (Some(_), Some(path)) => {
            let value = json!({ "Path": path["path"], "Verb": path["verb"] });
            let rule = "cannot be specified in combination with resourceAttributes";
            problems.push(Problem::invalid("spec.nonResourceAttributes", &value, rule));
        }
        (None, None) => {
            let rule = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            problems.push(Problem::invalid("spec.resourceAttributes", &Value::Null, rule));
        }
        _ => {}
    }
    if of_another && text(review, "/spec/user").is_empty() && list(review, "/spec/groups").is_empty() {
        let rule = "at least one of user or group must be specified";
        problems.push(Problem::invalid("spec.user", &json!(""), rule));
    }
    let Some(home) = home else {
        let metadata = review["metadata"].as_object().into_iter().flatten();
        if metadata.clone().any(|(key, _)| !matches!(key.as_str(), "managedFields" | "creationTimestamp")) {
            let shown = as_go_writes(json!({ "metadata": review["metadata"] }));
            problems.push(Problem::invalid("metadata", &shown["metadata"], "must be empty"));
        }
        return problems;
    };
    if let Some(resource) = resource.filter(|resource| text(resource, "/namespace") != home) {
        let rule = "must match metadata.namespace";
        problems.push(Problem::invalid("spec.resourceAttributes.namespace", &resource["namespace"], rule));
    }
    if let Some(path) = path {
        let value = json!({ "Path": path["path"], "Verb": path["verb"] });
        problems.push(Problem::invalid("spec.nonResourceAttributes", &value, "disallowed on this kind of request"));
    }
    problems
}

fn access(world: &World, user: &UserInfo, review: Value, problems: &[Problem]) -> Result<Value, Status> {
    if !problems.is_empty() {
        return Err(invalid(problems));
    }
    let allowing = decide(&world.store, user, &attributes(&review));
    let mut status = json!({"allowed": allowing.is_some()});
    if let Some(reason) = allowing.filter(|reason| !reason.is_empty()) {
        status["reason"] = json!(reason);
    }
    Ok(with_status(review, status))
}

fn part<'a>(review: &'a Value, name: &str) -> Option<&'a Value> {
    review["spec"].get(name).filter(|part| part.is_object())
}

fn attributes(review: &Value) -> Attributes {
    if let Some(asked) = part(review, "nonResourceAttributes") {
        return Attributes::path(text(asked, "/verb"), text(asked, "/path"));
    }
    let asked = &review["spec"]["resourceAttributes"];
    Attributes {
        subresource: text(asked, "/subresource").to_owned(),
        ..Attributes::resource(
            text(asked, "/verb"),
            text(asked, "/group"),
            text(asked, "/resource"),
            text(asked, "/namespace"),
            text(asked, "/name"),
        )
    }
}

fn rules(world: &World, user: &UserInfo, review: Value) -> Result<Value, Status> {
    let namespace = text(&review, "/spec/namespace");
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    let mut sort = |rule: &Value| {
        let part = |pointer| list(rule, pointer);
        if part("/nonResourceURLs").is_empty() {
            let mut entry =
                json!({"verbs": part("/verbs"), "apiGroups": part("/apiGroups"), "resources": part("/resources")});
            if !part("/resourceNames").is_empty() {
                entry["resourceNames"] = json!(part("/resourceNames"));
            }
            resources.push(entry);
        } else {
            paths.push(json!({"verbs": part("/verbs"), "nonResourceURLs": part("/nonResourceURLs")}));
        }
    };
    if user.groups.iter().any(|group| group == "system:masters") {
        sort(&json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
        sort(&json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
    }
    for grant in grants(&world.store, user, namespace) {
        grant.rules().iter().for_each(&mut sort);
    }
    let mut review = review;
    // The answer does not repeat the question.
    review["spec"] = json!({});
    let status = json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false});
    Ok(with_status(review, status))
}

fn token(world: &World, review: Value) -> Result<Value, Status> {
    let token = text(&review, "/spec/token");
    if token.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication"));
    }
    let asked: Vec<&str> = list(&review, "/spec/audiences").iter().filter_map(Value::as_str).collect();
    let wanted = if asked.is_empty() { vec![API_AUDIENCE] } else { asked };
    let status = match tokens::validate(world, token, &wanted) {
        Some(valid) => json!({"authenticated": true, "user": valid.user, "audiences": valid.audiences}),
        None => json!({"user": {}, "error": why_not(world, token, &wanted)}),
    };
    Ok(with_status(review, status))
}

fn with_status(mut review: Value, status: Value) -> Value {
    if review.is_object() {
        review["status"] = status;
    }
    review
}

/// Why a token is not good, as the reviewer tells it.
pub(crate) fn why_not(world: &World, token: &str, wanted: &[&str]) -> String {
    let quoted = |audiences: &mut dyn Iterator<Item = &str>| {
        audiences.map(|audience| format!("\"{audience}\"")).collect::<Vec<_>>().join(" ")
    };
    let why = match tokens::validate_laxly(world, token, None, true) {
        Some(valid) => format!(
            "token audiences [{}] is invalid for the target audiences [{}]",
            quoted(&mut valid.audiences.iter().map(String::as_str)),
            quoted(&mut wanted.iter().copied())
        ),
        None if tokens::is_signed(world, token) => "service account token has been invalidated".to_owned(),
        None => return "invalid bearer token".to_owned(),
    };
    format!("[invalid bearer token, {why}]")
}

/// 422, as these reviews answer: without a kind.
fn invalid(problems: &[Problem]) -> Status {
    const GROUP: &str = "authorization.k8s.io";
    let lines: Vec<String> = problems.iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect();
    let text = if let [only] = lines.as_slice() { only.clone() } else { format!("[{}]", lines.join(", ")) };
    let causes: Vec<Value> = problems.iter().map(Problem::cause).collect();
    Status::new(422, "Invalid", format!(".{GROUP} \"\" is invalid: {text}"))
        .with_details(json!({ "group": GROUP, "causes": causes }))
}
