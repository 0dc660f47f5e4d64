//! Who asks, and whether they may: the identity header or a service account's token, then a SubjectAccessReview.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/src/apiserver/auth`, `resource/resource_manager.go`
//! (`IsAuthorized`). The review carries the user's name alone, no groups.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::refusal::{Answered, Refusal};
use super::settings::Settings;
use crate::access::{Attributes, UserInfo, authorize, forbidden, reviews, tokens};
use crate::actors::Visit;
use crate::platform::World;

/// The API group of Kubeflow Pipelines' resources.
pub const GROUP: &str = "pipelines.kubeflow.org";
const NO_HEADER: &str = "Unauthenticated: Request header error: there is no user identity header.: Request header \
                         error: there is no user identity header.";
const NOT_BEARER: &str = "Header 'Authorization' is incorrectly formatted. Expected prefix 'Bearer '";

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// `pipelines.kubeflow.org`, or `kubeflow.org` for viewers.
    pub group: &'a str,
    /// The resource.
    pub resource: &'a str,
    /// The verb.
    pub verb: &'a str,
    /// The namespace, empty for the whole cluster.
    pub namespace: &'a str,
    /// The object's name, if there is one yet.
    pub name: &'a str,
}

/// The user of a request; nobody, if neither the header nor a good token names one.
fn user(world: &World, own: &UserInfo, settings: &Settings, headers: &HeaderMap) -> Answered<String> {
    let mut values = headers.get_all(settings.header.as_str()).iter();
    if let (Some(only), None) = (values.next(), values.next()) {
        let value = String::from_utf8_lossy(only.as_bytes()).trim().to_owned();
        if let Some(user) = value.strip_prefix(&settings.prefix).filter(|user| !user.is_empty()) {
            return Ok(user.to_owned());
        }
    }
    let Some(header) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
        return Err(Refusal::unauthenticated(NO_HEADER));
    };
    let Some(token) = header.strip_prefix("Bearer ") else {
        let why = format!("BadRequestError: {NOT_BEARER}: {NOT_BEARER}");
        return Err(Refusal::unauthenticated(&format!("[{NO_HEADER}, {why}]")));
    };
    // Who may not ask for reviews is told nothing of any token.
    let review = Attributes::resource("create", "authentication.k8s.io", "tokenreviews", "", "");
    if !authorize(world, own, &review) {
        let why =
            format!("Authentication failure: {}: Failed to authenticate token review", forbidden(own, &review).message);
        return Err(Refusal::unauthenticated(&format!("[{NO_HEADER}, {why}]")));
    }
    match tokens::validate(world, token, &[&settings.audience]) {
        Some(valid) if !valid.audiences.is_empty() => Ok(valid.user.name),
        _ => {
            let why = format!(
                "Authentication failure: Unauthenticated: Review.Status.Authenticated is false. Error {}: Failed to \
                 authenticate token review",
                reviews::why_not(world, token, &[&settings.audience])
            );
            Err(Refusal::unauthenticated(&format!("[{NO_HEADER}, {why}]")))
        }
    }
}

/// The account that the API server runs as.
fn own(visit: &Visit) -> UserInfo {
    let caller = visit.as_caller();
    UserInfo::service_account(&caller.namespace, &caller.service_account, "")
}

/// Refuses whoever may not.
///
/// # Errors
/// 401 for nobody, 403 for somebody who may not, 500 if the API server itself may not ask.
pub fn check(visit: &Visit, settings: &Settings, headers: &HeaderMap, wish: &Wish<'_>) -> Answered<()> {
    check_as(&visit.world, &own(visit), settings, headers, wish)
}

/// As [`check`], by the account that the API server runs as.
///
/// # Errors
/// See [`check`].
pub fn check_as(
    world: &World,
    own: &UserInfo,
    settings: &Settings,
    headers: &HeaderMap,
    wish: &Wish<'_>,
) -> Answered<()> {
    if !settings.multi_user {
        return Ok(());
    }
    let user = user(world, own, settings, headers)?;
    let Wish { group, resource, verb, namespace, name } = *wish;
    let request = format!(
        "(request: &ResourceAttributes{{Namespace:{namespace},Verb:{verb},Group:{group},Version:v1beta1,\
         Resource:{resource},Subresource:,Name:{name},}})"
    );
    let review = Attributes::resource("create", "authorization.k8s.io", "subjectaccessreviews", "", "");
    if !authorize(world, own, &review) {
        let why = forbidden(own, &review).message;
        return Err(Refusal::internal(format!(
            "Failed to create SubjectAccessReview for user '{user}' {request}: {why}"
        )));
    }
    let who = UserInfo { name: user.clone(), ..UserInfo::default() };
    if authorize(world, &who, &Attributes::resource(verb, group, resource, namespace, name)) {
        return Ok(());
    }
    Err(Refusal::forbidden(format!("User '{user}' is not authorized with reason:  {request}")))
}
