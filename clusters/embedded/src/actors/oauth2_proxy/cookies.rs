//! `Set-Cookie` lines: attributes, deletion, and sessions too large for one cookie.

use std::time::Duration;

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::sealed;
use super::settings::Cookie;
use crate::actors::net_http::cookie::{cookie, cookies};

/// The longest `Set-Cookie` line before a session is split (`pkg/sessions/cookie/session_store.go`).
const LONGEST: usize = 4000;

/// Who is logged in: all of it is in the browser's cookie.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Session {
    /// The provider's access token.
    pub access_token: String,
    /// The provider's ID token: what the gateway gets.
    pub id_token: String,
    /// The provider's refresh token, if any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refresh_token: String,
    /// Claim `sub`.
    pub user: String,
    /// Claim `email`.
    pub email: String,
    /// Claim `groups`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Claim `preferred_username`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub preferred_username: String,
}

/// What a login that was begun needs to remember in the browser.
#[derive(Clone, Serialize, Deserialize)]
pub struct Csrf {
    /// Its hash is the first part of `state`.
    pub state: Vec<u8>,
    /// Its hash is the nonce, if one is sent.
    pub nonce: Vec<u8>,
    /// The PKCE verifier.
    pub verifier: String,
}

/// What a request's session cookie says.
pub enum Found {
    /// There is none.
    Nothing,
    /// There is one that is not good.
    Bad,
    /// Someone is logged in.
    Session(Box<Session>),
}

impl Cookie {
    /// The `Set-Cookie` lines of a session.
    pub fn of_session(&self, host: &str, session: &Session, now: Timestamp) -> Option<Vec<String>> {
        let value = sealed::seal(&self.secret, &self.name, session, now)?;
        let line = |name: &str, value: &str| self.line(host, name, value, self.expire, now);
        let whole = line(&self.name, &value);
        if whole.len() <= LONGEST {
            return Some(vec![whole]);
        }
        let mut lines = Vec::new();
        let mut rest = value.as_str();
        while !rest.is_empty() {
            let name = format!("{}_{}", self.name, lines.len());
            let room = LONGEST.saturating_sub(line(&name, "").len()).clamp(1, rest.len());
            lines.push(line(&name, &rest[..room]));
            rest = &rest[room..];
        }
        Some(lines)
    }

    /// The session of a request, from one cookie or several.
    pub fn session(&self, headers: &HeaderMap, now: Timestamp) -> Found {
        let value = cookie(headers, &self.name).or_else(|| {
            let parts: Vec<String> =
                (0..).map_while(|number| cookie(headers, &format!("{}_{number}", self.name))).collect();
            if parts.is_empty() { None } else { Some(parts.concat()) }
        });
        let Some(value) = value else { return Found::Nothing };
        match sealed::open(&self.secret, &self.name, &value, self.expire, now) {
            Some(session) => Found::Session(Box::new(session)),
            None => Found::Bad,
        }
    }

    /// The lines that delete the session: one for each such cookie that the request has.
    pub fn deletions(&self, headers: &HeaderMap, host: &str, now: Timestamp) -> Vec<String> {
        let is_ours = |name: &str| {
            name.strip_prefix(self.name.as_str()).is_some_and(|rest| {
                rest.is_empty()
                    || rest
                        .strip_prefix('_')
                        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()))
            })
        };
        cookies(headers)
            .iter()
            .filter(|(name, _)| is_ours(name))
            .map(|(name, _)| self.deletion(host, name, now))
            .collect()
    }

    /// The line that sets the csrf cookie of a login.
    pub fn of_csrf(&self, host: &str, state: &str, csrf: &Csrf, now: Timestamp) -> Option<String> {
        let name = self.csrf_name(state);
        let value = sealed::seal(&self.secret, &name, csrf, now)?;
        Some(self.line(host, &name, &value, self.csrf_expire, now))
    }

    /// The csrf cookie of a request: the first good one of that name.
    pub fn csrf(&self, headers: &HeaderMap, state: &str, now: Timestamp) -> Option<Csrf> {
        let name = self.csrf_name(state);
        cookies(headers)
            .iter()
            .filter(|(known, _)| *known == name)
            .find_map(|(_, value)| sealed::open(&self.secret, &name, value, self.expire, now))
    }

    /// The line that deletes the csrf cookie.
    pub fn csrf_deletion(&self, host: &str, state: &str, now: Timestamp) -> String {
        self.deletion(host, &self.csrf_name(state), now)
    }

    fn csrf_name(&self, state: &str) -> String {
        match state.get(..8).filter(|_| self.csrf_per_request) {
            Some(start) => format!("{}_{start}_csrf", self.name),
            None => format!("{}_csrf", self.name),
        }
    }

    fn deletion(&self, host: &str, name: &str, now: Timestamp) -> String {
        self.line(host, name, "", Duration::ZERO, now - SignedDuration::from_hours(1))
    }

    /// One line; a life of zero with a value is a cookie of the browser's session.
    fn line(&self, host: &str, name: &str, value: &str, life: Duration, from: Timestamp) -> String {
        let mut line = format!("{name}={value}; Path={}", self.path);
        let domain = self.domains.iter().find(|domain| host.ends_with(domain.as_str())).or(self.domains.last());
        if let Some(domain) = domain {
            line += &format!("; Domain={}", domain.trim_start_matches('.'));
        }
        if !life.is_zero() || value.is_empty() {
            let until = from + SignedDuration::from_secs(i64::try_from(life.as_secs()).unwrap_or(0));
            line += &until.strftime("; Expires=%a, %d %b %Y %H:%M:%S GMT").to_string();
        }
        if self.http_only {
            line += "; HttpOnly";
        }
        if self.secure {
            line += "; Secure";
        }
        line + match self.same_site.as_str() {
            "lax" => "; SameSite=Lax",
            "strict" => "; SameSite=Strict",
            "none" => "; SameSite=None",
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header};

    fn settings() -> Cookie {
        Cookie {
            name: "s".into(),
            secret: "7d16fee92f8d11b8940b081b3f8b8acb".into(),
            domains: Vec::new(),
            path: "/".into(),
            expire: Duration::from_secs(86400),
            csrf_expire: Duration::from_secs(900),
            csrf_per_request: false,
            secure: false,
            http_only: true,
            same_site: String::new(),
        }
    }

    fn request(lines: &[String]) -> HeaderMap {
        let pairs: Vec<&str> = lines.iter().filter_map(|line| line.split(';').next()).collect();
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&pairs.join("; ")).unwrap())])
    }

    #[test]
    fn large_sessions_are_split_and_joined() {
        let (cookie, now) = (settings(), Timestamp::now());
        let session = Session { id_token: "x".repeat(9000), ..Session::default() };
        let lines = cookie.of_session("h", &session, now).unwrap();
        assert!(lines.len() > 2 && lines.iter().all(|line| line.len() <= LONGEST && line.contains("; HttpOnly")));
        let headers = request(&lines);
        assert!(matches!(cookie.session(&headers, now), Found::Session(found) if found.id_token == session.id_token));
        assert_eq!(cookie.deletions(&headers, "h", now).len(), lines.len());
        assert!(matches!(cookie.session(&request(&lines[..1]), now), Found::Bad));
        assert!(matches!(cookie.session(&request(&lines[1..]), now), Found::Nothing));
    }

    #[test]
    fn attributes_are_written_as_go_writes_them() {
        let mut cookie = settings();
        let epoch = Timestamp::UNIX_EPOCH;
        let expected = "s=; Path=/; Expires=Wed, 31 Dec 1969 23:00:00 GMT; HttpOnly";
        assert_eq!(cookie.deletion("h", "s", epoch), expected);
        cookie.domains = vec![".b.example".into(), ".example".into()];
        (cookie.secure, cookie.same_site) = (true, "lax".into());
        let line = cookie.line("a.b.example", "s", "v", Duration::ZERO, epoch);
        assert_eq!(line, "s=v; Path=/; Domain=b.example; HttpOnly; Secure; SameSite=Lax");
    }
}
