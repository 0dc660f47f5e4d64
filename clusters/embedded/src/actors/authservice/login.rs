//! The way to the provider, back from it, and the logout.

use axum::body::Body;
use http::{Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::provider::Endpoints;
use super::store::{Found, STATE, Session, deletion};
use super::{Exchange, identity, message};
use crate::actors::net_http::cookie::cookie;
use crate::actors::net_http::form::Values;
use crate::actors::net_http::redirect::redirect;
use crate::actors::net_http::{answer, header_value};

const NO_CSRF: &str = "CSRF check failed. This may happen if you opened the login form in more than 1 tabs. Please \
     try to login again.";

/// Sends the browser to the provider; the address that it asked for is kept on the server.
pub fn begin(exchange: &Exchange, endpoints: &Endpoints) -> Response<Body> {
    let settings = &exchange.server.settings;
    let (state, line) = exchange.server.store.add_state(exchange.uri.clone(), Timestamp::now());
    let mut values = Values::default();
    values.set("client_id", settings.client_id.as_str());
    values.set("redirect_uri", settings.redirect_url.as_str());
    values.set("response_type", "code");
    values.set("scope", settings.scope.as_str());
    values.set("state", state);
    let separator = if endpoints.login.contains('?') { '&' } else { '?' };
    let target = format!("{}{separator}{}", endpoints.login, values.encode());
    let mut response = redirect(&exchange.method, &exchange.path, &target, StatusCode::FOUND);
    response.headers_mut().append(header::SET_COOKIE, header_value(&line));
    response
}

/// The callback, answered inside the check of the gateway.
pub async fn callback(exchange: &Exchange, endpoints: Option<&Endpoints>) -> Response<Body> {
    let settings = &exchange.server.settings;
    let values = &exchange.form.all;
    let code = values.get("code");
    if code.is_empty() {
        // Before the setup is complete the homepage is not known either.
        let homepage = endpoints.map_or("", |_| &settings.homepage_url);
        return redirect(&exchange.method, &exchange.path, homepage, StatusCode::FOUND);
    }
    let state = values.get("state");
    let unchecked = exchange.switch("state-unchecked");
    if state.is_empty() && !unchecked {
        return message(StatusCode::BAD_REQUEST, "Missing url parameter: state");
    }
    if cookie(&exchange.headers, STATE).as_deref() != Some(state) && !unchecked {
        return message(StatusCode::BAD_REQUEST, NO_CSRF);
    }
    let Some(endpoints) = endpoints else { return panicked() };
    let (store, now) = (&exchange.server.store, Timestamp::now());
    let begun = if exchange.switch("code-reusable") { store.state(state, now) } else { store.take_state(state, now) };
    let first_url = match begun {
        Some(first_url) => first_url,
        None if unchecked => "/".to_owned(),
        None => return message(StatusCode::BAD_REQUEST, NO_CSRF),
    };
    let line = deletion(STATE);
    let mut response = finish(exchange, endpoints, code, &first_url).await;
    let others: Vec<_> = response.headers().get_all(header::SET_COOKIE).iter().cloned().collect();
    response.headers_mut().insert(header::SET_COOKIE, header_value(&line));
    for other in others {
        response.headers_mut().append(header::SET_COOKIE, other);
    }
    response
}

async fn finish(exchange: &Exchange, endpoints: &Endpoints, code: &str, first_url: &str) -> Response<Body> {
    let settings = &exchange.server.settings;
    let redeemed = exchange.server.provider.redeem(&exchange.client, settings, endpoints, code).await;
    let (access_token, claims) = match redeemed {
        Ok(redeemed) => redeemed,
        Err(text) => return message(StatusCode::INTERNAL_SERVER_ERROR, text),
    };
    let Some(user) = claims.get(&settings.user_id_claim).and_then(Value::as_str) else {
        let text = format!("Couldn't find userID claim in `{}' in userinfo.", settings.user_id_claim);
        return message(StatusCode::INTERNAL_SERVER_ERROR, &text);
    };
    let Ok(groups) = identity::groups_of(&claims, &settings.groups_claim) else { return panicked() };
    let session = Session { user: user.to_owned(), groups, access_token };
    let (max_age, now) = (settings.session_max_age, Timestamp::now());
    let line = exchange.server.store.add_session(session, max_age, settings.same_site, now);
    let target = if exchange.switch("login-forgets-target") {
        "/".to_owned()
    } else if settings.after_login_url.is_empty() {
        first_url.to_owned()
    } else {
        let (before, query) = settings.after_login_url.split_once('?').unwrap_or((&settings.after_login_url, ""));
        let mut values = Values::parse(query).0;
        values.set("next", first_url);
        format!("{before}?{}", values.encode())
    };
    let mut response = redirect(&exchange.method, &exchange.path, &target, StatusCode::FOUND);
    response.headers_mut().append(header::SET_COOKIE, header_value(&line));
    response
}

/// The logout: by session id in the header only, so another site cannot cause it. 201, because the gateway would pass a
/// 200 on to the application.
pub fn logout(exchange: &Exchange, ready: bool) -> Response<Body> {
    let settings = &exchange.server.settings;
    let id = if ready { identity::bearer(exchange, &settings.auth_header) } else { String::new() };
    if id.is_empty() {
        return status(StatusCode::UNAUTHORIZED);
    }
    match exchange.server.store.session(&id, Timestamp::now()) {
        Found::Undecodable => status(StatusCode::INTERNAL_SERVER_ERROR),
        Found::Nothing => status(StatusCode::UNAUTHORIZED),
        Found::Session(id, _) => {
            let line = exchange.server.store.remove_session(&id);
            let body = json!({"afterLogoutURL": settings.after_logout_url}).to_string();
            let mut response = answer(StatusCode::CREATED, "application/json", body);
            response.headers_mut().append(header::SET_COOKIE, header_value(&line));
            response
        }
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Where the real program closes the connection because its handler panicked. The gateway makes 403 of either.
pub fn panicked() -> Response<Body> {
    status(StatusCode::INTERNAL_SERVER_ERROR)
}
