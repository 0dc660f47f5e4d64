//! From a request to its answer: who asks, as whom, may they, and which part of the API serves it.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, Request, Response};

use super::answer::{self, Answer, Form};
use super::call::Call;
use super::query::Query;
use super::route::Route;
use super::{Status, deprecation, discovery, kinds, options, trouble, verbs};
use crate::access::{self, Attributes, UserInfo};
use crate::platform::World;

/// Answers one request.
pub async fn handle(world: Arc<World>, request: Request<Body>) -> Response<Body> {
    let group = Route::parse(request.uri().path()).group;
    if let Some(response) = trouble::of(&world, &request) {
        return response;
    }
    match answer(world.clone(), request).await {
        Ok(response) => response,
        // Whatever serves no group answers for none.
        Err(status) if status == Status::no_such_path() && !discovery::is_built_in(&world, &group) => {
            discovery::not_found()
        }
        Err(status) => status.into_response(),
    }
}

async fn answer(world: Arc<World>, request: Request<Body>) -> Result<Response<Body>, Status> {
    let user = access::authenticate(&world, request.headers())?;
    let user = impersonated(&world, user, request.headers())?;
    answer_as(world, user, request).await
}

/// Answers a request of a user who is known already: programs inside the platform have no need of a connection.
///
/// # Errors
/// The refusal.
pub async fn answer_as(world: Arc<World>, user: UserInfo, request: Request<Body>) -> Result<Response<Body>, Status> {
    let path = request.uri().path().to_owned();
    let query = Query::parse(request.uri().query());
    let route = Route::parse(&path);
    let attributes = route.attributes(request.method(), &path, &query);
    if !access::authorize(&world, &user, &attributes) {
        return Err(denied(&user, &attributes));
    }
    if route.plural.is_empty() {
        return discovery::answer(&world, request.method(), &path, request.headers());
    }
    let Some(resource) = kinds::find(&world, &route.group, &route.version, &route.plural) else {
        return Err(Status::no_such_path());
    };
    let call = Call {
        world,
        user,
        method: request.method().clone(),
        route,
        query,
        headers: request.headers().clone(),
        resource: resource.clone(),
    };
    options::check(&call)?;
    let form = Form::wanted(&call.headers, &call.route.subresource)?;
    let include = call.query.get("includeObject").unwrap_or_default().to_owned();
    let mut warnings = Vec::from_iter(deprecation::warning(&call.resource));
    if form == Form::Table && !matches!(include.as_str(), "" | "None" | "Object" | "Metadata") {
        return Err(Status::bad_request(format!(
            "Unable to convert to Table as requested: includeObject: Invalid value: \"{include}\": must be 'Metadata', \
             'Object', 'None', or empty"
        )));
    }
    let answer = verbs::dispatch(&call, attributes, request, &mut warnings).await?;
    let resource = match &answer {
        Answer::Document(..) | Answer::Response(_) => &resource,
        _ => &call.resource,
    };
    Ok(answer::render(answer, resource, form, &include, &warnings))
}

/// The user that `Impersonate-*` headers ask to be, if the caller may impersonate them.
fn impersonated(world: &World, user: UserInfo, headers: &HeaderMap) -> Result<UserInfo, Status> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let wanted = text("impersonate-user");
    let groups: Vec<String> = headers
        .get_all("impersonate-group")
        .iter()
        .filter_map(|value| value.to_str().ok().map(str::to_owned))
        .collect();
    if wanted.is_empty() {
        if groups.is_empty() {
            return Ok(user);
        }
        return Err(Status::internal("requested impersonation of groups without impersonating a user"));
    }
    let may = |group: &str, resource: &str, namespace: &str, name: &str| {
        let attributes = Attributes {
            verb: "impersonate".into(),
            group: group.into(),
            version: "v1".into(),
            resource: resource.into(),
            namespace: namespace.into(),
            name: name.into(),
            ..Attributes::default()
        };
        if access::authorize(world, &user, &attributes) { Ok(()) } else { Err(denied(&user, &attributes)) }
    };
    let mut groups = groups;
    for group in &groups {
        may("", "groups", "", group)?;
    }
    let account = wanted.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    if let Some((namespace, name)) = account {
        may("", "serviceaccounts", namespace, name)?;
        if groups.is_empty() {
            groups = vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")];
        }
    } else {
        may("", "users", "", &wanted)?;
    }
    let everyone = if wanted == "system:anonymous" { "system:unauthenticated" } else { "system:authenticated" };
    if !groups.iter().any(|group| group == everyone) {
        groups.push(everyone.into());
    }
    Ok(UserInfo { name: wanted, uid: text("impersonate-uid"), groups, extra: Default::default() })
}

/// The authorizer's refusal, in kube-apiserver's words (`responsewriters/errors.go`).
#[must_use]
pub fn denied(user: &UserInfo, wanted: &Attributes) -> Status {
    let who = format!("User \"{}\"", user.name);
    if wanted.resource.is_empty() {
        return Status::forbidden("", "", "", &format!("{who} cannot {} path \"{}\"", wanted.verb, wanted.path));
    }
    let resource = match wanted.subresource.as_str() {
        "" => wanted.resource.clone(),
        subresource => format!("{}/{subresource}", wanted.resource),
    };
    let scope = match wanted.namespace.as_str() {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace \"{namespace}\""),
    };
    let why = format!("{who} cannot {} resource \"{resource}\" in API group \"{}\" {scope}", wanted.verb, wanted.group);
    Status::forbidden(&wanted.group, &wanted.resource, &wanted.name, &why)
}
