//! What a token says: `/userinfo` and `/token/introspect` (RFC 7662; Dex asks for no client authentication there).

use axum::body::Body;
use http::{Method, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::errors::OauthError;
use super::settings::Settings;
use super::tokens::{subject_id, unpair};
use super::{Exchange, Server};
use crate::actors::net_http::{answer, header_text, set_header};

/// The claims of a good token of this issuer.
///
/// # Errors
/// Why it is none, in the words of the OpenID Connect library that Dex uses.
fn verified(server: &Server, token: &str) -> Result<Value, String> {
    if token.matches('.').count() != 2 {
        let parts = token.split('.').count();
        return Err(format!("oidc: malformed jwt: oidc: malformed jwt, expected 3 parts got {parts}"));
    }
    let claims = server.storage.keys.verified(token);
    let claims = claims.ok_or("failed to verify signature: failed to verify id token signature")?;
    let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    if issuer != server.settings.issuer {
        return Err(format!(
            "oidc: id token issued by a different provider, expected {:?} got {issuer:?}",
            server.settings.issuer
        ));
    }
    let expiry = claims.get("exp").and_then(Value::as_i64).unwrap_or_default();
    let expiry = Timestamp::from_second(expiry).unwrap_or_default();
    if expiry < Timestamp::now() {
        let time = expiry.strftime("%F %T +0000 UTC");
        return Err(format!("oidc: token is expired (Token Expiry: {time})"));
    }
    Ok(claims)
}

/// `/userinfo`: the claims of the bearer token.
pub fn user_info(exchange: &Exchange) -> Response<Body> {
    let authorization = header_text(&exchange.headers, &header::AUTHORIZATION);
    let scheme = authorization.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
    let Some(scheme) = scheme else {
        let refusal = OauthError::new(StatusCode::UNAUTHORIZED, "access_denied", "Invalid bearer token.");
        let mut response = refusal.into_response();
        set_header(response.headers_mut(), header::WWW_AUTHENTICATE, "Bearer");
        return response;
    };
    match verified(&exchange.server, &authorization[scheme.len()..]) {
        Ok(claims) => answer(StatusCode::OK, "application/json", claims.to_string()),
        Err(why) => OauthError::new(StatusCode::FORBIDDEN, "access_denied", why).into_response(),
    }
}

/// `/token/introspect`.
pub fn token(exchange: &Exchange) -> Response<Body> {
    let posted = &exchange.form.body;
    let bad = |description: &str| OauthError::bad_request("invalid_request", description).into_response();
    if exchange.method != Method::POST {
        return bad(&format!("HTTP method is \"{}\", expected \"POST\".", exchange.method));
    }
    if exchange.form.error.is_some() {
        return bad("Unable to parse HTTP body, make sure to send a properly formatted form request body.");
    }
    if posted.is_empty() {
        return bad("The POST body can not be empty.");
    }
    if !posted.has("token") {
        return bad("The POST body doesn't contain 'token' parameter.");
    }
    let told = posted.get("token");
    let server = &exchange.server;
    let found = if told.matches('.').count() == 2 { of_jwt(server, told) } else { of_refresh_token(server, told) };
    match found {
        Some(found) => answer(StatusCode::OK, "application/json", found.to_string()),
        None => {
            let mut response = answer(StatusCode::OK, "application/json", "{\"active\":false}\n");
            set_header(response.headers_mut(), header::CACHE_CONTROL, "no-store");
            set_header(response.headers_mut(), header::PRAGMA, "no-cache");
            response
        }
    }
}

fn of_jwt(server: &Server, told: &str) -> Option<Value> {
    let claims = verified(server, told).ok()?;
    let audience = &claims["aud"];
    let client = match audience {
        Value::Array(_) => claims["azp"].as_str(),
        one => one.as_str(),
    };
    let client = server.settings.client(client?)?;
    let mut extra = Map::new();
    for name in ["azp", "email", "email_verified", "groups", "name", "preferred_username", "federated_claims"] {
        if let Some(value) = claims.get(name) {
            extra.insert(name.to_owned(), value.clone());
        }
    }
    Some(json!({
        "active": true, "client_id": client.id, "sub": claims["sub"], "exp": claims["exp"], "iat": claims["iat"],
        "nbf": claims["iat"], "aud": audience, "iss": server.settings.issuer,
        "token_type": "Bearer", "token_use": "access_token", "ext": extra,
    }))
}

fn of_refresh_token(server: &Server, told: &str) -> Option<Value> {
    let Settings { issuer, .. } = &server.settings;
    let (id, secret) = unpair(told)?;
    let stored = server.storage.tables().refresh_tokens.get(&id).cloned().filter(|stored| stored.token == secret)?;
    let created = stored.created.as_second();
    Some(json!({
        "active": true, "client_id": stored.client_id, "sub": subject_id(&stored.claims.user_id, &stored.connector),
        "exp": created, "iat": created, "nbf": created, "aud": stored.client_id, "iss": issuer,
        "token_type": "Bearer", "token_use": "refresh_token",
        "ext": {
            "email": stored.claims.email, "email_verified": stored.claims.email_verified,
            "name": stored.claims.username,
        },
    }))
}
