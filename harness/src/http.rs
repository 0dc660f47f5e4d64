//! An HTTP session as a browser has one: cookies, no redirect followed unasked, every hop recorded.

use ::http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::stop::{Checked, Stop};

/// One answer of the gateway.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The request's method.
    pub method: Method,
    /// The request's URL.
    pub url: Url,
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, read to its end (up to the session's limit).
    pub body: String,
}

impl Answer {
    /// The request line, for [`Stop::at`].
    #[must_use]
    pub fn at(&self) -> String {
        format!("{} {}", self.method, self.url)
    }

    /// A header's first value, or an empty string.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The target of a redirect, resolved against the request's URL.
    #[must_use]
    pub fn location(&self) -> Option<Url> {
        let location = self.header("location");
        if location.is_empty() { None } else { self.url.join(location).ok() }
    }

    /// The status and what kind of body it has, for `actual` of a failure: `403 text/html "Sign In"`.
    #[must_use]
    pub fn summary(&self) -> String {
        self.status.to_string()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&self.body).ok()
    }

    /// The content of the page's `<title>`, if it is HTML.
    #[must_use]
    pub fn title(&self) -> Option<String> {
        None
    }
}

/// A request being put together. See [`Session::request`].
pub struct RequestBuilder<'a> {
    session: &'a Session,
    method: Method,
    url: Url,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl RequestBuilder<'_> {
    /// Adds a header; a name may be added several times, and its case is kept on HTTP/1.1.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
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

    /// Sends it; redirects are not followed. No answer is [`Stop::Errored`], never a denial.
    pub async fn send(self) -> Checked<Answer> {
        let _ = (self.session, self.method, self.url, self.headers, self.body);
        Err(Stop::errored("transport", "not written yet"))
    }
}

/// A browser-like session.
pub struct Session {}

impl Session {
    /// A request to a path (with query) of the gateway, or to an absolute URL of it.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder<'_> {
        let url = Url::parse("http://localhost/").and_then(|base| base.join(path));
        RequestBuilder {
            session: self,
            method,
            url: url.unwrap_or_else(|_| unreachable!("not written yet")),
            headers: Vec::new(),
            body: None,
        }
    }

    /// GET, redirects not followed.
    pub async fn get(&self, path: &str) -> Checked<Answer> {
        self.request(Method::GET, path).send().await
    }

    /// GET, following at most ten redirects; a loop is [`Stop::Failed`].
    pub async fn follow(&self, path: &str) -> Checked<Answer> {
        self.get(path).await
    }

    /// A cookie's value as the session holds it, by exact name.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        let _ = name;
        None
    }

    /// The names of all cookies it holds.
    #[must_use]
    pub fn cookie_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// Sets a cookie for the gateway, as if it had sent `Set-Cookie: name=value; Path=/`.
    pub fn set_cookie(&self, name: &str, value: &str) {
        let _ = (name, value);
    }

    /// A copy with the same cookies: for trying what a thief of the cookies could do.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {}
    }
}

/// A form of a page: where it goes and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Upper-case method.
    pub method: String,
    /// Resolved target.
    pub action: Url,
    /// Names and preset values of its fields, in order.
    pub fields: Vec<(String, String)>,
}

/// The forms of an HTML page.
#[must_use]
pub fn forms(answer: &Answer) -> Vec<Form> {
    let _ = answer;
    Vec::new()
}
