//! The provider: discovery with retries, redeeming a code, the user's claims.

use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::settings::Settings;
use crate::actors::net_http::escape::escape_query;
use crate::actors::net_http::form::Values;
use crate::actors::oidc_client::{Client, Demands, Patience, RemoteKeys};
use crate::store::Store;
use crate::switches;

/// Time between attempts to discover the provider (`main.go`).
const RETRY: Duration = Duration::from_secs(10);
/// How far `nbf` may lie in the future, in seconds (go-oidc 2.1).
const NOT_BEFORE_LEEWAY: i64 = 60;

/// Addresses of the provider.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// Where the browser logs in.
    pub login: String,
    /// Where codes are redeemed.
    pub token: String,
    /// Where the user's claims are.
    pub user_info: String,
    /// Where the keys are.
    pub keys: String,
}

/// What is known of the provider.
pub struct Known {
    state: Mutex<State>,
    keys: RemoteKeys,
}

#[derive(Default)]
struct State {
    endpoints: Option<Endpoints>,
    tried: Option<Instant>,
}

impl Default for Known {
    fn default() -> Self {
        Self { state: Mutex::default(), keys: RemoteKeys::new(Patience::MaxAge) }
    }
}

impl Known {
    /// The provider's addresses, once discovery has worked. The real program tries every ten seconds; so does this one,
    /// as long as it is asked.
    pub async fn endpoints(&self, client: &Client, settings: &Settings) -> Option<Endpoints> {
        let mut state = self.state.lock().await;
        if state.endpoints.is_none() && state.tried.is_none_or(|tried| tried.elapsed() >= RETRY) {
            state.tried = Some(Instant::now());
            state.endpoints = client.discover(&settings.provider).await.map(|document| {
                let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
                Endpoints {
                    login: if settings.auth_url.is_empty() {
                        text("authorization_endpoint")
                    } else {
                        settings.auth_url.clone()
                    },
                    token: text("token_endpoint"),
                    user_info: text("userinfo_endpoint"),
                    keys: text("jwks_uri"),
                }
            });
        }
        state.endpoints.clone()
    }

    /// Redeems a code: the access token and the user's claims from userinfo.
    ///
    /// # Errors
    /// The text that the program answers with.
    pub async fn redeem(
        &self,
        client: &Client,
        settings: &Settings,
        endpoints: &Endpoints,
        code: &str,
    ) -> Result<(String, Value), &'static str> {
        let mut form = Values::default();
        form.set("grant_type", "authorization_code");
        form.set("code", code);
        form.set("redirect_uri", settings.redirect_url.as_str());
        let pair = format!("{}:{}", escape_query(&settings.client_id), escape_query(&settings.client_secret));
        let failed = "Failed to exchange authorization code with token.";
        let request = Request::post(&endpoints.token)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)))
            .body(Body::from(form.encode()))
            .map_err(|_| failed)?;
        let answer = client.send(request).await;
        let tokens = answer.json.filter(|_| answer.status == StatusCode::OK).ok_or(failed)?;
        let id_token = tokens["id_token"].as_str().ok_or("No id_token field in OAuth 2.0 token.")?;
        let verified = self.verified(client, settings, endpoints, id_token).await;
        verified.ok_or("Unable to verify ID token.")?;
        let access_token = tokens["access_token"].as_str().unwrap_or_default().to_owned();
        let claims = self.user_info(client, endpoints, &access_token).await.ok_or("Not able to fetch userinfo.")?;
        Ok((access_token, claims))
    }

    /// The claims at the provider's userinfo endpoint.
    pub async fn user_info(&self, client: &Client, endpoints: &Endpoints, access_token: &str) -> Option<Value> {
        let authorization = format!("Bearer {access_token}");
        client.get(&endpoints.user_info, Some(&authorization)).await.map(|(claims, _)| claims)
    }

    /// The claims of an ID token of this client.
    pub async fn verified(
        &self,
        client: &Client,
        settings: &Settings,
        endpoints: &Endpoints,
        token: &str,
    ) -> Option<Value> {
        let claims = self.keys.verified(client, &endpoints.keys, token).await?;
        let switches = TokenSwitches::of(&client.world.store);
        let audiences = [settings.client_id.as_str()];
        let demands = Demands {
            issuer: &settings.provider,
            audiences: if switches.any_audience { None } else { Some(&audiences) },
            not_before_leeway: if switches.any_time { None } else { Some(NOT_BEFORE_LEEWAY) },
        };
        if demands.are_met_by(&claims, Timestamp::now()) { Some(claims) } else { None }
    }
}

/// What faults make the program overlook in tokens.
#[derive(Debug, Clone, Copy)]
pub struct TokenSwitches {
    /// Whom a token is for does not matter.
    pub any_audience: bool,
    /// When a token is valid does not matter.
    pub any_time: bool,
}

impl TokenSwitches {
    /// As they stand now.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        Self {
            any_audience: switches::is_on(store, "token-audience-unchecked"),
            any_time: switches::is_on(store, "token-expiry-unchecked"),
        }
    }
}
