//! Logins of devices without a browser (RFC 8628).

use axum::body::Body;
use http::{Method, Response, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::authorize::{DEVICE_CALLBACK, challenge_method, words};
use super::errors::OauthError;
use super::store::{Device, Pkce, after, new_id};
use super::token::{check_verifier, exchange_code, same, tokens_text};
use super::{Exchange, pages};
use crate::actors::net_http::escape::quote;
use crate::actors::net_http::form::Values;
use crate::actors::net_http::redirect::redirect;
use crate::actors::net_http::{answer, error, set_header};

/// Seconds between polls.
const INTERVAL: i64 = 5;

/// `/device`: the form for the user's code.
pub fn page(exchange: &Exchange) -> Response<Body> {
    if exchange.method != Method::GET {
        return exchange.refuse(StatusCode::BAD_REQUEST, "Requested resource does not exist.");
    }
    let refused = ["1", "t", "T", "true", "TRUE", "True"].contains(&exchange.form.query.get("invalid"));
    pages::device(&exchange.server.settings, &verify_path(exchange), exchange.form.query.get("user_code"), refused)
}

fn verify_path(exchange: &Exchange) -> String {
    exchange.server.path("/device/auth/verify_code")
}

/// `/device/code`: a device begins. Nothing is checked before the user comes.
pub fn code(exchange: &Exchange) -> Response<Body> {
    if exchange.method != Method::POST {
        return exchange.refuse(StatusCode::BAD_REQUEST, "Invalid device code request type");
    }
    if exchange.form.error.is_some() {
        return OauthError::new(StatusCode::NOT_FOUND, "invalid_request", "").into_response();
    }
    let settings = &exchange.server.settings;
    let values = &exchange.form.all;
    let method = challenge_method(values.get("code_challenge_method"));
    if method != "S256" && method != "plain" {
        let description = format!("Unsupported PKCE challenge method ({}).", quote(method));
        return OauthError::bad_request("invalid_request", description).into_response();
    }
    let (user_code, device_code) = (user_code(), new_id(32));
    let device = Device {
        device_code: device_code.clone(),
        client_id: values.get("client_id").to_owned(),
        client_secret: values.get("client_secret").to_owned(),
        scopes: words(values.get("scope")),
        pkce: Pkce { challenge: values.get("code_challenge").to_owned(), method: method.to_owned() },
        answer: None,
        next_poll: Timestamp::now(),
        interval: 0,
        expiry: after(settings.device_codes_live),
    };
    let mut tables = exchange.server.storage.tables();
    tables.collect_garbage(Timestamp::now());
    tables.devices.insert(user_code.clone(), device);
    drop(tables);
    let address = format!("{}/device", settings.issuer.trim_end_matches('/'));
    let body = json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": address,
        "verification_uri_complete": format!("{address}?user_code={user_code}"),
        "expires_in": settings.device_codes_live.as_secs(),
        "interval": INTERVAL,
    });
    let text = serde_json::to_string_pretty(&body).unwrap_or_default() + "\n";
    let mut response = answer(StatusCode::OK, "application/json", text);
    set_header(response.headers_mut(), header::CACHE_CONTROL, "no-store");
    response
}

/// Four letters, a hyphen, four letters; no vowels.
fn user_code() -> String {
    const LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";
    let letter = || char::from(LETTERS[rand::random_range(0..LETTERS.len())]);
    let half = || -> String { (0..4).map(|_| letter()).collect() };
    format!("{}-{}", half(), half())
}

/// `/device/auth/verify_code`: the user's code leads to the login.
pub fn verify(exchange: &Exchange) -> Response<Body> {
    if exchange.method != Method::POST {
        return exchange.refuse(StatusCode::BAD_REQUEST, "Requested resource does not exist.");
    }
    if exchange.form.error.is_some() {
        return exchange.refuse(StatusCode::BAD_REQUEST, "");
    }
    let user_code = exchange.form.all.get("user_code").to_uppercase();
    if user_code.is_empty() {
        return exchange.refuse(StatusCode::BAD_REQUEST, "No user code received");
    }
    let device = exchange.server.storage.tables().devices.get(&user_code).cloned();
    let Some(device) = device.filter(|device| device.expiry > Timestamp::now()) else {
        return pages::device(&exchange.server.settings, &verify_path(exchange), &user_code, true);
    };
    let mut values = Values::default();
    values.set("client_id", device.client_id);
    values.set("client_secret", device.client_secret);
    values.set("state", user_code);
    values.set("response_type", "code");
    values.set("redirect_uri", DEVICE_CALLBACK);
    values.set("scope", device.scopes.join(" "));
    let target = format!("{}?{}", exchange.server.path("/auth"), values.encode());
    redirect(&exchange.method, &exchange.full_path, &target, StatusCode::FOUND)
}

/// `/device/callback`: the login's end; the device gets its tokens at its next poll.
pub async fn callback(exchange: &Exchange) -> Response<Body> {
    if exchange.method != Method::GET {
        return error(StatusCode::BAD_REQUEST, &format!("method not implemented: {}", exchange.method));
    }
    let values = &exchange.form.all;
    let (user_code, code) = (values.get("state"), values.get("code"));
    let refuse = |text: &str| exchange.refuse(StatusCode::BAD_REQUEST, text);
    if user_code.is_empty() || code.is_empty() {
        return refuse("Request was missing parameters");
    }
    let (stored, device) = {
        let tables = exchange.server.storage.tables();
        (tables.codes.get(code).cloned(), tables.devices.get(user_code).cloned())
    };
    let now = Timestamp::now();
    let Some(stored) = stored.filter(|stored| stored.expiry > now) else {
        return refuse("Invalid or expired auth code.");
    };
    let Some(device) = device.filter(|device| device.expiry > now) else {
        return refuse("Invalid or expired user code.");
    };
    let client = exchange.server.settings.client(&device.client_id);
    let Some(client) = client.filter(|client| same(&client.secret, &device.client_secret)) else {
        return OauthError::invalid_client().into_response();
    };
    let Ok((issued, refresh_token)) = exchange_code(&exchange.server, code, &stored).await else {
        return exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR, "Failed to exchange auth code.");
    };
    let text = serde_json::to_string_pretty(&tokens_text(&issued, refresh_token.as_deref())).unwrap_or_default();
    match exchange.server.storage.tables().devices.get_mut(user_code) {
        Some(device) if device.answer.is_none() => device.answer = Some(text),
        _ => return refuse(""),
    }
    pages::device_success(&exchange.server.settings, &client.name)
}

/// `/device/token`, before the grant went to `/token`.
pub fn deprecated_token(exchange: &Exchange) -> Response<Body> {
    if exchange.method != Method::POST {
        return exchange.refuse(StatusCode::BAD_REQUEST, "Requested resource does not exist.");
    }
    if exchange.form.error.is_some() {
        return OauthError::bad_request("invalid_request", "").into_response();
    }
    if exchange.form.body.get("grant_type") != "urn:ietf:params:oauth:grant-type:device_code" {
        return OauthError::bad_request("invalid_grant", "").into_response();
    }
    token(exchange).unwrap_or_else(OauthError::into_response)
}

/// A poll.
pub fn token(exchange: &Exchange) -> Result<Response<Body>, OauthError> {
    let values = &exchange.form.all;
    let device_code = values.get("device_code");
    if device_code.is_empty() {
        return Err(OauthError::bad_request("invalid_request", "No device code received"));
    }
    let now = Timestamp::now();
    let mut tables = exchange.server.storage.tables();
    let device = tables.devices.values_mut().find(|device| device.device_code == device_code);
    let device = device.ok_or_else(|| OauthError::bad_request("invalid_request", "Invalid Device code."))?;
    if now > device.expiry {
        return Err(OauthError::bad_request("expired_token", ""));
    }
    let Some(text) = device.answer.clone() else {
        let too_soon = now < device.next_poll;
        device.interval = if too_soon { device.interval + INTERVAL } else { INTERVAL };
        device.next_poll = now + SignedDuration::from_secs(device.interval);
        return Err(if too_soon {
            OauthError::bad_request("slow_down", "")
        } else {
            OauthError::new(StatusCode::UNAUTHORIZED, "authorization_pending", "")
        });
    };
    check_verifier(&device.pkce, values.get("code_verifier"))?;
    Ok(answer(StatusCode::OK, "application/json", text))
}
