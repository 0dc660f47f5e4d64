//! Who sends a request: a session, an ID token, or a service-account token, in this order.

use http::HeaderName;
use jiff::Timestamp;
use serde_json::Value;

use super::Exchange;
use super::provider::{Endpoints, TokenSwitches};
use super::store::{Found, SESSION, Session};
use crate::access::tokens;
use crate::actors::net_http::cookie::cookie;
use crate::actors::net_http::header_text;
use crate::switches;

/// A user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// The real program ends the request without an answer (a panic of its handler).
#[derive(Debug, PartialEq, Eq)]
pub struct Panicked;

/// The user of claims; `None` if the claim of the name is absent.
///
/// # Errors
/// [`Panicked`] for a name that is no text, or groups that are no list of texts.
pub fn user_of(claims: &Value, user_claim: &str, groups_claim: &str) -> Result<Option<User>, Panicked> {
    let name = match claims.get(user_claim) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(name)) => name.clone(),
        Some(_) => return Err(Panicked),
    };
    Ok(Some(User { name, groups: groups_of(claims, groups_claim)? }))
}

/// The groups of claims; none if the claim is absent.
///
/// # Errors
/// [`Panicked`] for groups that are no list of texts.
pub fn groups_of(claims: &Value, groups_claim: &str) -> Result<Vec<String>, Panicked> {
    match claims.get(groups_claim) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(groups)) => {
            groups.iter().map(|group| group.as_str().map(str::to_owned).ok_or(Panicked)).collect()
        }
        Some(_) => Err(Panicked),
    }
}

/// The token in a header: behind `Bearer `, or the whole value.
pub fn bearer(exchange: &Exchange, header: &str) -> String {
    let name = HeaderName::from_bytes(header.as_bytes());
    let value = name.map(|name| header_text(&exchange.headers, &name)).unwrap_or_default();
    let value = value.trim();
    value.strip_prefix("Bearer ").unwrap_or(value).to_owned()
}

/// The session of a request: by id in the header, else by cookie. The switch `session-unchecked` takes any such cookie
/// for one of the default user.
pub fn session(exchange: &Exchange) -> Found {
    let (store, now) = (&exchange.server.store, Timestamp::now());
    let id = bearer(exchange, &exchange.server.settings.auth_header);
    if !id.is_empty()
        && let found @ Found::Session(..) = store.session(&id, now)
    {
        return found;
    }
    let Some(value) = cookie(&exchange.headers, SESSION) else { return Found::Nothing };
    match store.session(&value, now) {
        found @ Found::Session(..) => found,
        _ if exchange.switch("session-unchecked") => {
            let session = Session { user: switches::DEFAULT_USER.to_owned(), ..Session::default() };
            Found::Session(String::new(), Box::new(session))
        }
        found => found,
    }
}

/// Finds out who asks.
///
/// # Errors
/// [`Panicked`].
pub async fn authenticate(exchange: &Exchange, endpoints: &Endpoints) -> Result<Option<User>, Panicked> {
    let settings = &exchange.server.settings;
    if let Found::Session(id, session) = session(exchange) {
        let provider = &exchange.server.provider;
        let live = !settings.strict_session_validation
            || exchange.switch("session-unchecked")
            || provider.user_info(&exchange.client, endpoints, &session.access_token).await.is_some();
        if live {
            return Ok(Some(User { name: session.user, groups: session.groups }));
        }
        exchange.server.store.remove_session(&id);
    }
    let token = bearer(exchange, &settings.id_token_header);
    if !token.is_empty() {
        let claims = exchange.server.provider.verified(&exchange.client, settings, endpoints, &token).await;
        if let Some(claims) = claims
            && let Some(user) = user_of(&claims, &settings.user_id_claim, &settings.groups_claim)?
        {
            return Ok(Some(user));
        }
    }
    Ok(service_account(exchange))
}

/// A token that the API server issued for one of the configured audiences. Only `Authorization` counts, and only with
/// the scheme, in any case (Kubernetes `bearertoken.go`).
fn service_account(exchange: &Exchange) -> Option<User> {
    let authorization = header_text(&exchange.headers, &http::header::AUTHORIZATION);
    let mut parts = authorization.trim().split(' ');
    let (scheme, token) = (parts.next()?, parts.next()?);
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return None;
    }
    let audiences: Vec<&str> = exchange.server.settings.audiences.iter().map(String::as_str).collect();
    let switches = TokenSwitches::of(&exchange.client.world.store);
    let audiences = if switches.any_audience { None } else { Some(audiences.as_slice()) };
    let valid = tokens::validate_laxly(&exchange.client.world, token, audiences, !switches.any_time)?;
    Some(User { name: valid.user.name, groups: valid.user.groups })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn odd_claims_end_the_request() {
        let user = |claims: Value| user_of(&claims, "email", "groups");
        let named = |groups: &[&str]| User { name: "a".into(), groups: groups.iter().map(|g| (*g).into()).collect() };
        assert_eq!(user(json!({"email": "a"})), Ok(Some(named(&[]))));
        assert_eq!(user(json!({"email": "a", "groups": ["b"]})), Ok(Some(named(&["b"]))));
        assert_eq!(user(json!({"groups": 1})), Ok(None));
        for claims in [json!({"email": 1}), json!({"email": "a", "groups": "b"}), json!({"email": "a", "groups": [1]})]
        {
            assert_eq!(user(claims.clone()), Err(Panicked), "{claims}");
        }
    }
}
