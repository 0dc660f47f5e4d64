//! oauth2-proxy: asked by the gateway about every request, and itself the client of the provider.
//!
//! Facts: oauth2-proxy `oauthproxy.go` and `pkg/` at v7.6.0 and v7.7.1, and recorded exchanges of the real program. Not
//! played: providers other than `oidc`, upstreams other than `static://200`, server-side sessions, `cookie_refresh`,
//! `reverse_proxy`, htpasswd, extra JWT issuers.

use std::sync::Arc;

use axum::body::Body;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;

use super::net_http::form::{self, Form};
use super::net_http::path::{clean_request, escape_path};
use super::net_http::{answer, header_text, refusal, set_header};
use super::oidc_client::Client;
use super::{Actor, Visit, started, tag};
use crate::kubelet::environment;
use crate::platform::World;
use crate::switches;

mod assets;
mod cookies;
mod login;
mod pages;
mod provider;
mod redirects;
mod sealed;
mod session;
mod settings;

use settings::Settings;

/// The actor.
pub struct Oauth2Proxy;

/// One started oauth2-proxy.
struct Server {
    settings: Settings,
    provider: provider::Known,
    /// The sign-in page's picture: SVG, or empty.
    logo: String,
}

/// One request, taken apart.
struct Exchange {
    server: Arc<Server>,
    client: Client,
    method: Method,
    path: String,
    /// Path and query as they arrived.
    uri: String,
    host: String,
    headers: HeaderMap,
    form: Form,
}

impl Actor for Oauth2Proxy {
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
    let arguments: Vec<String> = started::arguments(pod, container).map(str::to_owned).collect();
    let path = arguments.iter().find_map(|argument| argument.trim_start_matches('-').strip_prefix("config="));
    let file = |path: &str| environment::file(&world.store, pod, container, path);
    let text = match path {
        Some(path) => file(path).ok_or_else(|| format!("unable to load config file: {path}: no such file"))?,
        None => String::new(),
    };
    let variables = environment::variables(&world.store, pod, container);
    let settings = Settings::read(&text, &variables, &arguments, tag(started::image(pod, container)))?;
    let logo = if settings.logo.ends_with(".svg") { file(&settings.logo).unwrap_or_default() } else { String::new() };
    let logo = logo.find("<svg").map_or(String::new(), |begin| logo[begin..].to_owned());
    Ok(Server { settings, provider: provider::Known::default(), logo })
}

async fn serve(visit: Visit, request: Request<Body>) -> Response<Body> {
    let client = Client { world: visit.world.clone(), caller: visit.as_caller() };
    let nobody = || answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "connection refused");
    let Ok(server) = server(&visit.world, &visit.pod, &visit.container) else { return nobody() };
    if server.provider.endpoints(&client, &server.settings.provider).await.is_none() {
        return nobody();
    }
    if let Some(refusal) = refusal(&request) {
        return refusal;
    }
    let path = request.uri().path().to_owned();
    let uri = request.uri().path_and_query().map_or_else(|| path.clone(), ToString::to_string);
    let host = request.uri().authority().map(ToString::to_string);
    let host = host.unwrap_or_else(|| header_text(request.headers(), &header::HOST));
    let (parts, form) = form::read(request).await;
    Exchange { server, client, method: parts.method, path, uri, host, headers: parts.headers, form }.route().await
}

impl Exchange {
    async fn route(self) -> Response<Body> {
        let settings = &self.server.settings;
        let cleaned = clean_request(&self.path);
        if cleaned != self.path {
            return self.moved(&escape_path(&cleaned));
        }
        if [&settings.ping_path, &settings.ready_path].contains(&&self.path) {
            return answer(StatusCode::OK, "text/plain; charset=utf-8", "OK");
        }
        if self.path == "/robots.txt" {
            return answer(StatusCode::OK, "text/plain; charset=utf-8", "User-agent: *\nDisallow: /\n");
        }
        match self.path.strip_prefix(settings.prefix.as_str()) {
            Some("/auth") => session::auth_only(&self).await,
            Some("/sign_in") => session::sign_in(&self).await,
            Some("/sign_out") => session::sign_out(&self),
            Some("/start") => login::start(&self).await,
            Some("/callback") => login::callback(&self).await,
            Some("/userinfo") => session::user_info(&self).await,
            Some(below) if below.starts_with("/static/") => self.no_cache(assets::serve(&self.method, below)),
            _ => session::check(&self).await,
        }
    }

    /// A redirect of gorilla/mux to a path that means the same.
    fn moved(&self, path: &str) -> Response<Body> {
        let query = self.uri.split_once('?').map_or(String::new(), |(_, query)| format!("?{query}"));
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
        set_header(response.headers_mut(), header::LOCATION, &format!("{path}{query}"));
        response
    }

    /// The router in front of the upstream looks at the decoded path, unlike the first one.
    fn cleaned_by_upstream(&self) -> Option<Response<Body>> {
        let decoded = super::net_http::escape::unescape_path(&self.path).ok()?;
        let cleaned = clean_request(&decoded);
        if cleaned == decoded { None } else { Some(self.moved(&escape_path(&cleaned))) }
    }

    /// Whether a switch of the platform is on.
    fn switch(&self, name: &str) -> bool {
        switches::is_on(&self.client.world.store, name)
    }

    /// A header as text; empty if absent.
    fn header(&self, name: &'static str) -> String {
        header_text(&self.headers, &HeaderName::from_static(name))
    }

    /// The lines that delete the session.
    fn deletions(&self) -> Vec<String> {
        self.server.settings.cookie.deletions(&self.headers, &self.host, Timestamp::now())
    }

    /// Where the provider sends the browser back to.
    fn redirect_uri(&self) -> String {
        let settings = &self.server.settings;
        if settings.relative_redirect_url || settings.redirect_url.contains("://") {
            return settings.redirect_url.clone();
        }
        let scheme = if settings.cookie.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.host, settings.redirect_url)
    }

    /// The error page; without a message, the status' own.
    fn refuse(&self, status: StatusCode, message: Option<&str>) -> Response<Body> {
        let target = redirects::target(self).unwrap_or_default();
        let own = format!("{}/sign_in", self.server.settings.prefix);
        let target = if target.is_empty() || target == own { "/" } else { &target };
        pages::error(&self.server.settings, status, message, target)
    }

    /// Forbids caching.
    fn no_cache(&self, mut response: Response<Body>) -> Response<Body> {
        for (name, value) in [
            (header::CACHE_CONTROL, "no-cache, no-store, must-revalidate, max-age=0"),
            (header::EXPIRES, "Thu, 01 Jan 1970 00:00:00 UTC"),
            (HeaderName::from_static("x-accel-expires"), "0"),
        ] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
