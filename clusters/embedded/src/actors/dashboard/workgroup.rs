//! `/api/workgroup/…`: the user's profiles, asked of KFAM with the dashboard's own identity in the mesh.

use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};

use super::identity::User;
use super::{express, no_route};
use crate::actors::Visit;
use crate::kubelet::environment;
use crate::mesh;

/// More than KFAM ever answers.
const LIMIT: usize = 4 << 20;

/// The route below `/api/workgroup`.
pub async fn answer(visit: &Visit, user: &User, route: &str) -> Response<Body> {
    match route {
        "/exists" => exists(visit, user).await,
        "/env-info" => env_info(visit, user).await,
        _ if !user.is_known() => express::error(
            StatusCode::METHOD_NOT_ALLOWED,
            "Unable to ascertain user identity from request, cannot access route.",
        ),
        "/get-all-namespaces" => all_namespaces(visit).await,
        _ => match route.strip_prefix("/get-contributors/") {
            Some(namespace) if !namespace.contains('/') => contributors(visit, namespace).await,
            _ => no_route(),
        },
    }
}

/// KFAM's base URL, from the environment that Kubernetes and the manifests give the container.
pub fn kfam_url(visit: &Visit) -> String {
    let variables = environment::variables(&visit.world.store, &visit.pod, &visit.container);
    let host = variables.get("PROFILES_KFAM_SERVICE_HOST").map_or("profiles-kfam", String::as_str);
    let port = variables.get("PROFILES_KFAM_SERVICE_PORT").map_or("8081", String::as_str);
    format!("http://{host}:{port}/kfam")
}

async fn exists(visit: &Visit, user: &User) -> Response<Body> {
    let has_workgroup = if user.is_known() {
        let Some(bindings) = bindings(visit, Some(&user.email)).await else {
            return express::error(StatusCode::BAD_REQUEST, "Unable to contact Profile Controller");
        };
        bindings.iter().any(|binding| role(binding) == "owner")
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
    let (Some(bindings), Some(admin)) = (bindings(visit, wanted).await, cluster_admin(visit, user).await) else {
        return express::error(StatusCode::BAD_REQUEST, "Unexpected error getting environment info");
    };
    let namespaces: Vec<Value> = bindings
        .iter()
        .map(|binding| {
            let role = if user.is_known() { role(binding) } else { "contributor" };
            json!({"user": binding["user"]["name"], "namespace": binding["referredNamespace"], "role": role})
        })
        .collect();
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

async fn contributors(visit: &Visit, namespace: &str) -> Response<Body> {
    let of_namespace: Vec<Value> = bindings(visit, None)
        .await
        .unwrap_or_default()
        .into_iter()
        .filter(|binding| binding["referredNamespace"] == namespace)
        .collect();
    if of_namespace.is_empty() {
        return express::error(StatusCode::BAD_REQUEST, &format!("Unable to fetch contributors for {namespace}"));
    }
    let names: Vec<&Value> = of_namespace
        .iter()
        .filter(|binding| role(binding) == "contributor")
        .map(|binding| &binding["user"]["name"])
        .collect();
    express::json(StatusCode::OK, &json!(names))
}

async fn all_namespaces(visit: &Visit) -> Response<Body> {
    let Some(bindings) = bindings(visit, None).await else {
        return express::error(StatusCode::BAD_REQUEST, "Unable to fetch all workgroup data");
    };
    let mut namespaces: Vec<&str> =
        bindings.iter().filter_map(|binding| binding["referredNamespace"].as_str()).collect();
    namespaces.dedup();
    let rows: Vec<Value> = namespaces
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

fn role(binding: &Value) -> &'static str {
    match binding["RoleRef"]["name"].as_str() {
        Some("admin") => "owner",
        Some("edit") => "contributor",
        _ => "viewer",
    }
}

async fn bindings(visit: &Visit, user: Option<&str>) -> Option<Vec<Value>> {
    let query = user.map_or_else(String::new, |user| {
        format!("?{}", url::form_urlencoded::Serializer::new(String::new()).append_pair("user", user).finish())
    });
    let answer = ask(visit, &format!("/v1/bindings{query}")).await?;
    Some(answer.get("bindings").and_then(Value::as_array).cloned().unwrap_or_default())
}

async fn cluster_admin(visit: &Visit, user: &User) -> Option<bool> {
    if !user.is_known() {
        return Some(true);
    }
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("user", &user.email).finish();
    ask(visit, &format!("/v1/role/clusteradmin?{query}")).await?.as_bool()
}

/// Asks KFAM; anything but a JSON answer with 200 counts as not reached.
async fn ask(visit: &Visit, path: &str) -> Option<Value> {
    let request = Request::get(format!("{}{path}", kfam_url(visit))).body(Body::empty()).ok()?;
    let response = mesh::call(&visit.world, visit.as_caller(), request).await;
    if response.status() != StatusCode::OK {
        return None;
    }
    let bytes = Limited::new(response.into_body(), LIMIT).collect().await.ok()?.to_bytes();
    serde_json::from_slice(&bytes).ok()
}
