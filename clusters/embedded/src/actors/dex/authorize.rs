//! `/auth` and `/auth/{connector}`: a client asks for a login.
//!
//! The first checks nothing but the connector; all else is checked at the second (dexidp/dex `server/oauth2.go`
//! `parseAuthorizationRequest`).

use axum::body::Body;
use http::{Method, Response, StatusCode};

use super::pages::html;
use super::settings::{Client, LOCAL};
use super::store::{AuthRequest, Pkce, after, new_id};
use super::{Exchange, pages};
use crate::actors::net_http::escape::{quote, unescape_path, unescape_query};
use crate::actors::net_http::form::Values;
use crate::actors::net_http::redirect::{link, redirect};

/// Redirect URI of clients that cannot be redirected to.
pub const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";
/// Redirect URI of device logins.
pub const DEVICE_CALLBACK: &str = "/device/callback";
const PEER_SCOPE: &str = "audience:server:client_id:";

/// Why a request for a login is refused.
enum Refusal {
    /// With a page: the redirect URI is not to be trusted.
    Page(StatusCode, String),
    /// By a redirect to the client.
    Redirect { to: String, state: String, error: &'static str, description: String },
}

/// The client whose tokens a scope asks for, if it is such a scope.
pub fn peer(scope: &str) -> Option<&str> {
    scope.strip_prefix(PEER_SCOPE)
}

/// `/auth`: on to the connector, if there is one; else the choice.
pub fn choose_connector(exchange: &Exchange) -> Response<Body> {
    let settings = &exchange.server.settings;
    if let Some(error) = &exchange.form.error {
        return exchange.refuse(StatusCode::BAD_REQUEST, &error.to_string());
    }
    let mut values = exchange.form.all.clone();
    let wanted = values.get("connector_id").to_owned();
    values.remove("connector_id");
    let local = settings.users.is_some();
    let query = values.encode();
    let mark = if query.is_empty() { "" } else { "?" };
    let target = format!("{}{mark}{query}", exchange.server.path("/auth/local"));
    if !wanted.is_empty() {
        if local && wanted == LOCAL {
            return redirect(&exchange.method, &exchange.full_path, &target, StatusCode::FOUND);
        }
        return exchange.refuse(StatusCode::BAD_REQUEST, "Connector ID does not match a valid Connector");
    }
    let connectors = if local { vec![("Email".to_owned(), target.clone())] } else { Vec::new() };
    let choice = pages::choice(settings, &connectors);
    if connectors.len() != 1 || settings.always_show_login {
        return html(StatusCode::OK, choice);
    }
    // Dex goes on writing its page after the redirect.
    let redirected = redirect(&exchange.method, &exchange.full_path, &target, StatusCode::FOUND);
    let (mut parts, _) = redirected.into_parts();
    let body = match exchange.method {
        Method::HEAD => String::new(),
        Method::GET => link(&target, "Found") + &choice,
        _ => choice,
    };
    let (written, body) = html(StatusCode::FOUND, body).into_parts();
    parts.headers.extend(written.headers);
    Response::from_parts(parts, body)
}

/// `/auth/{connector}`: checks the request, stores it, and leads to the login form.
pub fn begin(exchange: &Exchange, connector: &str) -> Response<Body> {
    let request = match checked(exchange) {
        Ok(request) => request,
        Err(Refusal::Page(status, text)) => return exchange.refuse(status, &text),
        Err(Refusal::Redirect { to, state, error, description }) => {
            let mut values = Values::default();
            values.set("state", state);
            values.set("error", error);
            if !description.is_empty() {
                values.set("error_description", description);
            }
            let separator = if to.contains('?') { '&' } else { '?' };
            let target = format!("{to}{separator}{}", values.encode());
            return redirect(&exchange.method, &exchange.full_path, &target, StatusCode::SEE_OTHER);
        }
    };
    let connector = unescape_path(connector).unwrap_or_default();
    if connector != LOCAL || exchange.server.settings.users.is_none() {
        return exchange.refuse(StatusCode::BAD_REQUEST, "Requested resource does not exist");
    }
    if !request.connector.is_empty() && request.connector != connector {
        return exchange.refuse(StatusCode::BAD_REQUEST, "Bad connector ID");
    }
    let target = format!("{}?back=&state={}", exchange.server.path("/auth/local/login"), request.id);
    let mut tables = exchange.server.storage.tables();
    tables.collect_garbage(jiff::Timestamp::now());
    tables.requests.insert(request.id.clone(), AuthRequest { connector, ..request });
    drop(tables);
    if exchange.method != Method::GET {
        return exchange.refuse(StatusCode::BAD_REQUEST, "Unsupported request method.");
    }
    redirect(&exchange.method, &exchange.full_path, &target, StatusCode::FOUND)
}

fn checked(exchange: &Exchange) -> Result<AuthRequest, Refusal> {
    let settings = &exchange.server.settings;
    let values = &exchange.form.all;
    let page = |status, text: String| Err(Refusal::Page(status, text));
    if exchange.form.error.is_some() {
        return page(StatusCode::BAD_REQUEST, "Failed to parse request.".into());
    }
    let Ok(mut redirect_uri) = unescape_query(values.get("redirect_uri")) else {
        return page(StatusCode::BAD_REQUEST, "No redirect_uri provided.".into());
    };
    let client_id = values.get("client_id");
    let Some(client) = settings.client(client_id) else {
        return page(StatusCode::NOT_FOUND, format!("Invalid client_id ({}).", quote(client_id)));
    };
    if !may_redirect(client, &redirect_uri) {
        return page(StatusCode::BAD_REQUEST, format!("Unregistered redirect_uri ({}).", quote(&redirect_uri)));
    }
    if redirect_uri == DEVICE_CALLBACK && client.public {
        redirect_uri = exchange.server.path(DEVICE_CALLBACK);
    }
    let state = values.get("state");
    let refusal = |error, description: &str| {
        let (to, state) = (redirect_uri.clone(), state.to_owned());
        Err(Refusal::Redirect { to, state, error, description: description.to_owned() })
    };
    let connector = values.get("connector_id");
    if !connector.is_empty() && (connector != LOCAL || settings.users.is_none()) {
        return refusal("invalid_request", "Invalid ConnectorID");
    }
    if !values.get("request").is_empty() {
        return refusal("request_not_supported", "Server does not support request parameter.");
    }
    let method = challenge_method(values.get("code_challenge_method"));
    if method != "S256" && method != "plain" {
        return refusal("invalid_request", &format!("Unsupported PKCE challenge method ({}).", quote(method)));
    }
    let scopes = words(values.get("scope"));
    if let Err(description) = check_scopes(&scopes, |peer| settings.trusts(peer, client_id)) {
        return refusal("invalid_scope", &description);
    }
    let response_types = words(values.get("response_type"));
    for kind in &response_types {
        if !["code", "id_token", "token"].contains(&kind.as_str()) {
            return refusal("invalid_request", &format!("Invalid response type {}", quote(kind)));
        }
        if !settings.response_types.contains(kind) {
            let description = format!("Unsupported response type {}", quote(kind));
            return refusal("unsupported_response_type", &description);
        }
    }
    let has = |kind: &str| response_types.iter().any(|known| known == kind);
    if response_types.is_empty() {
        return refusal("invalid_request", "No response_type provided");
    }
    if has("token") && !has("code") && !has("id_token") {
        let description = "Response type 'token' must be provided with type 'id_token' and/or 'code'";
        return refusal("invalid_request", description);
    }
    if !has("code") && values.get("nonce").is_empty() {
        return refusal("invalid_request", "Response type 'token' requires a 'nonce' value.");
    }
    if has("token") && redirect_uri == OUT_OF_BAND {
        let description = format!("Cannot use response type 'token' with redirect_uri '{OUT_OF_BAND}'.");
        return refusal("invalid_request", &description);
    }
    Ok(AuthRequest {
        id: new_id(16),
        client_id: client_id.to_owned(),
        response_types,
        scopes,
        redirect_uri: redirect_uri.clone(),
        nonce: values.get("nonce").to_owned(),
        state: state.to_owned(),
        force_approval: values.get("approval_prompt") == "force",
        pkce: Pkce { challenge: values.get("code_challenge").to_owned(), method: method.to_owned() },
        connector: connector.to_owned(),
        claims: None,
        hmac_key: new_id(32),
        expiry: after(settings.requests_live),
    })
}

/// The PKCE method that counts: `plain` if none is told.
pub fn challenge_method(told: &str) -> &str {
    if told.is_empty() { "plain" } else { told }
}

/// The parts of a list that is separated by blanks.
pub fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Checks scopes; the error is its description.
pub fn check_scopes(scopes: &[String], trusted: impl Fn(&str) -> bool) -> Result<(), String> {
    let known = ["openid", "offline_access", "email", "profile", "groups", "federated:id"];
    let mut unrecognized = Vec::new();
    let mut refused = Vec::new();
    for scope in scopes.iter().filter(|scope| !known.contains(&scope.as_str())) {
        match peer(scope) {
            None => unrecognized.push(quote(scope)),
            Some(peer) if !trusted(peer) => refused.push(quote(scope)),
            Some(_) => {}
        }
    }
    if !scopes.iter().any(|scope| scope == "openid") {
        return Err("Missing required scope(s) [\"openid\"].".into());
    }
    if !unrecognized.is_empty() {
        return Err(format!("Unrecognized scope(s) [{}]", unrecognized.join(" ")));
    }
    if !refused.is_empty() {
        return Err(format!("Client can't request scope(s) [{}]", refused.join(" ")));
    }
    Ok(())
}

/// Registered URIs are compared literally; only public clients without any may use localhost and the special ones.
fn may_redirect(client: &Client, uri: &str) -> bool {
    if client.redirect_uris.iter().any(|known| known == uri) {
        return true;
    }
    if !client.public || !client.redirect_uris.is_empty() {
        return false;
    }
    let local =
        |uri: &str| url::Url::parse(uri).is_ok_and(|uri| uri.scheme() == "http" && uri.host_str() == Some("localhost"));
    uri == OUT_OF_BAND || uri == DEVICE_CALLBACK || local(uri)
}
