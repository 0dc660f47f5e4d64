//! oidc-authservice of contract A: asked by the gateway's ext_authz about every request, and itself the client of Dex.
//!
//! Facts: arrikto/oidc-authservice at e236439 and recorded exchanges of the real program. Not played: Redis, revocation
//! at the provider, the deadlock of its store on expired sessions, its need of RBAC for TokenReviews.

use std::sync::Arc;

use axum::body::Body;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::Value;

use super::net_http::form::{self, Form};
use super::net_http::path::{clean_request, escape_path};
use super::net_http::{answer, escape, header_value, not_found, refusal, set_header};
use super::oidc_client::Client;
use super::{Actor, Visit, started};
use crate::kubelet::{self, environment};
use crate::object;
use crate::platform::World;
use crate::store::Key;
use crate::switches;

mod identity;
mod login;
mod provider;
mod securecookie;
mod settings;
mod store;

use settings::Settings;
use store::{Found, Store};

/// The actor.
pub struct AuthService;

/// One started oidc-authservice.
struct Server {
    settings: Settings,
    provider: provider::Known,
    store: Arc<Store>,
}

/// One request, taken apart.
struct Exchange {
    server: Arc<Server>,
    client: Client,
    method: Method,
    /// Path as it arrived.
    path: String,
    /// Path, decoded: what routes and the whitelist look at.
    decoded: String,
    /// Path and query as they arrived.
    uri: String,
    headers: HeaderMap,
    form: Form,
}

impl Actor for AuthService {
    fn start(&self, world: &World, pod: &Value, container: &str) -> Result<(), String> {
        server(world, pod, container).map(drop)
    }

    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        serve(visit, request).boxed()
    }
}

fn server(world: &World, pod: &Value, container: &str) -> Result<Arc<Server>, String> {
    started::once(world, pod, || start(world, pod, container))
}

fn start(world: &World, pod: &Value, container: &str) -> Result<Server, String> {
    let settings = Settings::read(&environment::variables(&world.store, pod, container))?;
    let owner = volume(world, pod, container, &settings.store_path).unwrap_or_else(|| object::uid(pod).to_owned());
    let store = world.memory.of::<Store>(&owner);
    Ok(Server { settings, provider: provider::Known::default(), store })
}

/// The uid of the volume claim that a path is on: what is stored there outlives the pod.
fn volume(world: &World, pod: &Value, container: &str, path: &str) -> Option<String> {
    let specification = kubelet::container(pod, container)?;
    let mount = object::list(specification, "/volumeMounts").iter().find(|mount| {
        let at = object::text(mount, "/mountPath");
        !at.is_empty() && path.starts_with(at)
    })?;
    let name = object::text(mount, "/name");
    let volume = object::list(pod, "/spec/volumes").iter().find(|volume| object::text(volume, "/name") == name)?;
    let claim = object::text(volume, "/persistentVolumeClaim/claimName");
    let key = Key::new("", "persistentvolumeclaims", object::namespace(pod), claim);
    world.store.get(&key).map(|claim| object::uid(&claim).to_owned())
}

async fn serve(visit: Visit, request: Request<Body>) -> Response<Body> {
    let client = Client { world: visit.world.clone(), caller: visit.as_caller() };
    let Ok(server) = server(&visit.world, &visit.pod, &visit.container) else {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "connection refused");
    };
    let endpoints = server.provider.endpoints(&client, &server.settings).await;
    if visit.port == server.settings.readiness_port {
        let mut response = Response::new(Body::empty());
        if endpoints.is_none() {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        return response;
    }
    if let Some(refusal) = refusal(&request) {
        return refusal;
    }
    let path = request.uri().path().to_owned();
    if visit.port == server.settings.web_port {
        return site(request.method(), &path);
    }
    if let Some(response) = preflight(request.method(), request.headers()) {
        return response;
    }
    let any_origin = request.headers().contains_key(header::ORIGIN);
    let decoded = escape::unescape_path(&path).unwrap_or_default();
    let uri = request.uri().path_and_query().map_or_else(|| path.clone(), ToString::to_string);
    let (parts, form) = form::read(request).await;
    let exchange = Exchange { server, client, method: parts.method, path, decoded, uri, headers: parts.headers, form };
    let mut response = exchange.route(endpoints).await;
    if any_origin {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}

/// The CORS wrapper around everything: it answers `OPTIONS` itself, and without `Origin` with 200, which the gateway
/// takes for an allowance.
fn preflight(method: &Method, headers: &HeaderMap) -> Option<Response<Body>> {
    if method != Method::OPTIONS {
        return None;
    }
    let mut response = Response::new(Body::empty());
    if headers.contains_key(header::ORIGIN) {
        match headers.get(header::ACCESS_CONTROL_REQUEST_METHOD).map(HeaderValue::as_bytes) {
            None => *response.status_mut() = StatusCode::BAD_REQUEST,
            Some(b"GET" | b"HEAD" | b"POST") => {
                response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
            Some(_) => *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED,
        }
    }
    Some(response)
}

/// The pages, which have a port of their own and no route through the gateway.
fn site(method: &Method, path: &str) -> Response<Body> {
    let page = |title: &str| {
        let page = format!("<!DOCTYPE html>\n<html lang=\"en\"><title>{title}</title><h1>{title}</h1></html>\n");
        answer(StatusCode::OK, "text/html; charset=utf-8", page)
    };
    match (method, path) {
        (&Method::GET, "/site/homepage") => page("Welcome"),
        (&Method::GET, "/site/after_logout") => page("You are logged out"),
        _ => not_found(),
    }
}

impl Exchange {
    /// Whether a switch of the platform is on.
    fn switch(&self, name: &str) -> bool {
        switches::is_on(&self.client.world.store, name)
    }

    async fn route(self, endpoints: Option<provider::Endpoints>) -> Response<Body> {
        let settings = &self.server.settings;
        let cleaned = clean_request(&self.decoded);
        if cleaned != self.decoded {
            let query = self.uri.split_once('?').map_or(String::new(), |(_, query)| format!("?{query}"));
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
            set_header(response.headers_mut(), header::LOCATION, &format!("{}{query}", escape_path(&cleaned)));
            return response;
        }
        if self.method == Method::GET && self.decoded == settings.callback_path {
            return login::callback(&self, endpoints.as_ref()).await;
        }
        if self.method == Method::POST && self.decoded == settings.logout_path {
            return login::logout(&self, endpoints.is_some());
        }
        if settings.skip_auth_urls.iter().any(|prefix| self.decoded.starts_with(prefix)) {
            return message(StatusCode::OK, "OK");
        }
        let Some(endpoints) = endpoints else {
            return message(StatusCode::SERVICE_UNAVAILABLE, "OIDC Setup is not complete yet.");
        };
        match identity::authenticate(&self, &endpoints).await {
            Ok(Some(user)) => self.authorize(&user),
            Ok(None) => login::begin(&self, &endpoints),
            Err(identity::Panicked) => login::panicked(),
        }
    }

    /// Lets a user pass whose groups are allowed; tells the gateway who it is.
    fn authorize(&self, user: &identity::User) -> Response<Body> {
        let settings = &self.server.settings;
        let allowed = &settings.groups_allowlist;
        let mut response = Response::new(Body::empty());
        if !allowed.iter().any(|group| group == "*" || user.groups.contains(group)) {
            let text = format!(
                "User '{}' failed authorization with reason: User's groups ([{}]) are not in allowlist.. \
                 Click <a href='{}'> here</a> to login again.",
                user.name,
                user.groups.join(","),
                settings.homepage_url
            );
            response = answer(StatusCode::FORBIDDEN, "text/html", text);
            if let Found::Session(id, _) = identity::session(self) {
                let line = self.server.store.remove_session(&id);
                response.headers_mut().append(header::SET_COOKIE, header_value(&line));
            }
            return response;
        }
        let groups = user.groups.join(",");
        for (name, value) in
            [(&settings.user_id_header, settings.user_id(&user.name)), (&settings.groups_header, groups)]
        {
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                set_header(response.headers_mut(), name, &value);
            }
        }
        response
    }
}

/// A text answer.
fn message(status: StatusCode, text: &str) -> Response<Body> {
    answer(status, "text/plain", text.to_owned())
}
