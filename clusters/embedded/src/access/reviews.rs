//! Questions about access, asked as objects: who am I, may this user do that, is this token good.
//!
//! Each answer is the asked object with its `status` filled, as `pkg/registry/authorization` and
//! `pkg/registry/authentication` of Kubernetes 1.34 do. Nothing is stored.

use serde_json::{Value, json};

use super::rbac::{decide, grants};
use super::tokens::{self, API_AUDIENCE};
use super::{Attributes, UserInfo};
use crate::api::Status;
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
        ("subjectaccessreviews", "") => access(world, &subject(&object)?, object),
        ("localsubjectaccessreviews", "") => local_access(world, &attributes.namespace, object),
        ("selfsubjectaccessreviews", "") => access(world, user, object),
        ("selfsubjectrulesreviews", "") => rules(world, user, object),
        ("tokenreviews", "") => token(world, object),
        ("selfsubjectreviews", "") => Ok(with_status(object, json!({"userInfo": user}))),
        ("serviceaccounts", "token") => tokens::request(world, &attributes.namespace, &attributes.name, object),
        _ => Err(Status::no_such_path()),
    }
}

/// The user that a (local) SubjectAccessReview asks about. Group names are taken as they are given: nothing is added.
fn subject(review: &Value) -> Result<UserInfo, Status> {
    let groups: Vec<String> =
        list(review, "/spec/groups").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let name = text(review, "/spec/user").to_owned();
    if name.is_empty() && groups.is_empty() {
        return Err(invalid(review, "spec.user: Invalid value: \"\": at least one of user or group must be specified"));
    }
    let uid = text(review, "/spec/uid").to_owned();
    Ok(UserInfo { name, uid, groups, ..UserInfo::default() })
}

fn local_access(world: &World, namespace: &str, review: Value) -> Result<Value, Status> {
    let asked = text(&review, "/spec/resourceAttributes/namespace");
    if asked != namespace {
        return Err(invalid(
            &review,
            &format!("spec.resourceAttributes.namespace: Invalid value: \"{asked}\": must match metadata.namespace"),
        ));
    }
    access(world, &subject(&review)?, review)
}

fn access(world: &World, user: &UserInfo, review: Value) -> Result<Value, Status> {
    let allowing = decide(&world.store, user, &attributes(&review)?);
    let mut status = json!({"allowed": allowing.is_some()});
    if let Some(reason) = allowing.filter(|reason| !reason.is_empty()) {
        status["reason"] = json!(reason);
    }
    Ok(with_status(review, status))
}

fn attributes(review: &Value) -> Result<Attributes, Status> {
    let asked = |pointer| review.pointer(pointer).filter(|part: &&Value| part.is_object());
    match (asked("/spec/resourceAttributes"), asked("/spec/nonResourceAttributes")) {
        (Some(asked), None) => Ok(Attributes {
            subresource: text(asked, "/subresource").to_owned(),
            ..Attributes::resource(
                text(asked, "/verb"),
                text(asked, "/group"),
                text(asked, "/resource"),
                text(asked, "/namespace"),
                text(asked, "/name"),
            )
        }),
        (None, Some(asked)) => Ok(Attributes::path(text(asked, "/verb"), text(asked, "/path"))),
        _ => Err(invalid(
            review,
            "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )),
    }
}

fn rules(world: &World, user: &UserInfo, review: Value) -> Result<Value, Status> {
    let namespace = text(&review, "/spec/namespace");
    if namespace.is_empty() {
        return Err(invalid(&review, "spec.namespace: Required value: no namespace on request"));
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
    let status = json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false});
    Ok(with_status(review, status))
}

fn token(world: &World, review: Value) -> Result<Value, Status> {
    let token = text(&review, "/spec/token");
    if token.is_empty() {
        return Err(invalid(
            &review,
            "spec.token: Required value: token is required for TokenReview in authentication",
        ));
    }
    let asked: Vec<&str> = list(&review, "/spec/audiences").iter().filter_map(Value::as_str).collect();
    let wanted = if asked.is_empty() { vec![API_AUDIENCE] } else { asked };
    let status = match tokens::validate(world, token, &wanted) {
        Some(valid) => json!({"authenticated": true, "user": valid.user, "audiences": valid.audiences}),
        None => json!({"user": {}, "error": "invalid bearer token"}),
    };
    Ok(with_status(review, status))
}

fn with_status(mut review: Value, status: Value) -> Value {
    if review.is_object() {
        review["status"] = status;
    }
    review
}

fn invalid(review: &Value, why: &str) -> Status {
    let group = text(review, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    Status::new(422, "Invalid", format!("{}.{group} \"\" is invalid: {why}", text(review, "/kind")))
}
