//! Who answered, judged by content: the dashboard answers 200 for every path that nobody owns, so a status alone says
//! nothing.
//!
//! The marks are those that the real programs show (centraldashboard, the web apps' `crud_backend`, the Pipelines front
//! end, katib-ui, Dex, oauth2-proxy, oidc-authservice, Envoy). Minified pages drop blanks and quotes, and a gateway
//! replaces `Server`: neither is looked at.

use std::fmt;

use harness::http::Answer;
use harness::{Checked, Stop};
use http::StatusCode;
use serde_json::Value;

use crate::applications::App;
use crate::stand_in::StandIn;

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// The page of an application.
    Page(App),
    /// The dashboard's API: no such route.
    DashboardNoRoute,
    /// A web app's JSON: whether it was a success, and the user that the app saw.
    WebApp {
        /// Its `success`.
        success: bool,
        /// Its `user`; nothing if the app saw nobody.
        user: Option<String>,
        /// Its `log`: why not.
        log: String,
    },
    /// An Express program has no such route: `Cannot GET /x`.
    ExpressNoRoute,
    /// A program in the place of an application, that answers with what it received.
    StandIn(StandIn),
    /// ML Metadata, by gRPC-web.
    GrpcWeb,
    /// Dex's discovery document.
    DexDiscovery,
    /// Dex's login form, and whether it says that the last try was refused.
    DexForm {
        /// Whether it says so.
        refused: bool,
    },
    /// Dex's error page, with its text.
    DexError(String),
    /// oauth2-proxy's page with the button "Sign in".
    SignInPage,
    /// oauth2-proxy refuses an API call.
    ApiRefusal,
    /// oauth2-proxy's error page.
    ProxyError(StatusCode),
    /// A redirect to Dex's login.
    DexRedirect,
    /// A redirect elsewhere.
    Redirect(String),
    /// authservice finds that the login's state does not fit.
    StateRefusal,
    /// Envoy refuses by an AuthorizationPolicy.
    RbacRefusal,
    /// Envoy refuses a token, with its words.
    TokenRefusal(String),
    /// Envoy has no route.
    NoRoute,
    /// Envoy has a route, and nobody answers there.
    Unavailable(String),
    /// Envoy could not ask whoever decides.
    AskingFailed,
    /// None of these: status, type and title.
    Other(String),
}

impl Answered {
    /// Whether it is an application, as opposed to whoever stands before it.
    #[must_use]
    pub fn is_application(&self) -> bool {
        matches!(
            self,
            Self::Page(_)
                | Self::DashboardNoRoute
                | Self::WebApp { .. }
                | Self::ExpressNoRoute
                | Self::StandIn(_)
                | Self::GrpcWeb
        )
    }

    /// Whether the gateway refused and asks for a login or a better token.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::SignInPage | Self::ApiRefusal | Self::DexRedirect | Self::RbacRefusal | Self::TokenRefusal(_)
        )
    }
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(app) => write!(f, "the page of {}", app.name()),
            Self::DashboardNoRoute => write!(f, "the dashboard's API, which has no such route"),
            Self::WebApp { success: true, user, .. } => write!(f, "a web app, for {}", person(user.as_deref())),
            Self::WebApp { user, log, .. } => write!(f, "a web app refusing {}: {log}", person(user.as_deref())),
            Self::ExpressNoRoute => write!(f, "an application that has no such route"),
            Self::StandIn(StandIn { pod, .. }) => write!(f, "a stand-in, pod {pod}"),
            Self::GrpcWeb => write!(f, "ML Metadata (gRPC-web)"),
            Self::DexDiscovery => write!(f, "Dex's discovery document"),
            Self::DexForm { refused: false } => write!(f, "Dex's login form"),
            Self::DexForm { refused: true } => write!(f, "Dex's login form, saying that the login was refused"),
            Self::DexError(text) => write!(f, "Dex's error page: {text}"),
            Self::SignInPage => write!(f, "oauth2-proxy's sign-in page"),
            Self::ApiRefusal => write!(f, "oauth2-proxy refusing an API call"),
            Self::ProxyError(status) => write!(f, "oauth2-proxy's error page, {status}"),
            Self::DexRedirect => write!(f, "a redirect to Dex's login"),
            Self::Redirect(to) => write!(f, "a redirect to {to}"),
            Self::StateRefusal => write!(f, "authservice refusing the login's state"),
            Self::RbacRefusal => write!(f, "Envoy refusing by an AuthorizationPolicy"),
            Self::TokenRefusal(words) => write!(f, "Envoy refusing the token: {words}"),
            Self::NoRoute => write!(f, "Envoy, which has no route for it"),
            Self::Unavailable(words) => write!(f, "Envoy, because nobody answers behind the route: {words}"),
            Self::AskingFailed => write!(f, "Envoy, because it could not ask whether to let the request in"),
            Self::Other(summary) => write!(f, "{summary}"),
        }
    }
}

fn person(user: Option<&str>) -> &str {
    user.unwrap_or("nobody")
}

/// Who answered.
#[must_use]
pub fn who(answer: &Answer) -> Answered {
    if answer.status.is_redirection() {
        return redirect(answer);
    }
    let kind = answer.header("content-type");
    if kind.starts_with("application/grpc-web") {
        return Answered::GrpcWeb;
    }
    if let Some(stand_in) = StandIn::read(answer) {
        return Answered::StandIn(stand_in);
    }
    if let Some(json) = answer.json()
        && let Some(known) = json_answer(answer.status, &json)
    {
        return known;
    }
    if kind.starts_with("text/html")
        && let Some(known) = page(answer)
    {
        return known;
    }
    words(answer).unwrap_or_else(|| Answered::Other(answer.summary()))
}

fn redirect(answer: &Answer) -> Answered {
    let Some(to) = answer.location() else { return Answered::Other(answer.summary()) };
    if to.path() == "/dex/auth" { Answered::DexRedirect } else { Answered::Redirect(to.path().to_owned()) }
}

fn json_answer(status: StatusCode, json: &Value) -> Option<Answered> {
    let object = json.as_object()?;
    if object.is_empty() && status == StatusCode::UNAUTHORIZED {
        return Some(Answered::ApiRefusal);
    }
    if let (Some(success), true) = (object.get("success").and_then(Value::as_bool), object.contains_key("user")) {
        let log = object.get("log").and_then(Value::as_str).unwrap_or_default().to_owned();
        let user = object.get("user").and_then(Value::as_str).map(str::to_owned);
        return Some(Answered::WebApp { success, user, log });
    }
    if object.contains_key("issuer") && object.contains_key("jwks_uri") {
        return Some(Answered::DexDiscovery);
    }
    let error = object.get("error").and_then(Value::as_str)?;
    if status == StatusCode::NOT_FOUND && error.starts_with("Could not find the route") {
        return Some(Answered::DashboardNoRoute);
    }
    (object.len() == 1).then(|| Answered::Other(format!("the dashboard, with the error {error:?}")))
}

fn page(answer: &Answer) -> Option<Answered> {
    let (title, body) = (answer.title().unwrap_or_default(), answer.body.as_str());
    if body.contains("<main-page") && title == "Kubeflow Central Dashboard" {
        return Some(Answered::Page(App::Dashboard));
    }
    if title == "Kubeflow Pipelines" && body.contains("KFP_FLAGS") {
        return Some(Answered::Page(App::Pipelines));
    }
    if body.contains("<app-root") {
        return web_app_page(answer, &title);
    }
    if body.contains("/oauth2/start") && title == "Sign In" {
        return Some(Answered::SignInPage);
    }
    if body.contains("name=\"login\"") && body.contains("name=\"password\"") {
        return Some(Answered::DexForm { refused: body.contains("id=\"login-error\"") });
    }
    if body.contains("<pre>Cannot ") {
        return Some(Answered::ExpressNoRoute);
    }
    // Its own pages carry the name that its configuration gives it, `dex` if none; sites change the theme.
    if !answer.status.is_success() && (title == "dex" || (body.contains("theme-") && body.contains("/dex/"))) {
        return Some(Answered::DexError(dex_words(body)));
    }
    // oauth2-proxy titles its error page with status and reason.
    let code = answer.status.as_str();
    (title.starts_with(code) && body.contains("/oauth2/")).then_some(Answered::ProxyError(answer.status))
}

/// The four Flask applications and katib-ui are Angular pages that differ by `<base href>`; the cookie's path says the
/// same of the Flask ones.
fn web_app_page(answer: &Answer, title: &str) -> Option<Answered> {
    let base = base_href(&answer.body).unwrap_or_default();
    let cookies: Vec<&str> =
        answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()).collect();
    for app in [App::Jupyter, App::Volumes, App::Tensorboards, App::Models, App::Katib] {
        let prefix = app.entry().page.trim_end_matches('/');
        let cookie = format!("Path={prefix};");
        if base.trim_end_matches('/') == prefix
            || cookies.iter().any(|cookie_line| {
                cookie_line.starts_with("XSRF-TOKEN=") && format!("{cookie_line};").contains(&cookie)
            })
        {
            return Some(Answered::Page(app));
        }
    }
    title.eq_ignore_ascii_case("katib").then_some(Answered::Page(App::Katib))
}

fn base_href(body: &str) -> Option<&str> {
    let tag = body.split_once("<base ")?.1.split_once('>')?.0;
    let value = tag.split_once("href=")?.1.trim_end_matches('/').trim();
    let value = value.split_whitespace().next()?;
    Some(value.trim_matches(['"', '\'']))
}

/// The sentence of Dex's error page.
fn dex_words(body: &str) -> String {
    let paragraph = body.split_once("<p>").and_then(|(_, rest)| rest.split_once("</p>")).map_or("", |(text, _)| text);
    paragraph.replace("&#34;", "\"").replace("&quot;", "\"").replace("&amp;", "&").trim().to_owned()
}

fn words(answer: &Answer) -> Option<Answered> {
    let body = answer.body.trim();
    let first = || body.lines().next().unwrap_or_default().chars().take(160).collect::<String>();
    match answer.status {
        StatusCode::FORBIDDEN if body.starts_with("RBAC: access denied") => Some(Answered::RbacRefusal),
        StatusCode::FORBIDDEN if body.is_empty() => Some(Answered::AskingFailed),
        StatusCode::UNAUTHORIZED if body.starts_with("Jwt") || body.starts_with("Jwks") => {
            Some(Answered::TokenRefusal(first()))
        }
        StatusCode::FORBIDDEN if body.starts_with("Audiences in Jwt") => Some(Answered::TokenRefusal(first())),
        StatusCode::BAD_REQUEST if body.starts_with("CSRF check failed") => Some(Answered::StateRefusal),
        StatusCode::NOT_FOUND if body.is_empty() => Some(Answered::NoRoute),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Some(Answered::Unavailable(first())),
        _ => None,
    }
}

/// Fails unless `wanted` answered.
///
/// # Errors
/// [`Stop::Failed`] with what was wanted and what came instead.
pub fn expect(answer: &Answer, wanted: &Answered) -> Checked {
    let who = who(answer);
    if who == *wanted {
        return Ok(());
    }
    Err(Stop::failed(format!("{wanted} answers"), format!("answered: {who} ({})", answer.summary())).at(answer.at()))
}

/// Fails unless the gateway refused, in one of its ways.
///
/// # Errors
/// [`Stop::Failed`] if anything else answered. A gateway that could not even ask whoever decides has not refused.
pub fn expect_refusal(answer: &Answer, what: &str) -> Checked {
    let who = who(answer);
    if who.is_refusal() {
        return Ok(());
    }
    Err(Stop::failed(format!("{what} is refused"), format!("answered: {who} ({})", answer.summary())).at(answer.at()))
}
