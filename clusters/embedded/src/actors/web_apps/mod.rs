//! The web applications on Flask: notebooks, volumes, tensorboards, and KServe's models.
//!
//! Each request passes the same gates in the same order: who asks (a header), the CSRF token for what changes
//! something, the route, the body, a SubjectAccessReview for the user, and then the API with the program's own account.
//!
//! Facts: kubeflow/kubeflow v1.9.2 `components/crud-web-apps`, kserve/models-web-app, and recorded exchanges. Of KServe's
//! application only the page and the list are played.

mod asked;
mod everywhere;
pub mod flask;
mod jupyter;
mod models;
mod notebook_status;
mod spawner;
mod tensorboards;
mod volumes;

use std::collections::BTreeMap;

use axum::body::Body;
use futures::future::BoxFuture;
use http::header::{CACHE_CONTROL, COOKIE, HeaderValue, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use self::asked::Asked;
use self::flask::{Outcome, Refusal};
use super::{Actor, Visit, express};
use crate::kubelet::environment;
use crate::switches;

/// The switch that lets the applications take changes without the page's token.
const UNCHECKED: &str = "csrf-token-unchecked";

/// One of the web applications.
pub struct WebApp {
    /// The page's title.
    title: &'static str,
    /// Where it is mounted when `APP_PREFIX` does not say.
    prefix: &'static str,
    /// Its own routes; `None` where it has none for the request.
    route: for<'a> fn(&'a Asked<'a>) -> BoxFuture<'a, Option<Outcome>>,
}

/// `jupyter-web-app`.
pub static NOTEBOOKS: WebApp =
    WebApp { title: "Jupyter Management UI", prefix: "/jupyter", route: |asked| Box::pin(jupyter::route(asked)) };
/// `volumes-web-app`.
pub static VOLUMES: WebApp =
    WebApp { title: "Frontend", prefix: "/volumes", route: |asked| Box::pin(volumes::route(asked)) };
/// `tensorboards-web-app`.
pub static TENSORBOARDS: WebApp = WebApp {
    title: "Tensorboards Manager UI",
    prefix: "/tensorboards",
    route: |asked| Box::pin(tensorboards::route(asked)),
};
/// `models-web-app`.
pub static MODELS: WebApp = WebApp {
    title: "Endpoints Management UI",
    prefix: "/kserve-endpoints",
    route: |asked| Box::pin(models::route(asked)),
};

impl Actor for &'static WebApp {
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let app: &'static WebApp = self;
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            app.answer(&visit, &parts, body).await
        })
    }
}

impl WebApp {
    async fn answer(&self, visit: &Visit, request: &Parts, body: Body) -> Response<Body> {
        if let Some(refusal) = flask::too_large(&request.headers) {
            return refusal;
        }
        let variables = environment::variables(&visit.world.store, &visit.pod, &visit.container);
        let reads = request.method == Method::GET || request.method == Method::HEAD;
        match (reads, request.uri.path()) {
            (true, "/healthz/liveness") => return flask::json_answer(StatusCode::OK, &json!("alive")),
            (true, "/healthz/readiness") => return flask::json_answer(StatusCode::OK, &json!("ready")),
            _ => {}
        }
        let user = user(&variables, &request.headers);
        if user.is_none() && !is_true(&variables, "APP_DISABLE_AUTH") {
            return flask::answer(Err(Refusal::new(401, "No user detected.")), &Value::Null);
        }
        let shown = json!(user);
        let safe = reads || request.method == Method::OPTIONS || request.method == Method::TRACE;
        let unchecked = switches::is_on(&visit.world.store, UNCHECKED);
        if !safe
            && !unchecked
            && let Err(refusal) = double_submit(&request.headers)
        {
            return flask::answer(Err(refusal), &shown);
        }
        if request.method == Method::OPTIONS {
            return flask::text_answer(StatusCode::OK, "text/html; charset=utf-8", String::new());
        }
        let asked = Asked::new(visit, request, body, user.unwrap_or_default(), reads).await;
        // A final or doubled slash is a path that no route has.
        let outcome = match everywhere::route(&asked).await {
            _ if asked.path().contains(&"") => None,
            Some(outcome) => Some(outcome),
            None => (self.route)(&asked).await,
        };
        match outcome {
            Some(outcome) => flask::answer(outcome, &shown),
            None if !reads => {
                let why = "The method is not allowed for the requested URL.";
                flask::answer(Err(Refusal::new(405, why)), &shown)
            }
            None => self.file(&asked, &variables, &shown),
        }
    }

    /// What no route of the API takes: metrics where they are on, files, and for all else the page.
    fn file(&self, asked: &Asked<'_>, variables: &BTreeMap<String, String>, user: &Value) -> Response<Body> {
        match asked.path().as_slice() {
            ["metrics"] if is_true(variables, "METRICS") => {
                let text = "# HELP python_info Python platform information\n# TYPE python_info gauge\n";
                flask::text_answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text.to_owned())
            }
            ["static", file, ..] if !file.is_empty() => {
                let why = "The requested URL was not found on the server. If you entered the URL manually please check \
                           your spelling and try again.";
                flask::answer(Err(Refusal::new(404, why)), user)
            }
            _ => self.index(variables),
        }
    }

    /// The page, with a fresh token for the double-submit check.
    fn index(&self, variables: &BTreeMap<String, String>) -> Response<Body> {
        let prefix = variables.get("APP_PREFIX").map_or(self.prefix, String::as_str);
        let token = uuid::Uuid::new_v4().simple().to_string() + &uuid::Uuid::new_v4().simple().to_string()[..11];
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}</title>\n\
             <base href=\"{}/\">\n<script defer src=\"/dashboard_lib.bundle.js\"></script>\n</head>\n\
             <body class=\"mat-typography\">\n<app-root></app-root>\n</body>\n</html>\n",
            self.title,
            express::escape(prefix),
        );
        let mut response = flask::text_answer(StatusCode::OK, "text/html; charset=utf-8", page);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate, max-age=0"));
        let secure = variables.get("APP_SECURE_COOKIES").is_none_or(|value| value.to_lowercase() == "true");
        let secure = if secure { "Secure; " } else { "" };
        let same_site = variables.get("CSRF_SAMESITE").map_or("Strict", String::as_str);
        let cookie = format!("XSRF-TOKEN={token}; {secure}Path={prefix}; SameSite={same_site}");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            headers.insert(SET_COOKIE, cookie);
        }
        response
    }
}

fn is_true(variables: &BTreeMap<String, String>, name: &str) -> bool {
    variables.get(name).is_some_and(|value| matches!(value.to_lowercase().as_str(), "true" | "1"))
}

/// Who asks, as the header says: nothing without the header, an empty name for an empty one. The prefix is taken out
/// wherever it stands.
fn user(variables: &BTreeMap<String, String>, headers: &HeaderMap) -> Option<String> {
    let header = variables.get("USERID_HEADER").map_or("kubeflow-userid", String::as_str).to_ascii_lowercase();
    let values: Vec<String> =
        headers.get_all(header).iter().map(|value| flask::latin1(value.as_bytes()).trim().to_owned()).collect();
    if values.is_empty() {
        return None;
    }
    // WSGI joins doubled headers with a bare comma; such a name matches nobody.
    let joined = values.join(",");
    let prefix = variables.get("USERID_PREFIX").map_or(":", String::as_str);
    Some(if prefix.is_empty() { joined } else { joined.replace(prefix, "") })
}

/// The token in the cookie and the one in the header must be the same; whatever it is.
fn double_submit(headers: &HeaderMap) -> Result<(), Refusal> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let mut pairs = cookies.filter_map(|cookie| cookie.trim().split_once('='));
    let Some((_, cookie)) = pairs.find(|(name, _)| *name == "XSRF-TOKEN") else {
        return Err(Refusal::new(403, "Could not find CSRF cookie XSRF-TOKEN in the request."));
    };
    let Some(header) = headers.get("x-xsrf-token") else {
        return Err(Refusal::new(403, "Could not detect CSRF protection header X-XSRF-TOKEN."));
    };
    if cookie.trim_matches('"').as_bytes() == header.as_bytes() {
        return Ok(());
    }
    let why = "CSRF check failed. Token in cookie XSRF-TOKEN doesn't match token in header X-XSRF-TOKEN.";
    Err(Refusal::new(403, why))
}
