//! Sessions and begun logins, which the real program keeps in a file on its volume: here in memory, per volume.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::securecookie;

/// Name of the session cookie.
pub const SESSION: &str = "authservice_session";
/// Name of the cookie of a begun login.
pub const STATE: &str = "oidc_state_csrf";
/// `Max-Age` of the state cookie: twenty minutes in nanoseconds, taken for seconds (`state.go`).
const STATE_MAX_AGE: i64 = 20 * 60 * 1_000_000_000;

/// The store of one volume.
#[derive(Default)]
pub struct Store(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    sessions: HashMap<String, (Session, Timestamp)>,
    states: HashMap<String, String>,
}

/// Who is logged in.
#[derive(Clone, Default)]
pub struct Session {
    /// The user's name.
    pub user: String,
    /// The user's groups.
    pub groups: Vec<String>,
    /// The provider's access token, for strict validation.
    pub access_token: String,
}

/// What a session id stands for.
pub enum Found {
    /// The text is no session id.
    Undecodable,
    /// It is one, but there is no such session (any more).
    Nothing,
    /// The session and its id.
    Session(String, Box<Session>),
}

impl Store {
    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a session; returns its `Set-Cookie` line.
    pub fn add_session(&self, session: Session, max_age: i64, same_site: &str, now: Timestamp) -> String {
        let id = securecookie::new_id();
        let value = securecookie::encode(SESSION, &id, now);
        let mut entries = self.entries();
        entries.sessions.retain(|_, (_, expiry)| *expiry > now);
        entries.sessions.insert(id, (session, later(now, max_age)));
        drop(entries);
        format!("{}; SameSite={same_site}", line(SESSION, &value, max_age, now))
    }

    /// The session of a cookie's value.
    pub fn session(&self, value: &str, now: Timestamp) -> Found {
        let Some(id) = securecookie::decode(SESSION, value, now) else { return Found::Undecodable };
        match self.entries().sessions.get(&id) {
            Some((session, expiry)) if *expiry > now => Found::Session(id, Box::new(session.clone())),
            _ => Found::Nothing,
        }
    }

    /// Forgets a session; returns the line that deletes its cookie.
    pub fn remove_session(&self, id: &str) -> String {
        self.entries().sessions.remove(id);
        deletion(SESSION)
    }

    /// Keeps a begun login and the address that it began at; returns its `state` and the `Set-Cookie` line. Such entries
    /// are never reaped: their age is reckoned in the wrong unit.
    pub fn add_state(&self, first_url: String, now: Timestamp) -> (String, String) {
        let id = securecookie::new_id();
        let value = securecookie::encode(STATE, &id, now);
        self.entries().states.insert(id, first_url);
        let line = line(STATE, &value, STATE_MAX_AGE, now);
        (value, line)
    }

    /// Ends a begun login: the address that it began at.
    pub fn take_state(&self, value: &str, now: Timestamp) -> Option<String> {
        let id = securecookie::decode(STATE, value, now)?;
        self.entries().states.remove(&id)
    }

    /// As [`Store::take_state`], but the login is not ended: what the switch `code-reusable` makes of it.
    pub fn state(&self, value: &str, now: Timestamp) -> Option<String> {
        let id = securecookie::decode(STATE, value, now)?;
        self.entries().states.get(&id).cloned()
    }
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

fn line(name: &str, value: &str, max_age: i64, now: Timestamp) -> String {
    // Go multiplies into nanoseconds without looking, so a huge age comes out as some year.
    let until = now.checked_add(SignedDuration::from_nanos(max_age.wrapping_mul(1_000_000_000))).unwrap_or(now);
    format!("{name}={value}; Path=/; Expires={}; Max-Age={max_age}", until.strftime("%a, %d %b %Y %H:%M:%S GMT"))
}

/// The line that deletes a cookie.
pub fn deletion(name: &str) -> String {
    format!("{name}=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_cookies_date_is_as_recorded() {
        let recorded_at: Timestamp = "2026-11-23T02:51:42.9Z".parse().unwrap();
        let line = line(STATE, "v", STATE_MAX_AGE, recorded_at);
        assert_eq!(line, "oidc_state_csrf=v; Path=/; Expires=Mon, 14 May 2057 03:45:11 GMT; Max-Age=1200000000000");
    }

    #[test]
    fn sessions_end_by_time_and_by_logout_and_states_are_used_once() {
        let (store, now) = (Store::default(), Timestamp::now());
        let line = store.add_session(Session::default(), 3, "Lax", now);
        let value = line[SESSION.len() + 1..].split(';').next().unwrap().to_owned();
        let Found::Session(id, _) = store.session(&value, now) else { panic!("the session is there") };
        assert!(matches!(store.session(&value, later(now, 3)), Found::Nothing));
        store.remove_session(&id);
        assert!(matches!(store.session(&value, now), Found::Nothing));
        assert!(matches!(store.session("abc", now), Found::Undecodable));
        let (state, _) = store.add_state("/x".into(), now);
        assert!(matches!(store.session(&state, now), Found::Undecodable), "a state is no session");
        assert_eq!(store.state(&state, now).as_deref(), Some("/x"));
        assert_eq!(store.take_state(&state, now).as_deref(), Some("/x"));
        assert!(store.take_state(&state, now).is_none());
    }
}
