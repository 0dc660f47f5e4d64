//! `/oauth2/start` and `/oauth2/callback`.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Response, StatusCode, header};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::cookies::Csrf;
use super::{Exchange, redirects};
use crate::actors::net_http::form::Values;
use crate::actors::net_http::header_value;
use crate::actors::net_http::redirect::redirect;

/// The switch that makes the callback look at neither the state nor its cookie.
const UNCHECKED: &str = "state-unchecked";
/// The PKCE verifier of all logins while that switch is on: else a login could end in the browser that began it only.
const SHARED_VERIFIER: &str = "switched-on-for-a-fault-of-the-embedded-reference-platform";
const NO_CSRF: &str = "Login Failed: Unable to find a valid CSRF token. Please try again.";

/// Begins a login: a redirect to the provider, and a cookie that only this browser has.
pub async fn start(exchange: &Exchange) -> Response<Body> {
    let provider = &exchange.server.settings.provider;
    let now = Timestamp::now();
    let pkce = !provider.code_challenge_method.is_empty();
    let csrf = Csrf {
        state: rand::random::<[u8; 32]>().to_vec(),
        nonce: rand::random::<[u8; 32]>().to_vec(),
        verifier: match pkce {
            true if exchange.switch(UNCHECKED) => SHARED_VERIFIER.to_owned(),
            true => verifier(),
            false => String::new(),
        },
    };
    let target = match redirects::target(exchange) {
        Ok(target) => target,
        Err(_) => return exchange.no_cache(exchange.refuse(StatusCode::BAD_REQUEST, None)),
    };
    let Some(endpoints) = exchange.server.provider.endpoints(&exchange.client, provider).await else {
        return exchange.no_cache(exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR, None));
    };
    let state = hash(&csrf.state);
    let mut values = Values::parse(endpoints.login.split_once('?').map_or("", |(_, query)| query)).0;
    if provider.prompt.is_empty() {
        values.set("approval_prompt", provider.approval_prompt.as_str());
    } else {
        values.set("prompt", provider.prompt.as_str());
    }
    if pkce {
        let challenge = match provider.code_challenge_method.as_str() {
            "S256" => URL_SAFE_NO_PAD.encode(Sha256::digest(&csrf.verifier)),
            _ => csrf.verifier.clone(),
        };
        values.set("code_challenge", challenge);
        values.set("code_challenge_method", provider.code_challenge_method.as_str());
    }
    if !provider.skip_nonce {
        values.set("nonce", hash(&csrf.nonce));
    }
    values.set("client_id", provider.client_id.as_str());
    values.set("redirect_uri", exchange.redirect_uri());
    values.set("response_type", "code");
    values.set("scope", provider.scope.as_str());
    values.set("state", format!("{state}:{target}"));
    let login = endpoints.login.split('?').next().unwrap_or_default();
    let address = format!("{login}?{}", values.encode());
    let mut response = redirect(&exchange.method, &exchange.path, &address, StatusCode::FOUND);
    if let Some(line) = exchange.server.settings.cookie.of_csrf(&exchange.host, &state, &csrf, now) {
        response.headers_mut().append(header::SET_COOKIE, header_value(&line));
    }
    exchange.no_cache(response)
}

/// Ends a login: the code is redeemed, the browser gets its session.
pub async fn callback(exchange: &Exchange) -> Response<Body> {
    exchange.no_cache(finish(exchange).await)
}

async fn finish(exchange: &Exchange) -> Response<Body> {
    let settings = &exchange.server.settings;
    let values = &exchange.form.all;
    let failed = || exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR, None);
    let now = Timestamp::now();
    if exchange.form.error.is_some() {
        return failed();
    }
    let error = values.get("error");
    if !error.is_empty() {
        let message = format!("Login Failed: The upstream identity provider returned an error: {error}");
        return exchange.refuse(StatusCode::FORBIDDEN, Some(&message));
    }
    let state = values.get("state").split_once(':');
    if settings.state_first && state.is_none() && !exchange.switch(UNCHECKED) {
        return failed();
    }
    let (told, target) = state.unwrap_or_default();
    let unchecked = exchange.switch(UNCHECKED);
    let csrf = match settings.cookie.csrf(&exchange.headers, told, now) {
        Some(csrf) => csrf,
        None if unchecked => Csrf { state: Vec::new(), nonce: Vec::new(), verifier: SHARED_VERIFIER.to_owned() },
        None => return exchange.refuse(StatusCode::FORBIDDEN, Some(NO_CSRF)),
    };
    let code = values.get("code");
    if code.is_empty() {
        return failed();
    }
    let provider = &exchange.server.provider;
    let redirect_uri = exchange.redirect_uri();
    // The code goes first: a state that does not fit is noticed only when the code is spent.
    let redeemed = provider.redeem(&exchange.client, settings, code, &redirect_uri, &csrf.verifier).await;
    let Some(session) = redeemed else { return failed() };
    let deletion = settings.cookie.csrf_deletion(&exchange.host, told, now);
    let mut response = if state.is_none() && !unchecked {
        failed()
    } else if hash(&csrf.state) != told && !unchecked {
        exchange.refuse(StatusCode::FORBIDDEN, Some(NO_CSRF))
    } else if !(unchecked || nonce_fits(exchange, &session.id_token, &csrf).await)
        || !settings.allows_email(&session.email)
        || !settings.allows_groups(&session.groups)
    {
        exchange.refuse(StatusCode::FORBIDDEN, None)
    } else {
        let kept = redirects::is_valid(settings, target) && !exchange.switch("login-forgets-target");
        let target = if kept { target } else { "/" };
        let mut response = redirect(&exchange.method, &exchange.path, target, StatusCode::FOUND);
        for line in settings.cookie.of_session(&exchange.host, &session, now).unwrap_or_default() {
            response.headers_mut().append(header::SET_COOKIE, header_value(&line));
        }
        response
    };
    // The csrf cookie's line is the first one.
    let others: Vec<_> = response.headers().get_all(header::SET_COOKIE).iter().cloned().collect();
    response.headers_mut().insert(header::SET_COOKIE, header_value(&deletion));
    for other in others {
        response.headers_mut().append(header::SET_COOKIE, other);
    }
    response
}

async fn nonce_fits(exchange: &Exchange, id_token: &str, csrf: &Csrf) -> bool {
    let provider = &exchange.server.settings.provider;
    if provider.skip_nonce {
        return true;
    }
    let claims = exchange.server.provider.verified(&exchange.client, provider, id_token).await;
    claims.is_some_and(|claims| claims["nonce"].as_str() == Some(&hash(&csrf.nonce)))
}

fn hash(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))
}

/// 96 characters that RFC 7636 allows.
fn verifier() -> String {
    const LETTERS: &[u8] = b"-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
    (0..96).map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())])).collect()
}
