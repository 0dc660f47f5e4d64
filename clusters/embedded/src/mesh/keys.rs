//! The keys of token issuers, fetched and kept as istiod does.
//!
//! Source: istiod's `pilot/pkg/model/jwks_resolver.go`: without `jwksUri` the issuer's discovery document names it; keys
//! are kept and fetched again after the refresh interval; what could not be fetched is replaced by a key that verifies
//! nothing until the next interval has passed. One difference: istiod fetches when the configuration is pushed, this
//! platform when a token first needs the keys, so that a platform which has just started need not wait out an interval.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::jwt::Keys;
use super::{Caller, call};
use crate::object;
use crate::platform::World;

/// Where the keys of a rule come from.
#[derive(Debug)]
pub(crate) enum KeySource {
    /// In the rule itself (`jwks`).
    Inline(Arc<Keys>),
    /// From the network.
    Remote {
        /// The issuer, an URL.
        issuer: String,
        /// `jwksUri`, empty if the issuer's discovery document names it.
        uri: String,
    },
}

impl KeySource {
    pub(crate) fn read(rule: &Value, issuer: &str) -> Self {
        match object::text(rule, "/jwks") {
            "" => Self::Remote {
                issuer: issuer.to_owned(),
                uri: match object::text(rule, "/jwksUri") {
                    "" => object::text(rule, "/jwks_uri").to_owned(),
                    uri => uri.to_owned(),
                },
            },
            text => {
                let document: Value = serde_json::from_str(text).unwrap_or_default();
                Self::Inline(Arc::new(Keys::read(&document).unwrap_or(Keys::Set(Vec::new()))))
            }
        }
    }

    /// The keys as the workload knows them now.
    pub(crate) async fn get(&self, world: &Arc<World>) -> Arc<Keys> {
        match self {
            Self::Inline(keys) => keys.clone(),
            Self::Remote { issuer, uri } => world.memory.of::<Resolver>("istiod").get(world, issuer, uri).await,
        }
    }
}

/// What istiod remembers of the issuers.
#[derive(Default)]
struct Resolver {
    entries: Mutex<HashMap<(String, String), Entry>>,
}

struct Entry {
    keys: Arc<Keys>,
    fetched: Instant,
}

impl Resolver {
    async fn get(&self, world: &Arc<World>, issuer: &str, uri: &str) -> Arc<Keys> {
        let mut entries = self.entries.lock().await;
        let key = (issuer.to_owned(), uri.to_owned());
        let known = entries.get(&key);
        let interval = super::settings_of(world).keys_refresh;
        if let Some(entry) = known.filter(|entry| entry.fetched.elapsed() < interval) {
            return entry.keys.clone();
        }
        // Keys once known outlive a failed fetch.
        let before = known.map(|entry| entry.keys.clone());
        let keys = match fetch_keys(world, issuer, uri).await {
            Some(keys) => Arc::new(keys),
            None => before.unwrap_or(Arc::new(Keys::Placeholder)),
        };
        entries.insert(key, Entry { keys: keys.clone(), fetched: Instant::now() });
        keys
    }
}

async fn fetch_keys(world: &Arc<World>, issuer: &str, uri: &str) -> Option<Keys> {
    let uri = if uri.is_empty() {
        let discovery = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        object::text(&fetch(world, &discovery).await?, "/jwks_uri").to_owned()
    } else {
        uri.to_owned()
    };
    Keys::read(&fetch(world, &uri).await?)
}

async fn fetch(world: &Arc<World>, url: &str) -> Option<Value> {
    let request = Request::get(url).body(Body::empty()).ok()?;
    let istiod = Caller { namespace: "istio-system".to_owned(), service_account: "istiod".to_owned(), in_mesh: false };
    let response = Box::pin(call(world, istiod, request)).await;
    if response.status() != StatusCode::OK {
        return None;
    }
    serde_json::from_slice(&response.into_body().collect().await.ok()?.to_bytes()).ok()
}
