//! The login form, the approval page, and the way back to the client with a code.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Response, StatusCode};
use jiff::Timestamp;
use ring::hmac;

use super::authorize::OUT_OF_BAND;
use super::password::{Check, check};
use super::settings::User;
use super::store::{AuthCode, AuthRequest, Claims, after, new_id};
use super::{Exchange, pages, tokens};
use crate::actors::net_http::escape::unescape_path;
use crate::actors::net_http::form::Values;
use crate::actors::net_http::redirect::redirect;

/// How long a code can be redeemed.
const CODES_LIVE: std::time::Duration = std::time::Duration::from_secs(30 * 60);

/// `/auth/{connector}/login`.
pub async fn password(exchange: &Exchange, connector: &str) -> Response<Body> {
    let settings = &exchange.server.settings;
    let id = exchange.form.query.get("state");
    if id.is_empty() {
        return exchange.refuse(StatusCode::BAD_REQUEST, "User session error.");
    }
    let Some(request) = exchange.server.storage.tables().requests.get(id).cloned() else {
        return exchange.refuse(StatusCode::BAD_REQUEST, "Requested resource does not exist.");
    };
    match unescape_path(connector) {
        Err(_) => return exchange.refuse(StatusCode::BAD_REQUEST, "Requested resource does not exist"),
        Ok(connector) if connector != request.connector => {
            return exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR, "Requested resource does not exist.");
        }
        Ok(_) => {}
    }
    match exchange.method {
        Method::GET => pages::login_form(settings, &exchange.uri, "", false),
        Method::POST => {
            // The query counts as well: credentials in a URL are accepted.
            let (address, secret) = (exchange.form.all.get("login"), exchange.form.all.get("password"));
            let checked = match overlooked(exchange, address) {
                Some(claims) => Check::Good(Box::new(claims)),
                None => check(settings, address, secret).await,
            };
            match checked {
                Check::Good(claims) => finish(exchange, request, *claims).await,
                Check::Bad => pages::login_form(settings, &exchange.uri, address, true),
                Check::Refused(why) => {
                    exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR, &format!("Login error: {why}"))
                }
            }
        }
        _ => exchange.refuse(StatusCode::BAD_REQUEST, "Unsupported request method."),
    }
}

/// Who gets in without a look at the password: nobody, unless a switch says so.
fn overlooked(exchange: &Exchange, address: &str) -> Option<Claims> {
    match exchange.server.settings.user(address) {
        Some(user) if exchange.switch("dex-accepts-any-password") => Some(user.claims()),
        None if exchange.switch("dex-accepts-any-user") => Some(User::unknown(address).claims()),
        _ => None,
    }
}

/// `/callback`: where other identity providers come back to; the built-in connector has no use for it.
pub fn connector_callback(exchange: &Exchange) -> Response<Body> {
    let id = match exchange.method {
        Method::GET => exchange.form.query.get("state"),
        Method::POST => exchange.form.body.get("RelayState"),
        _ => return exchange.refuse(StatusCode::BAD_REQUEST, "Method not supported"),
    };
    if id.is_empty() {
        return exchange.refuse(StatusCode::BAD_REQUEST, "User session error.");
    }
    if !exchange.server.storage.tables().requests.contains_key(id) {
        return exchange.refuse(StatusCode::BAD_REQUEST, "Requested resource does not exist.");
    }
    exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR, "Requested resource does not exist.")
}

async fn finish(exchange: &Exchange, request: AuthRequest, claims: Claims) -> Response<Body> {
    let settings = &exchange.server.settings;
    let request = AuthRequest { claims: Some(claims), ..request };
    match exchange.server.storage.tables().requests.get_mut(&request.id) {
        Some(stored) => stored.clone_from(&request),
        // Another tab was faster with the same form.
        None => return exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR, "Login error."),
    }
    let skip = if settings.version.since_2_39() {
        settings.skip_approval && !request.force_approval
    } else {
        settings.skip_approval || !request.force_approval
    };
    if skip {
        return send_code(exchange, request).await;
    }
    let target = format!(
        "{}?req={}&hmac={}",
        exchange.server.path("/approval"),
        request.id,
        URL_SAFE_NO_PAD.encode(mac(&request))
    );
    redirect(&exchange.method, &exchange.full_path, &target, StatusCode::SEE_OTHER)
}

/// Ties the approval page to the browser that logged in.
fn mac(request: &AuthRequest) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, request.hmac_key.as_bytes()), request.id.as_bytes())
}

/// `/approval`.
pub async fn approval(exchange: &Exchange) -> Response<Body> {
    let settings = &exchange.server.settings;
    let values = &exchange.form.all;
    let unauthorized = || exchange.refuse(StatusCode::UNAUTHORIZED, "Unauthorized request");
    let told = match URL_SAFE_NO_PAD.decode(values.get("hmac")) {
        Ok(told) if !told.is_empty() => told,
        _ => return unauthorized(),
    };
    let Some(request) = exchange.server.storage.tables().requests.get(values.get("req")).cloned() else {
        return exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR, "Database error.");
    };
    if request.claims.is_none() {
        return exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR, "Login process not yet finalized.");
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, request.hmac_key.as_bytes());
    if hmac::verify(&key, request.id.as_bytes(), &told).is_err() {
        return unauthorized();
    }
    match exchange.method {
        Method::POST if values.get("approval") != "approve" => {
            exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR, "Approval rejected.")
        }
        Method::POST => send_code(exchange, request).await,
        Method::GET => {
            let client = settings.client(&request.client_id).map_or("", |client| &client.name);
            pages::approval(settings, &request.id, client, &request.scopes)
        }
        _ => Response::new(Body::empty()),
    }
}

/// Ends the request and redirects to the client, with a code in the query or tokens in the fragment.
async fn send_code(exchange: &Exchange, request: AuthRequest) -> Response<Body> {
    let settings = &exchange.server.settings;
    if Timestamp::now() > request.expiry {
        return exchange.refuse(StatusCode::BAD_REQUEST, "User session has expired.");
    }
    let claims = request.claims.clone().unwrap_or_default();
    let wants = |kind: &str| request.response_types.iter().any(|known| known == kind);
    let mut code = String::new();
    {
        let mut tables = exchange.server.storage.tables();
        if tables.requests.remove(&request.id).is_none() {
            return exchange.refuse(StatusCode::BAD_REQUEST, "User session error.");
        }
        if wants("code") {
            code = new_id(16);
            let stored = AuthCode { request: request.clone(), claims: claims.clone(), expiry: after(CODES_LIVE) };
            tables.codes.insert(code.clone(), stored);
        }
    }
    if wants("code") && request.redirect_uri == OUT_OF_BAND {
        return pages::out_of_band(settings, &code);
    }
    let mut values = Values::default();
    values.set("state", request.state.as_str());
    if !code.is_empty() {
        values.set("code", code.as_str());
    }
    let separator;
    if wants("token") || wants("id_token") {
        separator = "#";
        values.set("token_type", "bearer");
        values.set("access_token", "");
        if wants("id_token") {
            let subject = tokens::Subject::of(&request, &claims);
            let Ok(issued) = tokens::issue(&exchange.server, &subject, &code).await else {
                return super::errors::OauthError::server().into_response();
            };
            if code.is_empty() {
                values.set("expires_in", issued.expires_in.to_string());
            }
            values.set("access_token", issued.access_token);
            values.set("id_token", issued.id_token);
        }
    } else {
        separator = if request.redirect_uri.contains('?') { "&" } else { "?" };
    }
    let target = format!("{}{separator}{}", request.redirect_uri, values.encode());
    redirect(&exchange.method, &exchange.full_path, &target, StatusCode::SEE_OTHER)
}
