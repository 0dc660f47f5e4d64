//! Users' own profiles: made and removed through KFAM (`app/api_workgroup.ts`: create, nuke-self). `REGISTRATION_FLOW` is
//! the page's business: the routes work without it.

use axum::body::Body;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::identity::User;
use super::{express, kfam};
use crate::actors::Visit;

/// `create`: a profile of the given or the user's own name, for the given or the same user. Needs no identity.
pub async fn create(visit: &Visit, user: &User, body: &Value) -> Response<Body> {
    let given = |key: &str| body.get(key).filter(|value| !value.is_null() && *value != "").cloned();
    let namespace = given("namespace").unwrap_or_else(|| json!(user.local_part()));
    let owner = given("user").unwrap_or_else(|| json!(user.email));
    let profile = json!({"metadata": {"name": namespace}, "spec": {"owner": {"kind": "User", "name": owner}}});
    match kfam::send(visit, Some(user), Method::POST, "/v1/profiles", Some(&profile)).await {
        Ok(_) => {
            let name = namespace.as_str().map_or_else(|| namespace.to_string(), str::to_owned);
            express::json(StatusCode::OK, &json!({"message": format!("Created namespace {name}")}))
        }
        Err(refused) => refused.answer("Unexpected error creating profile"),
    }
}

/// `nuke-self`: removes the profile that is named as the user is before the `@`.
pub async fn delete(visit: &Visit, user: &User) -> Response<Body> {
    let name = user.local_part();
    match kfam::send(visit, Some(user), Method::DELETE, &format!("/v1/profiles/{name}"), None).await {
        Ok(_) => express::json(StatusCode::OK, &json!({"message": format!("Removed namespace/profile {name}")})),
        Err(refused) => refused.answer("Unexpected error deleting profile"),
    }
}
