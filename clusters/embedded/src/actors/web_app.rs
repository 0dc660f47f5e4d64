//! The web applications on Flask: notebooks, volumes, tensorboards, and KServe's models.
//!
//! Facts: kubeflow/kubeflow v1.9.2 `components/crud-web-apps`, kserve/models-web-app, and recorded exchanges. So far the
//! page, the probes, `/info` and the lists; what changes objects comes with tenancy.

use axum::body::Body;
use futures::future::BoxFuture;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, SERVER, SET_COOKIE};
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::{Actor, Visit, express};
use crate::access::{Attributes, UserInfo, authorize};
use crate::kubelet::environment;
use crate::object;

/// One of the web applications.
pub struct WebApp {
    /// The page's title.
    title: &'static str,
    /// Where it is mounted when `APP_PREFIX` does not say.
    prefix: &'static str,
    /// What it lists: path segment, API group, version, resource.
    lists: &'static [(&'static str, &'static str, &'static str, &'static str)],
}

/// `jupyter-web-app`.
pub static NOTEBOOKS: WebApp = WebApp {
    title: "Jupyter Management UI",
    prefix: "/jupyter",
    lists: &[
        ("notebooks", "kubeflow.org", "v1beta1", "notebooks"),
        ("pvcs", "", "v1", "persistentvolumeclaims"),
        ("poddefaults", "kubeflow.org", "v1alpha1", "poddefaults"),
    ],
};
/// `volumes-web-app`.
pub static VOLUMES: WebApp =
    WebApp { title: "Frontend", prefix: "/volumes", lists: &[("pvcs", "", "v1", "persistentvolumeclaims")] };
/// `tensorboards-web-app`.
pub static TENSORBOARDS: WebApp = WebApp {
    title: "Tensorboards Manager UI",
    prefix: "/tensorboards",
    lists: &[("tensorboards", "tensorboard.kubeflow.org", "v1alpha1", "tensorboards")],
};
/// `models-web-app`.
pub static MODELS: WebApp = WebApp {
    title: "Endpoints Management UI",
    prefix: "/kserve-endpoints",
    lists: &[("inferenceservices", "serving.kserve.io", "v1beta1", "inferenceservices")],
};

impl Actor for &'static WebApp {
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let app: &'static WebApp = self;
        Box::pin(async move { app.answer(&visit, &request) })
    }
}

impl WebApp {
    fn answer(&self, visit: &Visit, request: &Request<Body>) -> Response<Body> {
        let path = request.uri().path();
        if matches!(path, "/healthz/liveness" | "/healthz/readiness") {
            return json_answer(StatusCode::OK, &json!("alive"));
        }
        let variables = environment::variables(&visit.world.store, &visit.pod, &visit.container);
        let header = variables.get("USERID_HEADER").map_or("kubeflow-userid", String::as_str).to_ascii_lowercase();
        let values: Vec<String> = request
            .headers()
            .get_all(header)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
            .collect();
        if values.is_empty() {
            return refusal(StatusCode::UNAUTHORIZED, "No user detected.", &Value::Null);
        }
        // WSGI joins doubled headers with a bare comma; such a name matches nobody.
        let user = values.join(",");
        if *request.method() != Method::GET && *request.method() != Method::HEAD {
            let why = "The method is not allowed for the requested URL.";
            return refusal(StatusCode::METHOD_NOT_ALLOWED, why, &json!(user));
        }
        if path == "/info" {
            return json_answer(StatusCode::OK, &json!({"info": {}, "status": 200, "success": true, "user": user}));
        }
        if path == "/api/namespaces" {
            return namespaces(visit, &user);
        }
        if let Some(list) = self.list(visit, path, &user) {
            return list;
        }
        match path.strip_prefix("/static/") {
            Some(rest) if !rest.is_empty() => refusal(StatusCode::NOT_FOUND, "Not found.", &json!(user)),
            _ => self.index(variables.get("APP_PREFIX").map_or(self.prefix, String::as_str)),
        }
    }

    /// `/api/namespaces/<namespace>/<list>`, each call checked by a SubjectAccessReview of its own.
    fn list(&self, visit: &Visit, path: &str, user: &str) -> Option<Response<Body>> {
        let (namespace, wanted) = path.strip_prefix("/api/namespaces/")?.split_once('/')?;
        let (field, group, version, resource) = self.lists.iter().find(|(name, ..)| *name == wanted)?;
        let who = UserInfo { name: user.to_owned(), ..UserInfo::default() };
        if !authorize(&visit.world, &who, &Attributes::resource("list", group, resource, namespace, "")) {
            let kind = if group.is_empty() {
                format!("{version}/{resource}")
            } else {
                format!("{group}/{version}/{resource}")
            };
            let why = format!("User '{user}' is not authorized to list {kind} in namespace '{namespace}'");
            return Some(refusal(StatusCode::FORBIDDEN, &why, &json!(user)));
        }
        let items: Vec<Value> = visit
            .world
            .store
            .list(group, resource, Some(namespace))
            .iter()
            .map(|item| json!({"name": object::name(item), "namespace": object::namespace(item)}))
            .collect();
        Some(json_answer(StatusCode::OK, &json!({*field: items, "status": 200, "success": true, "user": user})))
    }

    /// The page, with a fresh token for the double-submit check.
    fn index(&self, prefix: &str) -> Response<Body> {
        let token = uuid::Uuid::new_v4().simple().to_string() + &uuid::Uuid::new_v4().simple().to_string()[..11];
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}</title>\n\
             <base href=\"{}/\">\n<script defer src=\"/dashboard_lib.bundle.js\"></script>\n</head>\n\
             <body class=\"mat-typography\">\n<app-root></app-root>\n</body>\n</html>\n",
            self.title,
            express::escape(prefix),
        );
        let mut response = Response::new(Body::from(page));
        let headers = response.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static("gunicorn"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate, max-age=0"));
        let cookie = format!("XSRF-TOKEN={token}; Secure; Path={prefix}; SameSite=Strict");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            headers.insert(SET_COOKIE, cookie);
        }
        response
    }
}

/// `/api/namespaces`: the user must be allowed to list them, in the group `core` (so the program asks), and then the
/// program's own account, too.
fn namespaces(visit: &Visit, user: &str) -> Response<Body> {
    let who = UserInfo { name: user.to_owned(), ..UserInfo::default() };
    if !authorize(&visit.world, &who, &Attributes::resource("list", "core", "namespaces", "", "")) {
        let why = format!("User '{user}' is not authorized to list core/v1/namespaces");
        return refusal(StatusCode::FORBIDDEN, &why, &json!(user));
    }
    let caller = visit.as_caller();
    let account = UserInfo::service_account(&caller.namespace, &caller.service_account, "");
    if !authorize(&visit.world, &account, &Attributes::resource("list", "", "namespaces", "", "")) {
        let why = format!(
            "namespaces is forbidden: User \"{}\" cannot list resource \"namespaces\" in API group \"\" at the cluster scope",
            account.name
        );
        return refusal(StatusCode::FORBIDDEN, &why, &json!(user));
    }
    let names = visit.world.store.list("", "namespaces", None);
    let names: Vec<&str> = names.iter().map(|namespace| object::name(namespace)).collect();
    json_answer(StatusCode::OK, &json!({"namespaces": names, "status": 200, "success": true, "user": user}))
}

fn refusal(status: StatusCode, log: &str, user: &Value) -> Response<Body> {
    json_answer(status, &json!({"log": log, "status": status.as_u16(), "success": false, "user": user}))
}

fn json_answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(SERVER, HeaderValue::from_static("gunicorn"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
