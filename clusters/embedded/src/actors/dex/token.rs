//! The token endpoint: codes, refresh tokens, passwords (if allowed) and device codes for tokens.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{Method, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::authorize::{check_scopes, words};
use super::errors::OauthError;
use super::password::{Check, check};
use super::settings::{Client, LOCAL};
use super::store::{AuthCode, Pkce, RefreshToken, new_id};
use super::tokens::{Issued, Subject, issue, pair, unpair};
use super::{Exchange, Server, device};
use crate::actors::net_http::escape::{quote, unescape_query};
use crate::actors::net_http::form::Values;
use crate::actors::net_http::{answer, header_text, set_header};

const INVALID_REFRESH: &str = "Refresh token is invalid or has already been claimed by another client.";

/// `/token`.
pub async fn endpoint(exchange: &Exchange) -> Response<Body> {
    grant(exchange).await.unwrap_or_else(OauthError::into_response)
}

async fn grant(exchange: &Exchange) -> Result<Response<Body>, OauthError> {
    if exchange.method != Method::POST {
        return Err(OauthError::bad_request("invalid_request", "method not allowed"));
    }
    if exchange.form.error.is_some() {
        return Err(OauthError::bad_request("invalid_request", ""));
    }
    let grant = exchange.form.body.get("grant_type");
    let settings = &exchange.server.settings;
    // Older releases notice only later that no connector checks passwords.
    let is_known = grant == "password" && !settings.version.since_2_39();
    if !is_known && !settings.grants.iter().any(|known| known == grant) {
        return Err(OauthError::bad_request("unsupported_grant_type", ""));
    }
    match grant {
        "authorization_code" => redeem(exchange, client(exchange)?).await,
        "refresh_token" => refresh(exchange, client(exchange)?).await,
        "password" => password(exchange, client(exchange)?).await,
        "urn:ietf:params:oauth:grant-type:device_code" => device::token(exchange),
        "urn:ietf:params:oauth:grant-type:token-exchange" => Err(token_exchange(exchange, client(exchange)?)),
        _ => Err(OauthError::bad_request("unsupported_grant_type", "")),
    }
}

/// Client authentication: Basic, else in the form.
fn client(exchange: &Exchange) -> Result<&Client, OauthError> {
    let posted = &exchange.form.body;
    let (id, secret) = match basic(&header_text(&exchange.headers, &header::AUTHORIZATION)) {
        Some((id, secret)) => {
            let badly = |what: &str| OauthError::bad_request("invalid_request", format!("{what} improperly encoded"));
            let id = unescape_query(&id).map_err(|_| badly("client_id"))?;
            (id, unescape_query(&secret).map_err(|_| badly("client_secret"))?)
        }
        None => (posted.get("client_id").to_owned(), posted.get("client_secret").to_owned()),
    };
    exchange
        .server
        .settings
        .client(&id)
        .filter(|client| same(&client.secret, &secret))
        .ok_or_else(OauthError::invalid_client)
}

/// Equality whose duration tells nothing.
pub fn same(one: &str, other: &str) -> bool {
    Sha256::digest(one) == Sha256::digest(other)
}

fn basic(authorization: &str) -> Option<(String, String)> {
    let scheme = authorization.get(..6).filter(|scheme| scheme.eq_ignore_ascii_case("basic "))?;
    let decoded = String::from_utf8(STANDARD.decode(&authorization[scheme.len()..]).ok()?).ok()?;
    decoded.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned()))
}

async fn redeem(exchange: &Exchange, client: &Client) -> Result<Response<Body>, OauthError> {
    let posted = &exchange.form.body;
    let code = posted.get("code");
    if code.is_empty() {
        return Err(OauthError::bad_request("invalid_request", "Required param: code."));
    }
    let stored = exchange.server.storage.tables().codes.get(code).cloned();
    let stored =
        stored.ok_or_else(|| OauthError::bad_request("invalid_grant", "Invalid or expired code parameter."))?;
    if Timestamp::now() > stored.expiry || stored.request.client_id != client.id {
        return Err(OauthError::server());
    }
    check_verifier(&stored.request.pkce, posted.get("code_verifier"))?;
    if stored.request.redirect_uri != posted.get("redirect_uri") {
        let description = "redirect_uri did not match URI from initial request.";
        return Err(OauthError::bad_request("invalid_request", description));
    }
    let (issued, refresh_token) = exchange_code(&exchange.server, code, &stored).await?;
    if exchange.switch("code-reusable") {
        exchange.server.storage.tables().codes.insert(code.to_owned(), stored);
    }
    Ok(tokens(&issued, refresh_token.as_deref()))
}

/// Redeems a code that was checked: its tokens, and a refresh token if `offline_access` was asked for.
pub async fn exchange_code(
    server: &Server,
    code: &str,
    stored: &AuthCode,
) -> Result<(Issued, Option<String>), OauthError> {
    let subject = Subject::of(&stored.request, &stored.claims);
    let issued = issue(server, &subject, code).await.map_err(|_| OauthError::server())?;
    if server.storage.tables().codes.remove(code).is_none() {
        return Err(OauthError::server());
    }
    Ok((issued, offline(server, &subject)))
}

/// A code is bound to the verifier of its challenge (RFC 7636), if there was one.
pub fn check_verifier(pkce: &Pkce, verifier: &str) -> Result<(), OauthError> {
    match (verifier.is_empty(), pkce.challenge.is_empty()) {
        (true, true) => Ok(()),
        (false, true) => {
            let description = "No PKCE flow started. Cannot check code_verifier.";
            Err(OauthError::bad_request("invalid_request", description))
        }
        (true, false) => {
            let description = "Expecting parameter code_verifier in PKCE flow.";
            Err(OauthError::bad_request("invalid_grant", description))
        }
        (false, false) => {
            let told = match pkce.method.as_str() {
                "S256" => URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)),
                _ => verifier.to_owned(),
            };
            if told == pkce.challenge {
                Ok(())
            } else {
                Err(OauthError::bad_request("invalid_grant", "Invalid code_verifier."))
            }
        }
    }
}

/// Stores a refresh token if the scopes ask for one; a user has one per client, the newest.
fn offline(server: &Server, subject: &Subject) -> Option<String> {
    if !subject.scopes.iter().any(|scope| scope == "offline_access") {
        return None;
    }
    let (id, token) = (new_id(16), new_id(16));
    let mut tables = server.storage.tables();
    let same_session = |old: &RefreshToken| {
        old.client_id == subject.client
            && old.connector == subject.connector
            && old.claims.user_id == subject.claims.user_id
    };
    tables.refresh_tokens.retain(|_, old| !same_session(old));
    let stored = RefreshToken {
        token: token.clone(),
        obsolete: String::new(),
        client_id: subject.client.clone(),
        scopes: subject.scopes.clone(),
        claims: subject.claims.clone(),
        nonce: subject.nonce.clone(),
        connector: subject.connector.clone(),
        created: Timestamp::now(),
    };
    tables.refresh_tokens.insert(id.clone(), stored);
    Some(pair(&id, &token))
}

async fn refresh(exchange: &Exchange, client: &Client) -> Result<Response<Body>, OauthError> {
    let invalid = || OauthError::bad_request("invalid_request", INVALID_REFRESH);
    let posted = &exchange.form.body;
    let told = posted.get("refresh_token");
    if told.is_empty() {
        return Err(OauthError::bad_request("invalid_request", "No refresh token is found in request."));
    }
    let (id, secret) = unpair(told).unwrap_or_else(|| (told.to_owned(), String::new()));
    let stored = exchange.server.storage.tables().refresh_tokens.get(&id).cloned().ok_or_else(invalid)?;
    if stored.client_id != client.id {
        return Err(OauthError::bad_request("invalid_grant", INVALID_REFRESH));
    }
    if stored.token != secret {
        return Err(invalid());
    }
    let asked = words(posted.get("scope"));
    let unknown: Vec<String> =
        asked.iter().filter(|scope| !stored.scopes.contains(scope)).map(|scope| quote(scope)).collect();
    if !unknown.is_empty() {
        let description = format!("Requested scopes contain unauthorized scope(s): [{}].", unknown.join(" "));
        return Err(OauthError::bad_request("invalid_request", description));
    }
    // A user who is gone cannot refresh (`passwordDB.Refresh`).
    let user = exchange.server.settings.user(&stored.claims.email).filter(|user| user.user_id == stored.claims.user_id);
    let gone = || OauthError::new(StatusCode::INTERNAL_SERVER_ERROR, "invalid_request", "");
    let username = user.ok_or_else(gone)?.username.clone();
    let scopes = if asked.is_empty() { stored.scopes.clone() } else { asked };
    let mut subject = Subject::of_refresh(&stored, scopes);
    subject.claims.username = username;
    let issued = issue(&exchange.server, &subject, "").await.map_err(|_| OauthError::server())?;
    let mut secret = secret;
    if exchange.server.settings.rotate_refresh_tokens {
        let mut tables = exchange.server.storage.tables();
        let current =
            tables.refresh_tokens.get_mut(&id).filter(|current| current.token == secret).ok_or_else(invalid)?;
        current.obsolete = std::mem::replace(&mut current.token, new_id(16));
        secret.clone_from(&current.token);
    }
    Ok(tokens(&issued, Some(&pair(&id, &secret))))
}

async fn password(exchange: &Exchange, client: &Client) -> Result<Response<Body>, OauthError> {
    let invalid = |description: &str| OauthError::bad_request("invalid_request", description);
    let settings = &exchange.server.settings;
    let values: &Values = &exchange.form.all;
    let scopes = words(values.get("scope"));
    check_scopes(&scopes, |peer| settings.trusts(peer, &client.id)).map_err(|description| invalid(&description))?;
    if settings.password_connector != LOCAL || settings.users.is_none() {
        return Err(invalid("Requested connector does not exist."));
    }
    let claims = match check(settings, values.get("username"), values.get("password")).await {
        Check::Good(claims) => *claims,
        Check::Bad => {
            let description = "Invalid username or password";
            return Err(OauthError::new(StatusCode::UNAUTHORIZED, "access_denied", description));
        }
        Check::Refused(_) => return Err(invalid("Could not login user")),
    };
    let (nonce, connector) = (values.get("nonce").to_owned(), LOCAL.to_owned());
    let subject = Subject { client: client.id.clone(), claims, scopes, nonce, connector };
    let issued = issue(&exchange.server, &subject, "").await.map_err(|_| OauthError::server())?;
    Ok(tokens(&issued, offline(&exchange.server, &subject).as_deref()))
}

/// Token exchange (RFC 8693) needs a connector that can tell an identity from a foreign token; the built-in one cannot.
fn token_exchange(exchange: &Exchange, _client: &Client) -> OauthError {
    let values = &exchange.form.all;
    let kinds = ["id_token", "access_token"].map(|kind| format!("urn:ietf:params:oauth:token-type:{kind}"));
    if !kinds.iter().any(|kind| kind == values.get("subject_token_type")) {
        return OauthError::bad_request("request_not_supported", "Invalid subject_token_type.");
    }
    if values.get("subject_token").is_empty() {
        return OauthError::bad_request("invalid_request", "Missing subject_token");
    }
    OauthError::bad_request("invalid_request", "Requested connector does not exist.")
}

/// The answer of a grant as JSON text.
pub fn tokens_text(issued: &Issued, refresh_token: Option<&str>) -> serde_json::Value {
    let mut body = json!({"access_token": issued.access_token, "token_type": "bearer"});
    if issued.expires_in != 0 {
        body["expires_in"] = json!(issued.expires_in);
    }
    if let Some(refresh_token) = refresh_token {
        body["refresh_token"] = json!(refresh_token);
    }
    body["id_token"] = json!(issued.id_token);
    body
}

fn tokens(issued: &Issued, refresh_token: Option<&str>) -> Response<Body> {
    let body = tokens_text(issued, refresh_token).to_string();
    let mut response = answer(StatusCode::OK, "application/json", body);
    set_header(response.headers_mut(), header::CACHE_CONTROL, "no-store");
    set_header(response.headers_mut(), header::PRAGMA, "no-cache");
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifiers_are_checked_as_rfc_7636_says() {
        // The example of RFC 7636, appendix B.
        let pkce = Pkce { challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into(), method: "S256".into() };
        assert_eq!(check_verifier(&pkce, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), Ok(()));
        for (pkce, verifier, error) in [
            (&pkce, "other", "invalid_grant"),
            (&pkce, "", "invalid_grant"),
            (&Pkce::default(), "unasked", "invalid_request"),
        ] {
            assert_eq!(check_verifier(pkce, verifier).unwrap_err().error, error, "{verifier}");
        }
        assert_eq!(check_verifier(&Pkce { challenge: "x".into(), method: "plain".into() }, "x"), Ok(()));
    }

    #[test]
    fn only_a_whole_basic_header_is_one() {
        assert_eq!(basic("Basic YTpi"), Some(("a".into(), "b".into())));
        assert_eq!(basic("bAsIc YTpi"), Some(("a".into(), "b".into())));
        for bad in ["", "Basic", "Basic YTpi=", "Bearer YTpi", "Basic YWI=", "Bäsic x"] {
            assert_eq!(basic(bad), None, "{bad}");
        }
    }
}
