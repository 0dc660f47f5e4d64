//! Dex, the OpenID Connect provider: discovery, the login form, tokens.
//!
//! Facts: dexidp/dex `server/` at v2.36.0, v2.39.1 and v2.41.1, and recorded exchanges of the real program. Not played:
//! connectors to other identity providers, the gRPC API; of the custom resources that `storage: kubernetes` writes only
//! the signing keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use serde_json::Value;

use super::net_http::form::{self, Form};
use super::net_http::{answer, not_found, refusal};
use super::{Actor, Visit, repository, started, tag};
use crate::kubelet::environment;
use crate::object;
use crate::platform::World;
use crate::switches;

mod assets;
mod authorize;
mod device;
mod discovery;
mod errors;
mod introspect;
mod keys;
mod login;
mod pages;
mod password;
mod resources;
mod settings;
mod store;
mod token;
mod tokens;

use settings::Settings;
use store::Storage;

/// Where the shipped Deployments mount the configuration, unless the command says otherwise.
const CONFIG: &str = "/etc/dex/cfg/config.yaml";

/// The actor.
pub struct Dex;

/// One started Dex: its configuration as it was when the pod started, and its storage.
struct Server {
    settings: Settings,
    storage: Arc<Storage>,
}

/// How many storages a platform has seen: each gets keys of its own.
#[derive(Default)]
struct Storages(AtomicUsize);

/// One request, taken apart.
struct Exchange {
    server: Arc<Server>,
    world: Arc<World>,
    method: Method,
    /// Path below the issuer's, undecoded.
    path: String,
    /// Whole path.
    full_path: String,
    /// Path and query as they arrived.
    uri: String,
    headers: http::HeaderMap,
    form: Form,
}

impl Actor for Dex {
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
    let path = started::arguments(pod, container).find(|text| text.ends_with(".yaml")).unwrap_or(CONFIG);
    let text = environment::file(&world.store, pod, container, path)
        .ok_or_else(|| format!("failed to read config file {path}: no such file or directory"))?;
    let variables = environment::variables(&world.store, pod, container);
    let settings = Settings::read(&text, &variables, tag(started::image(pod, container)))?;
    let owner = if settings.durable { format!("dex/{}", object::namespace(pod)) } else { object::uid(pod).to_owned() };
    let storage = world.memory.of::<Storage>(&owner);
    storage.keys.begin_with(|| world.memory.of::<Storages>("dex").0.fetch_add(1, Ordering::Relaxed));
    keys::prepare();
    if settings.in_cluster {
        resources::define(world);
    }
    Ok(Server { settings, storage })
}

/// An ID token of the default user for a client, issued without any login: what clients need that take anything for a
/// session. `None` while no Dex runs, or if it does not know that user.
pub async fn issue_unasked(world: &World, client: &str) -> Option<String> {
    let pods = world.store.list("", "pods", None);
    let server = pods.iter().find_map(|pod| {
        let containers = object::list(pod, "/spec/containers");
        let is_dex = |container: &&Value| repository(object::text(container, "/image")).ends_with("/dex");
        let container = containers.iter().find(is_dex)?;
        server(world, pod, object::text(container, "/name")).ok()
    })?;
    let claims = server.settings.user(switches::DEFAULT_USER)?.claims();
    let scopes = ["openid", "email", "profile", "groups"].map(str::to_owned).to_vec();
    let (client, connector) = (client.to_owned(), settings::LOCAL.to_owned());
    let subject = tokens::Subject { client, claims, scopes, nonce: String::new(), connector };
    tokens::issue(&server, &subject, "").await.ok().map(|issued| issued.id_token)
}

async fn serve(visit: Visit, request: Request<Body>) -> Response<Body> {
    let server = match server(&visit.world, &visit.pod, &visit.container) {
        Ok(server) => server,
        // The kubelet restarts a pod whose program does not start; whoever reaches it meanwhile finds nobody listening.
        Err(_) => return answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "connection refused"),
    };
    if let Some(refusal) = refusal(&request) {
        return refusal;
    }
    let full_path = request.uri().path().to_owned();
    let uri = request.uri().path_and_query().map_or_else(|| full_path.clone(), ToString::to_string);
    let Some(path) = full_path.strip_prefix(&server.settings.path).map(str::to_owned) else { return not_found() };
    if let Some(response) = assets::serve(request.method(), &path) {
        return response;
    }
    let (parts, form) = form::read(request).await;
    let world = visit.world.clone();
    let (storage, in_cluster) = (server.storage.clone(), server.settings.in_cluster);
    let exchange = Exchange { server, world, method: parts.method, path, full_path, uri, headers: parts.headers, form };
    let response = exchange.route().await;
    if in_cluster {
        resources::keep(&visit.world, object::namespace(&visit.pod), &storage.keys);
    }
    response
}

impl Exchange {
    async fn route(self) -> Response<Body> {
        let mut parts = self.path.split('/').skip(1);
        let place = (parts.next(), parts.next(), parts.next(), parts.next());
        match place {
            (Some(".well-known"), Some("openid-configuration"), None, _) => discovery::document(&self),
            (Some("keys"), None, ..) => discovery::keys(&self).await,
            (Some("healthz"), None, ..) => answer(StatusCode::OK, "text/plain; charset=utf-8", "Health check passed"),
            (Some("auth"), None, ..) => authorize::choose_connector(&self),
            (Some("auth"), Some(connector), None, _) if !connector.is_empty() => authorize::begin(&self, connector),
            (Some("auth"), Some(connector), Some("login"), None) if !connector.is_empty() => {
                login::password(&self, connector).await
            }
            (Some("callback"), None, ..) => login::connector_callback(&self),
            (Some("callback"), Some(connector), None, _) if !connector.is_empty() => login::connector_callback(&self),
            (Some("approval"), None, ..) => login::approval(&self).await,
            (Some("token"), None, ..) => token::endpoint(&self).await,
            (Some("token"), Some("introspect"), None, _) if self.server.settings.version.since_2_39() => {
                introspect::token(&self)
            }
            (Some("userinfo"), None, ..) => introspect::user_info(&self),
            (Some("device"), None, ..) => device::page(&self),
            (Some("device"), Some("code"), None, _) => device::code(&self),
            (Some("device"), Some("auth"), Some("verify_code"), None) => device::verify(&self),
            (Some("device"), Some("token"), None, _) => device::deprecated_token(&self),
            (Some("device"), Some("callback"), None, _) => device::callback(&self).await,
            (Some("robots.txt"), None, ..) => {
                answer(StatusCode::OK, "text/plain; charset=utf-8", "User-agent: *\nDisallow: /\n")
            }
            _ => not_found(),
        }
    }

    /// Whether a switch of the platform is on.
    fn switch(&self, name: &str) -> bool {
        switches::is_on(&self.world.store, name)
    }

    /// The error page.
    fn refuse(&self, status: StatusCode, text: &str) -> Response<Body> {
        pages::error(&self.server.settings.title, status, text)
    }
}

impl Server {
    /// A path below the issuer's.
    fn path(&self, below: &str) -> String {
        format!("{}{below}", self.settings.path)
    }

    async fn signing_key(&self) -> Result<Arc<keys::Key>, String> {
        self.storage.keys.signing(self.settings.keys_live, self.settings.id_tokens_live).await
    }
}
