//! The provider: where the browser logs in, redeeming a code, checking an ID token (`providers/oidc.go`).

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::cookies::Session;
use super::settings::{Provider, Settings};
use crate::actors::net_http::escape::escape_query;
use crate::actors::net_http::form::Values;
use crate::actors::oidc_client::{Client, Demands, Patience, RemoteKeys};

/// How far `nbf` may lie in the future, in seconds (go-oidc 3).
const NOT_BEFORE_LEEWAY: i64 = 5 * 60;

/// Addresses of the provider.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// Where the browser logs in.
    pub login: String,
    /// Where codes are redeemed.
    pub redeem: String,
    /// Where the keys are.
    pub keys: String,
}

/// What is known of the provider.
pub struct Known {
    endpoints: OnceCell<Endpoints>,
    keys: RemoteKeys,
}

impl Default for Known {
    fn default() -> Self {
        Self { endpoints: OnceCell::new(), keys: RemoteKeys::new(Patience::None) }
    }
}

impl Known {
    /// The configured addresses, or the discovered ones. The real program exits when discovery fails at its start and is
    /// started again; here it is as if nobody listened until discovery works.
    pub async fn endpoints(&self, client: &Client, provider: &Provider) -> Option<&Endpoints> {
        let found = self.endpoints.get_or_try_init(|| async {
            if provider.skip_discovery {
                let (login, redeem) = (provider.login_url.clone(), provider.redeem_url.clone());
                return Ok(Endpoints { login, redeem, keys: provider.jwks_url.clone() });
            }
            let document = client.discover(&provider.issuer).await.ok_or(())?;
            let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
            Ok::<_, ()>(Endpoints {
                login: text("authorization_endpoint"),
                redeem: text("token_endpoint"),
                keys: text("jwks_uri"),
            })
        });
        found.await.ok()
    }

    /// Redeems a code: who is logged in, or nothing if any step fails.
    pub async fn redeem(
        &self,
        client: &Client,
        settings: &Settings,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> Option<Session> {
        let provider = &settings.provider;
        let endpoints = self.endpoints(client, provider).await?;
        let mut form = Values::default();
        form.set("grant_type", "authorization_code");
        form.set("code", code);
        form.set("redirect_uri", redirect_uri);
        if !verifier.is_empty() {
            form.set("code_verifier", verifier);
        }
        let pair = format!("{}:{}", escape_query(&provider.client_id), escape_query(&provider.client_secret));
        let request = Request::post(&endpoints.redeem)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)))
            .body(Body::from(form.encode()))
            .ok()?;
        let answer = client.send(request).await;
        let tokens = answer.json.filter(|_| answer.status == StatusCode::OK)?;
        let text = |name: &str| tokens[name].as_str().unwrap_or_default().to_owned();
        let mut session = self.session_of(client, provider, &text("id_token")).await?;
        (session.access_token, session.refresh_token) = (text("access_token"), text("refresh_token"));
        if session.email.is_empty() { None } else { Some(session) }
    }

    /// The session of a good ID token.
    pub async fn session_of(&self, client: &Client, provider: &Provider, id_token: &str) -> Option<Session> {
        let claims = self.verified(client, provider, id_token).await?;
        let text = |name: &str| match &claims[name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let unverified = provider.email_claim == "email" && claims["email_verified"] == Value::Bool(false);
        if unverified && !provider.allow_unverified_email {
            return None;
        }
        let groups = match &claims[provider.groups_claim.as_str()] {
            Value::Array(groups) => {
                groups.iter().map(|group| group.as_str().map_or_else(|| group.to_string(), str::to_owned)).collect()
            }
            Value::Null => Vec::new(),
            one => vec![one.as_str().map_or_else(|| one.to_string(), str::to_owned)],
        };
        Some(Session {
            id_token: id_token.to_owned(),
            user: text("sub"),
            email: text(&provider.email_claim),
            groups,
            preferred_username: text("preferred_username"),
            ..Session::default()
        })
    }

    /// The claims of an ID token that the provider signed for this client.
    pub async fn verified(&self, client: &Client, provider: &Provider, id_token: &str) -> Option<Value> {
        let endpoints = self.endpoints(client, provider).await?;
        let claims = self.keys.verified(client, &endpoints.keys, id_token).await?;
        let mut audiences: Vec<&str> = vec![&provider.client_id];
        audiences.extend(provider.extra_audiences.iter().map(String::as_str));
        let demands = Demands {
            issuer: &provider.issuer,
            audiences: Some(&audiences),
            not_before_leeway: Some(NOT_BEFORE_LEEWAY),
        };
        if demands.are_met_by(&claims, Timestamp::now()) { Some(claims) } else { None }
    }
}
