//! Requests that a session decides about: the check of the gateway, `/oauth2/auth`, `/oauth2/userinfo`,
//! `/oauth2/sign_out`, `/oauth2/sign_in`.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use jiff::Timestamp;
use regex::Regex;
use serde_json::json;
use std::sync::LazyLock;

use super::cookies::{Found, Session};
use super::{Exchange, login, pages, redirects};
use crate::actors::dex;
use crate::actors::net_http::redirect::redirect;
use crate::actors::net_http::{answer, error, header_value};

/// What a JWT looks like (`pkg/middleware/jwt_session.go`).
static JWT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^ey[IJ][a-zA-Z0-9_-]*\.ey[IJ][a-zA-Z0-9_-]*\.[a-zA-Z0-9_-]+$").ok());

/// What a request's session allows.
enum Decision {
    /// Go on; nobody needs to be logged in for it if there is no session.
    Allowed(Option<Box<Session>>),
    /// Nobody is logged in.
    NeedsLogin,
    /// Someone is, who may not.
    Denied,
}

/// A decision and the `Set-Cookie` lines that it caused.
struct Judged {
    decision: Decision,
    cookies: Vec<String>,
}

impl Judged {
    fn with_cookies(&self, mut response: Response<Body>) -> Response<Body> {
        let others: Vec<HeaderValue> = response.headers().get_all(header::SET_COOKIE).iter().cloned().collect();
        response.headers_mut().remove(header::SET_COOKIE);
        for value in self.cookies.iter().map(|line| header_value(line)).chain(others) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
        response
    }
}

async fn judge(exchange: &Exchange) -> Judged {
    let settings = &exchange.server.settings;
    let mut cookies = Vec::new();
    let session = match bearer_session(exchange).await {
        Some(session) => Some(Box::new(session)),
        None => match session_of_cookie(exchange).await {
            Found::Session(session) => Some(session),
            Found::Nothing => None,
            Found::Bad => {
                cookies = exchange.deletions();
                None
            }
        },
    };
    let needs_none = settings.skip_auth_preflight && exchange.method == Method::OPTIONS
        || settings.skip_auth_routes.iter().any(|route| {
            (route.method.is_empty() || exchange.method.as_str() == route.method)
                && route.expression.is_match(&exchange.uri) != route.negate
        });
    let decision = match session {
        session if needs_none => Decision::Allowed(session),
        None => Decision::NeedsLogin,
        Some(session)
            if (session.email.is_empty() || settings.allows_email(&session.email))
                && settings.allows_groups(&session.groups) =>
        {
            Decision::Allowed(Some(session))
        }
        Some(_) => {
            cookies.extend(exchange.deletions());
            Decision::Denied
        }
    };
    Judged { decision, cookies }
}

/// The session that the request's cookie says. The switch `session-unchecked` takes any such cookie for one of the
/// default user.
async fn session_of_cookie(exchange: &Exchange) -> Found {
    let settings = &exchange.server.settings;
    let found = settings.cookie.session(&exchange.headers, Timestamp::now());
    if !matches!(found, Found::Bad) || !exchange.switch("session-unchecked") {
        return found;
    }
    let Some(token) = dex::issue_unasked(&exchange.client.world, &settings.provider.client_id).await else {
        return found;
    };
    let session = exchange.server.provider.session_of(&exchange.client, &settings.provider, &token).await;
    session.map_or(found, |session| Found::Session(Box::new(session)))
}

/// The session of a JWT in `Authorization`, if that is allowed and the provider issued it for this client.
async fn bearer_session(exchange: &Exchange) -> Option<Session> {
    let settings = &exchange.server.settings;
    if !settings.skip_jwt_bearer_tokens {
        return None;
    }
    let authorization = exchange.header("authorization");
    let token = authorization.strip_prefix("Bearer ")?;
    if !JWT.as_ref()?.is_match(token) {
        return None;
    }
    let mut session = exchange.server.provider.session_of(&exchange.client, &settings.provider, token).await?;
    if session.email.is_empty() {
        session.email.clone_from(&session.user);
    }
    token.clone_into(&mut session.access_token);
    Some(session)
}

/// All paths that are not oauth2-proxy's own: what the gateway asks about. The only upstream is `static://200`.
pub async fn check(exchange: &Exchange) -> Response<Body> {
    let settings = &exchange.server.settings;
    let judged = judge(exchange).await;
    let response = match &judged.decision {
        Decision::Allowed(session) => match exchange.cleaned_by_upstream() {
            Some(moved) => with_headers(exchange, session.as_deref(), moved),
            None => {
                let response = answer(StatusCode::OK, "text/plain; charset=utf-8", "Authenticated");
                with_headers(exchange, session.as_deref(), response)
            }
        },
        Decision::NeedsLogin if settings.force_json_errors || wants_json(exchange) || is_api(exchange) => {
            answer(StatusCode::UNAUTHORIZED, "application/json", "{}")
        }
        Decision::NeedsLogin if settings.skip_provider_button => login::start(exchange).await,
        Decision::NeedsLogin => sign_in_page(exchange, StatusCode::FORBIDDEN),
        Decision::Denied if settings.force_json_errors => answer(StatusCode::FORBIDDEN, "application/json", "{}"),
        Decision::Denied => exchange.refuse(StatusCode::FORBIDDEN, None),
    };
    judged.with_cookies(response)
}

fn is_api(exchange: &Exchange) -> bool {
    exchange.server.settings.api_routes.iter().any(|route| route.is_match(&exchange.uri))
}

fn wants_json(exchange: &Exchange) -> bool {
    let accepted = exchange.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim() == "application/json")
}

/// What the gateway, or the browser on `/oauth2/*`, learns of the session.
fn with_headers(exchange: &Exchange, session: Option<&Session>, mut response: Response<Body>) -> Response<Body> {
    let Some(session) = session else { return response };
    let settings = &exchange.server.settings;
    let headers = response.headers_mut();
    let mut add = |name: &'static str, value: &str| {
        if !value.is_empty() {
            headers.append(HeaderName::from_static(name), header_value(value));
        }
    };
    add("gap-auth", if session.email.is_empty() { &session.user } else { &session.email });
    if settings.set_xauthrequest {
        add("x-auth-request-user", &session.user);
        add("x-auth-request-email", &session.email);
        add("x-auth-request-preferred-username", &session.preferred_username);
        add("x-auth-request-groups", &session.groups.join(","));
    }
    if settings.set_authorization_header && !session.id_token.is_empty() {
        add("authorization", &format!("Bearer {}", session.id_token));
    }
    response
}

/// `/oauth2/auth`: the check without a page, and with the constraints of its query.
pub async fn auth_only(exchange: &Exchange) -> Response<Body> {
    let judged = judge(exchange).await;
    let response = match &judged.decision {
        Decision::Allowed(session) if session.as_deref().is_none_or(|session| constraints_hold(exchange, session)) => {
            let mut accepted = Response::new(Body::empty());
            *accepted.status_mut() = StatusCode::ACCEPTED;
            with_headers(exchange, session.as_deref(), accepted)
        }
        Decision::Allowed(_) => error(StatusCode::FORBIDDEN, "Forbidden"),
        Decision::NeedsLogin | Decision::Denied => error(StatusCode::UNAUTHORIZED, "Unauthorized"),
    };
    judged.with_cookies(response)
}

/// `allowed_groups`, `allowed_emails`, `allowed_email_domains` of the query.
fn constraints_hold(exchange: &Exchange, session: &Session) -> bool {
    let allowed = |name: &str| -> Vec<String> {
        let values = exchange.form.query.all(name);
        values.flat_map(|value| value.split(',')).filter(|one| !one.is_empty()).map(str::to_owned).collect()
    };
    let holds = |allowed: Vec<String>, fits: &dyn Fn(&String) -> bool| allowed.is_empty() || allowed.iter().any(fits);
    let domain = session.email.split_once('@').map_or("", |(_, domain)| domain);
    holds(allowed("allowed_groups"), &|group| session.groups.contains(group))
        && holds(allowed("allowed_emails"), &|email| *email == session.email)
        && holds(allowed("allowed_email_domains"), &|allowed| {
            let parent = allowed.trim_start_matches('*').trim_start_matches('.');
            !domain.is_empty()
                && (domain == allowed
                    || (parent != allowed.as_str() && (domain == parent || domain.ends_with(&format!(".{parent}")))))
        })
}

/// `/oauth2/userinfo`.
pub async fn user_info(exchange: &Exchange) -> Response<Body> {
    let judged = judge(exchange).await;
    let response = match &judged.decision {
        Decision::Allowed(None) => answer(StatusCode::OK, "application/json", "{}"),
        Decision::Allowed(Some(session)) => {
            let mut body = json!({"user": session.user, "email": session.email});
            if !session.groups.is_empty() {
                body["groups"] = json!(session.groups);
            }
            if !session.preferred_username.is_empty() {
                body["preferredUsername"] = json!(session.preferred_username);
            }
            answer(StatusCode::OK, "application/json", format!("{body}\n"))
        }
        Decision::NeedsLogin | Decision::Denied => error(StatusCode::UNAUTHORIZED, "Unauthorized"),
    };
    exchange.no_cache(judged.with_cookies(response))
}

/// `/oauth2/sign_out`: only the browser forgets; a copy of the cookie stays good.
pub fn sign_out(exchange: &Exchange) -> Response<Body> {
    let (mut response, mut lines) = match redirects::target(exchange) {
        Ok(target) => (redirect(&exchange.method, &exchange.path, &target, StatusCode::FOUND), exchange.deletions()),
        Err(_) => (exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR, None), Vec::new()),
    };
    // A session that is not good is deleted when it is loaded already.
    if matches!(exchange.server.settings.cookie.session(&exchange.headers, Timestamp::now()), Found::Bad) {
        lines.extend(exchange.deletions());
    }
    for line in lines {
        response.headers_mut().append(header::SET_COOKIE, header_value(&line));
    }
    exchange.no_cache(response)
}

/// `/oauth2/sign_in`.
pub async fn sign_in(exchange: &Exchange) -> Response<Body> {
    if exchange.form.error.is_some() {
        return exchange.no_cache(exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR, None));
    }
    if exchange.server.settings.skip_provider_button {
        return login::start(exchange).await;
    }
    sign_in_page(exchange, StatusCode::OK)
}

/// The sign-in page; whoever sees it has no session any more.
fn sign_in_page(exchange: &Exchange, status: StatusCode) -> Response<Body> {
    let settings = &exchange.server.settings;
    let mut response = match redirects::target(exchange) {
        Ok(target) => {
            let own = format!("{}/sign_in", settings.prefix);
            let target = if target == own { "/" } else { &target };
            pages::sign_in(settings, &exchange.server.logo, target, status)
        }
        // The status line is out already when the page turns out to be impossible.
        Err(_) => {
            let mut page = exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR, None);
            *page.status_mut() = status;
            page
        }
    };
    for line in exchange.deletions() {
        response.headers_mut().append(header::SET_COOKIE, header_value(&line));
    }
    exchange.no_cache(response)
}
