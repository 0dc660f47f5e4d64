//! An HTTP session as a browser has one: cookies, no redirect followed unasked, every hop recorded.

mod answer;
mod cookies;
mod curl;
mod exchange;
mod gateway;
mod page;
mod verbatim;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, Method};
use url::Url;

pub use answer::Answer;
pub(crate) use answer::shortened;
pub use cookies::SetCookie;
pub use gateway::{Gateway, GatewayError, Limits};
pub use page::{Form, forms};
pub use websocket::Upgrade;

use crate::evidence::Recorder;
use crate::stop::{Checked, Stop};
use cookies::Jar;
use exchange::Outgoing;

/// How many redirects are followed before it counts as a loop; browsers allow twenty, a login takes six.
const REDIRECTS: usize = 10;

/// A browser-like session.
pub struct Session {
    gateway: Arc<Gateway>,
    recorder: Recorder,
    user_agent: String,
    cookies: Jar,
}

impl Session {
    /// A session without cookies; its requests are evidence of `recorder`'s check and carry `user_agent`.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, recorder: Recorder, user_agent: impl Into<String>) -> Self {
        Self { gateway, recorder, user_agent: user_agent.into(), cookies: Jar::default() }
    }

    /// The same session, cookies shared, used by another check.
    #[must_use]
    pub fn on_behalf_of(&self, recorder: Recorder, user_agent: impl Into<String>) -> Self {
        let cookies = self.cookies.clone();
        Self { gateway: Arc::clone(&self.gateway), recorder, user_agent: user_agent.into(), cookies }
    }

    /// The gateway's base URL.
    #[must_use]
    pub fn base(&self) -> &Url {
        self.gateway.base()
    }

    /// A request to a path (with query) of the gateway, or to an absolute URL of it.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder<'_> {
        RequestBuilder {
            session: self,
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
            within: self.gateway.limits.overall,
        }
    }

    /// GET, redirects not followed.
    pub async fn get(&self, path: &str) -> Checked<Answer> {
        self.request(Method::GET, path).send().await
    }

    /// GET, following at most ten redirects; a loop, or a redirect away from the gateway, is [`Stop::Failed`].
    pub async fn follow(&self, path: &str) -> Checked<Answer> {
        let mut answer = self.get(path).await?;
        let mut visited = vec![answer.sent.clone()];
        while answer.redirects() {
            let next = self.next_hop(&answer)?;
            visited.push(next.to_string());
            if visited.len() > REDIRECTS + 1 {
                let shown = visited.iter().rev().take(4).rev().map(|url| shortened(url, 80)).collect::<Vec<_>>();
                return Err(Stop::failed(
                    format!("{path} is answered after at most {REDIRECTS} redirects"),
                    format!("redirects without an end: … {}", shown.join(" → ")),
                )
                .at(answer.at()));
            }
            answer = self.get(next.as_str()).await?;
        }
        Ok(answer)
    }

    /// The target of an answer's redirect, which must be on the gateway.
    pub(crate) fn next_hop(&self, answer: &Answer) -> Checked<Url> {
        match answer.location() {
            Some(next) if next.origin() == self.gateway.base.origin() => Ok(next),
            other => {
                let target = other.map_or_else(|| answer.header("location").to_owned(), |url| url.to_string());
                Err(Stop::failed(
                    format!("a redirect that stays on {}", self.gateway.origin()),
                    format!("{} to {}", answer.status.as_u16(), shortened(&target, 200)),
                )
                .at(answer.at())
                .fix("if that is the platform's public address, judge it by that: --gateway-url"))
            }
        }
    }

    /// A cookie's value as the session holds it, by exact name.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.value(name)
    }

    /// The names of all cookies it holds, sorted.
    #[must_use]
    pub fn cookie_names(&self) -> Vec<String> {
        self.cookies.names()
    }

    /// Sets a cookie for the gateway, as if it had sent `Set-Cookie: name=value; Path=/`.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.recorder.secret(value);
        self.cookies.set(name, value, &self.gateway.base);
    }

    /// A copy with the same cookies: for trying what a thief of the cookies could do.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {
            gateway: Arc::clone(&self.gateway),
            recorder: self.recorder.clone(),
            user_agent: self.user_agent.clone(),
            cookies: self.cookies.copy(),
        }
    }

    fn take_cookies(&self, headers: &HeaderMap, url: &Url) {
        for header in headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()) {
            if let Some(cookie) = SetCookie::parse(header) {
                self.recorder.secret(&cookie.value);
            }
            self.cookies.store(header, url);
        }
    }
}

/// A request being put together. See [`Session::request`].
pub struct RequestBuilder<'a> {
    session: &'a Session,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    within: Duration,
}

impl RequestBuilder<'_> {
    /// Adds a header; a name may be added several times, and its case is kept on HTTP/1.1. `cookie` takes the place of
    /// the session's own cookies; empty, the request goes without any.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.session.recorder.secret(token);
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// A form body.
    #[must_use]
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.body = Some(body.into_bytes());
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    /// A JSON body.
    #[must_use]
    pub fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = Some(body.to_string().into_bytes());
        self.header("content-type", "application/json")
    }

    /// A body of any kind.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", content_type)
    }

    /// Bounds this exchange, the body's end included; [`Limits::overall`] otherwise.
    #[must_use]
    pub fn within(mut self, bound: Duration) -> Self {
        self.within = bound;
        self
    }

    /// Sends it; redirects are not followed. No answer is [`Stop::Errored`], never a denial.
    pub async fn send(self) -> Checked<Answer> {
        let session = self.session;
        let answer = exchange::exchange(&session.gateway, &session.recorder, self.outgoing()?).await?;
        session.take_cookies(&answer.headers, &answer.url);
        Ok(answer)
    }

    fn outgoing(self) -> Checked<Outgoing> {
        let gateway = &self.session.gateway;
        let sent = if self.path.starts_with('/') { format!("{}{}", gateway.origin(), self.path) } else { self.path };
        let url = match Url::parse(&sent) {
            Ok(url) if url.origin() == gateway.base.origin() => url,
            _ => {
                let message = format!("{} {sent} is not on the gateway {}", self.method, gateway.origin());
                return Err(Stop::errored("precondition", message));
            }
        };
        let mut headers = self.headers;
        let has = |headers: &[(String, String)], name: &str| headers.iter().any(|(h, _)| h.eq_ignore_ascii_case(name));
        if !has(&headers, "user-agent") {
            headers.insert(0, ("user-agent".to_owned(), self.session.user_agent.clone()));
        }
        if !has(&headers, "accept") {
            headers.insert(1.min(headers.len()), ("accept".to_owned(), "*/*".to_owned()));
        }
        if !has(&headers, "cookie") {
            headers.extend(self.session.cookies.header(&url).map(|cookies| ("cookie".to_owned(), cookies)));
        }
        headers.retain(|(name, value)| !(name.eq_ignore_ascii_case("cookie") && value.is_empty()));
        Ok(Outgoing { method: self.method, url, sent, headers, body: self.body, within: self.within })
    }
}

/// An error with all its causes on one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    text
}
