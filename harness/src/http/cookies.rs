//! Cookies: the jar of a session (RFC 6265) and what a `Set-Cookie` header says.

use std::sync::{Arc, Mutex, PoisonError};

use cookie_store::{CookieStore, RawCookie};
use url::Url;

/// One `Set-Cookie` header, read as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetCookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// `Path`.
    pub path: Option<String>,
    /// `Domain`.
    pub domain: Option<String>,
    /// `Max-Age` in seconds. Contract A sends nanoseconds here by mistake, about 38,000 years: a number that fits no
    /// integer is the greatest or least one.
    pub max_age: Option<i64>,
    /// `Expires`, unparsed.
    pub expires: Option<String>,
    /// Whether scripts cannot read it.
    pub http_only: bool,
    /// Whether it is for secure connections alone.
    pub secure: bool,
    /// `SameSite`.
    pub same_site: Option<String>,
}

impl SetCookie {
    /// Reads a header value; `None` if it names no cookie.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        if name.trim().is_empty() {
            return None;
        }
        let mut cookie = Self { name: name.trim().to_owned(), value: value.trim().to_owned(), ..Self::default() };
        for part in parts {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match attribute.trim().to_ascii_lowercase().as_str() {
                "path" => cookie.path = Some(value.to_owned()),
                "domain" => cookie.domain = Some(value.to_owned()),
                "max-age" => cookie.max_age = seconds(value),
                "expires" => cookie.expires = Some(value.to_owned()),
                "httponly" => cookie.http_only = true,
                "secure" => cookie.secure = true,
                "samesite" => cookie.same_site = Some(value.to_owned()),
                _ => {}
            }
        }
        Some(cookie)
    }

    /// Whether it only takes an earlier cookie of that name away.
    #[must_use]
    pub fn deletes(&self) -> bool {
        self.max_age.is_some_and(|age| age <= 0)
            || self.expires.as_deref().is_some_and(|expires| self.max_age.is_none() && in_the_past(expires))
    }
}

fn seconds(value: &str) -> Option<i64> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(value.parse().unwrap_or(if value.starts_with('-') { i64::MIN } else { i64::MAX }))
}

fn in_the_past(expires: &str) -> bool {
    // RFC 6265 dates are RFC 2822 dates with a four-digit year, "GMT" for the zone, and at times dashes.
    jiff::fmt::rfc2822::parse(&expires.replace('-', " ")).is_ok_and(|date| date.timestamp() <= jiff::Timestamp::now())
}

/// A session's cookies. A clone is the same jar.
#[derive(Debug, Clone, Default)]
pub(super) struct Jar(Arc<Mutex<CookieStore>>);

impl Jar {
    fn with<T>(&self, act: impl FnOnce(&mut CookieStore) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The one `Cookie` header for a request, longest path first (RFC 6265 §5.4); the gateway joins two headers by a
    /// comma and then finds no session in them.
    pub(super) fn header(&self, url: &Url) -> Option<String> {
        self.with(|store| {
            let mut cookies = store.matches(url);
            cookies.sort_by(|a, b| {
                let path = |cookie: &cookie_store::Cookie<'_>| String::from(&cookie.path);
                path(b).len().cmp(&path(a).len()).then_with(|| a.name().cmp(b.name()))
            });
            let pairs: Vec<String> =
                cookies.iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value())).collect();
            if pairs.is_empty() { None } else { Some(pairs.join("; ")) }
        })
    }

    /// Takes in a `Set-Cookie` header.
    pub(super) fn store(&self, header: &str, url: &Url) {
        // What a browser would refuse (another domain, already expired) is refused here as well; the header itself is
        // in the evidence.
        self.with(|store| _ = store.parse(header, url));
    }

    /// Sets a cookie for the whole site.
    pub(super) fn set(&self, name: &str, value: &str, url: &Url) {
        let mut cookie = RawCookie::new(name.to_owned(), value.to_owned());
        cookie.set_path("/");
        self.with(|store| _ = store.insert_raw(&cookie, url));
    }

    /// The value of a cookie, by exact name.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        self.with(|store| {
            store.iter_unexpired().find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
        })
    }

    /// The names of all cookies, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        self.with(|store| {
            let mut names: Vec<String> = store.iter_unexpired().map(|cookie| cookie.name().to_owned()).collect();
            names.sort();
            names
        })
    }

    /// A jar of its own with the same cookies.
    pub(super) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.with(|store| store.clone()))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn site() -> Url {
        Url::parse("http://127.0.0.1:8080/").unwrap()
    }

    #[test]
    fn a_secure_cookie_survives_plain_http_on_loopback() {
        for host in ["http://127.0.0.1:1/", "http://localhost:1/"] {
            let (jar, url) = (Jar::default(), Url::parse(host).unwrap());
            jar.store("XSRF-TOKEN=a=b; Path=/; Secure; SameSite=Strict", &url);
            assert_eq!(jar.header(&url).as_deref(), Some("XSRF-TOKEN=a=b"));
        }
    }

    #[test]
    fn absurd_ages_are_clamped() {
        for age in ["1200000000000", "9223372036854775807", "99999999999999999999999999"] {
            let jar = Jar::default();
            jar.store(&format!("oidc_state_csrf=x; Path=/; Max-Age={age}"), &site());
            assert_eq!(jar.value("oidc_state_csrf").as_deref(), Some("x"), "{age}");
        }
        assert_eq!(SetCookie::parse("a=b; Max-Age=99999999999999999999").unwrap().max_age, Some(i64::MAX));
        assert_eq!(SetCookie::parse("a=b; Max-Age=x").unwrap().max_age, None);
    }

    #[test]
    fn a_cookie_ends_when_the_site_deletes_it() {
        let jar = Jar::default();
        jar.store("s=1; Path=/", &site());
        let gone = "s=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        jar.store(gone, &site());
        assert_eq!(jar.header(&site()), None);
        assert!(SetCookie::parse(gone).unwrap().deletes());
        assert!(SetCookie::parse("s=x; Expires=Thu, 01-Jan-1970 00:00:00 GMT").unwrap().deletes());
        assert!(!SetCookie::parse("s=x; Expires=Thu, 01 Jan 2970 00:00:00 GMT; HttpOnly").unwrap().deletes());
    }

    #[test]
    fn one_header_longest_path_first() {
        let jar = Jar::default();
        jar.store("b=2; Path=/", &site());
        jar.store("a=1; Path=/", &site());
        jar.store("c=3; Path=/jupyter", &site());
        assert_eq!(jar.header(&site().join("/jupyter/").unwrap()).as_deref(), Some("c=3; a=1; b=2"));
        assert_eq!(jar.header(&site()).as_deref(), Some("a=1; b=2"));
        assert_eq!(jar.names(), ["a", "b", "c"]);
    }

    #[test]
    fn a_copy_is_apart_and_a_tampered_value_goes_as_it_is() {
        let jar = Jar::default();
        jar.store("s=1; Path=/; HttpOnly", &site());
        let copy = jar.copy();
        copy.set("s", "1\"|x,y", &site());
        assert_eq!(copy.header(&site()).as_deref(), Some("s=1\"|x,y"));
        assert_eq!(jar.value("s").as_deref(), Some("1"));
    }

    proptest! {
        #[test]
        fn any_header_can_be_stored(header in ".{0,200}", age in any::<i128>()) {
            let jar = Jar::default();
            jar.store(&header, &site());
            jar.store(&format!("a=b; Max-Age={age}; Expires={header}"), &site());
            let _ = (jar.header(&site()), SetCookie::parse(&header).map(|cookie| cookie.deletes()));
        }
    }
}
