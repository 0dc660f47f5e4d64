//! What the gateway answered, and short ways to say it.

use std::time::Duration;

use ::http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::cookies::SetCookie;
use super::page;

/// One answer of the gateway.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The request's method.
    pub method: Method,
    /// The request's URL.
    pub url: Url,
    /// The URL as it was sent: [`Answer::url`] has its dot segments resolved, this has not.
    pub sent: String,
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, read to its end (up to the session's limit); bytes that are no UTF-8 are replaced.
    pub body: String,
    /// Whether the body was longer than the limit, and is cut.
    pub cut: bool,
    /// From the first byte sent until the last byte received.
    pub took: Duration,
}

impl Answer {
    /// The request line, for [`crate::Stop::at`].
    #[must_use]
    pub fn at(&self) -> String {
        format!("{} {}", self.method, self.sent)
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

    /// Whether it sends the client elsewhere: a redirect status with a `Location`.
    #[must_use]
    pub fn redirects(&self) -> bool {
        matches!(self.status.as_u16(), 301 | 302 | 303 | 307 | 308) && self.location().is_some()
    }

    /// Whether the body is declared as HTML.
    #[must_use]
    pub fn is_html(&self) -> bool {
        self.media_type().eq_ignore_ascii_case("text/html")
    }

    /// The cookies that it sets, in order.
    #[must_use]
    pub fn set_cookies(&self) -> Vec<SetCookie> {
        self.headers.get_all("set-cookie").iter().filter_map(|value| SetCookie::parse(value.to_str().ok()?)).collect()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&self.body).ok()
    }

    /// The content of the page's `<title>`, if it is HTML.
    #[must_use]
    pub fn title(&self) -> Option<String> {
        if self.is_html() { page::title(&self.body) } else { None }
    }

    /// The status and what kind of body it has, for `actual` of a failure: `403 text/html, page "Sign in"`,
    /// `302 to /dex/auth?…`, `200 application/json {"a":1}`.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = self.status.as_u16().to_string();
        let location = self.header("location");
        if !location.is_empty() {
            return format!("{text} to {}", shortened(location, 120));
        }
        if self.body.is_empty() {
            text.push_str(", no body");
            return text;
        }
        if !self.media_type().is_empty() {
            text = format!("{text} {}", self.media_type());
        }
        text = match self.title() {
            Some(title) => format!("{text}, page {:?}", shortened(&title, 60)),
            None if self.is_html() => format!("{text}, a page without a title"),
            None => format!("{text} {}", shortened(self.body.trim(), 80)),
        };
        if self.cut {
            text.push_str(" (cut: longer than the limit)");
        }
        text
    }

    fn media_type(&self) -> &str {
        self.header("content-type").split(';').next().unwrap_or_default().trim()
    }
}

/// At most so many characters on one line; what is left out shows as `…`.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= limit {
        return line;
    }
    line.chars().take(limit).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let url = Url::parse("http://localhost/a/b?c").unwrap();
        Answer {
            method: Method::GET,
            sent: url.to_string(),
            url,
            status: StatusCode::from_u16(status).unwrap(),
            headers: map,
            body: body.into(),
            cut: false,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn summary_says_what_a_person_would_ask_for() {
        let page =
            answer(403, &[("content-type", "text/html; charset=utf-8")], "<html><title> Sign\n in </title></html>");
        assert_eq!(page.summary(), r#"403 text/html, page "Sign in""#);
        assert_eq!(answer(302, &[("location", "/dex/auth?x=1")], "").summary(), "302 to /dex/auth?x=1");
        assert_eq!(answer(403, &[], "").summary(), "403, no body");
        let json = answer(200, &[("content-type", "application/json")], "{\"a\":\n 1}");
        assert_eq!(json.summary(), r#"200 application/json {"a": 1}"#);
        assert_eq!(
            answer(200, &[("content-type", "text/html")], "<p>x").summary(),
            "200 text/html, a page without a title"
        );
        let long = answer(200, &[("content-type", "text/plain")], &"ä".repeat(500));
        assert_eq!(long.summary(), format!("200 text/plain {}…", "ä".repeat(80)));
    }

    #[test]
    fn location_is_resolved_against_the_request() {
        assert_eq!(answer(302, &[("location", "../x")], "").location().unwrap().as_str(), "http://localhost/x");
        assert_eq!(answer(302, &[("location", "//h/x")], "").location().unwrap().as_str(), "http://h/x");
        assert_eq!(answer(302, &[], "").location(), None);
        assert!(!answer(201, &[("location", "/x")], "").redirects());
        assert!(answer(303, &[("location", "/x")], "").redirects());
    }

    #[test]
    fn cookies_are_read_with_their_attributes() {
        let answer = answer(302, &[("set-cookie", "a=1; Path=/; HttpOnly"), ("set-cookie", "b=2; Max-Age=0")], "");
        let cookies = answer.set_cookies();
        assert_eq!(cookies.len(), 2);
        assert!(cookies[0].http_only && !cookies[0].secure);
        assert_eq!((cookies[1].name.as_str(), cookies[1].max_age), ("b", Some(0)));
    }
}
