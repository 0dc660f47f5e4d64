//! `/api/workgroup/…`: who the user is to KFAM, read only.

use axum::body::Body;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::identity::User;
use super::{contributors, express, kfam, no_route};
use crate::actors::{self, Visit};
use crate::kubelet::environment;
use crate::object;

/// What whoever sends no identity is told.
pub const NOBODY: &str = "Unable to ascertain user identity from request, cannot access route.";

/// The route below `/api/workgroup`.
pub async fn answer(visit: &Visit, user: &User, route: &str) -> Response<Body> {
    match route {
        "/exists" => exists(visit, user).await,
        "/env-info" => env_info(visit, user).await,
        _ if !user.is_known() => express::error(StatusCode::METHOD_NOT_ALLOWED, NOBODY),
        "/get-all-namespaces" => all_namespaces(visit).await,
        _ => match route.strip_prefix("/get-contributors/") {
            Some(namespace) if !namespace.contains('/') => contributors::list(visit, namespace).await,
            _ => no_route(),
        },
    }
}

async fn exists(visit: &Visit, user: &User) -> Response<Body> {
    let has_workgroup = if user.is_known() {
        match kfam::bindings(visit, Some(&user.email)).await {
            Ok(bindings) => bindings.iter().any(|binding| role(binding) == "owner"),
            Err(refused) => return refused.answer("Unable to contact Profile Controller"),
        }
    } else {
        true
    };
    let variables = environment::variables(&visit.world.store, &visit.pod, &visit.container);
    let registration = variables.get("REGISTRATION_FLOW").is_some_and(|value| value == "true");
    express::json(
        StatusCode::OK,
        &json!({
            "hasAuth": user.is_known(), "user": user.local_part(), "hasWorkgroup": has_workgroup,
            "registrationFlowAllowed": registration,
        }),
    )
}

async fn env_info(visit: &Visit, user: &User) -> Response<Body> {
    let wanted = user.is_known().then_some(user.email.as_str());
    let asked = match kfam::bindings(visit, wanted).await {
        Ok(bindings) => kfam::is_cluster_admin(visit, user).await.map(|admin| (bindings, admin)),
        Err(refused) => Err(refused),
    };
    let (bindings, admin) = match asked {
        Ok(asked) => asked,
        Err(refused) => return refused.answer("Unexpected error getting environment info"),
    };
    let namespaces: Vec<Value> = if user.is_known() {
        bindings.iter().map(|binding| namespace_of(visit, binding)).collect()
    } else {
        // Nobody counts as a contributor everywhere.
        homes(&bindings)
            .iter()
            .map(|namespace| json!({"namespace": namespace, "role": "contributor", "user": user.email}))
            .collect()
    };
    let variables = environment::variables(&visit.world.store, &visit.pod, &visit.container);
    let logout = variables.get("LOGOUT_URL").cloned().unwrap_or_default();
    express::json(
        StatusCode::OK,
        &json!({
            "user": user.email,
            "platform": {"kubeflowVersion": "unknown", "provider": "other://", "providerName": "other", "logoutUrl": logout},
            "namespaces": namespaces,
            "isClusterAdmin": admin,
        }),
    )
}

/// A namespace of the user's. Dashboards up to v1.8 know no word for viewers.
fn namespace_of(visit: &Visit, binding: &Value) -> Value {
    let mut found = json!({"user": binding["user"]["name"], "namespace": binding["referredNamespace"]});
    if role(binding) != "viewer" || !is_old(visit) {
        found["role"] = json!(role(binding));
    }
    found
}

/// Whether the dashboard is of v1.8, which words a few things otherwise.
pub fn is_old(visit: &Visit) -> bool {
    let containers = object::list(&visit.pod, "/spec/containers");
    let own = containers.iter().find(|container| object::text(container, "/name") == visit.container);
    own.is_some_and(|container| actors::tag(object::text(container, "/image")).starts_with("v1.8."))
}

fn homes(bindings: &[Value]) -> Vec<&str> {
    let mut homes: Vec<&str> = bindings.iter().filter_map(|binding| binding["referredNamespace"].as_str()).collect();
    homes.dedup();
    homes
}

async fn all_namespaces(visit: &Visit) -> Response<Body> {
    let bindings = match kfam::bindings(visit, None).await {
        Ok(bindings) => bindings,
        Err(refused) => return refused.answer("Unable to fetch all workgroup data"),
    };
    let rows: Vec<Value> = homes(&bindings)
        .iter()
        .map(|namespace| {
            let names = |wanted: &str| -> Vec<&str> {
                bindings
                    .iter()
                    .filter(|binding| binding["referredNamespace"] == *namespace && role(binding) == wanted)
                    .filter_map(|binding| binding["user"]["name"].as_str())
                    .collect()
            };
            json!([namespace, names("owner").first().copied().unwrap_or_default(), names("contributor").join(", ")])
        })
        .collect();
    express::json(StatusCode::OK, &json!(rows))
}

/// What a binding makes its user.
pub fn role(binding: &Value) -> &'static str {
    match binding["RoleRef"]["name"].as_str() {
        Some("admin") => "owner",
        Some("edit") => "contributor",
        _ => "viewer",
    }
}
