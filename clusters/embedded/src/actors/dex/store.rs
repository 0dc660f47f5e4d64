//! What Dex stores: logins that were begun, codes, refresh tokens, device codes. Dex with `storage: kubernetes` keeps
//! them in custom resources; here they are in memory, per namespace if the storage is durable, else per pod.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::keys::Keys;

/// The storage of one Dex, or of all its replicas.
#[derive(Default)]
pub struct Storage {
    /// The signing keys.
    pub keys: Keys,
    tables: Mutex<Tables>,
}

/// The tables of a storage.
#[derive(Default)]
pub struct Tables {
    /// Logins that were begun, by id.
    pub requests: HashMap<String, AuthRequest>,
    /// Codes to redeem.
    pub codes: HashMap<String, AuthCode>,
    /// Refresh tokens, by their id.
    pub refresh_tokens: HashMap<String, RefreshToken>,
    /// Device logins, by user code.
    pub devices: HashMap<String, Device>,
}

impl Storage {
    /// The tables, locked. Never hold this over an await.
    pub fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Forgets what has expired (Dex does so every five minutes).
    pub fn collect_garbage(&mut self, now: Timestamp) {
        self.requests.retain(|_, request| request.expiry > now);
        self.codes.retain(|_, code| code.expiry > now);
        self.devices.retain(|_, device| device.expiry > now);
    }
}

/// Who logged in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// Id of the user at the connector.
    pub user_id: String,
    /// Claim `name`.
    pub username: String,
    /// Claim `email`.
    pub email: String,
    /// Claim `email_verified`.
    pub email_verified: bool,
    /// Claim `groups`.
    pub groups: Vec<String>,
}

/// A PKCE challenge (RFC 7636); `challenge` is empty if the client sent none.
#[derive(Debug, Clone, Default)]
pub struct Pkce {
    /// `code_challenge`.
    pub challenge: String,
    /// `code_challenge_method`: `S256` or `plain`.
    pub method: String,
}

/// A login that was begun.
#[derive(Debug, Clone)]
pub struct AuthRequest {
    /// Its id: the `state` of Dex' own form.
    pub id: String,
    /// Who asked.
    pub client_id: String,
    /// `response_type`, split.
    pub response_types: Vec<String>,
    /// `scope`, split.
    pub scopes: Vec<String>,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// The client's `nonce`.
    pub nonce: String,
    /// The client's `state`.
    pub state: String,
    /// Whether the client wants the approval page.
    pub force_approval: bool,
    /// The client's PKCE challenge.
    pub pkce: Pkce,
    /// The connector that checks the password.
    pub connector: String,
    /// Who logged in, once someone has.
    pub claims: Option<Claims>,
    /// Key of the approval page's `hmac`.
    pub hmac_key: String,
    /// When it is forgotten.
    pub expiry: Timestamp,
}

/// A code to redeem.
#[derive(Debug, Clone)]
pub struct AuthCode {
    /// The request that it comes from.
    pub request: AuthRequest,
    /// Who logged in.
    pub claims: Claims,
    /// When it is forgotten.
    pub expiry: Timestamp,
}

/// A refresh token.
#[derive(Debug, Clone)]
pub struct RefreshToken {
    /// The secret part.
    pub token: String,
    /// The secret part before the last rotation, or empty.
    pub obsolete: String,
    /// Whose it is.
    pub client_id: String,
    /// What was asked for.
    pub scopes: Vec<String>,
    /// Who logged in.
    pub claims: Claims,
    /// The client's `nonce`.
    pub nonce: String,
    /// The connector that checked the password.
    pub connector: String,
    /// When it was made.
    pub created: Timestamp,
}

/// A device login (RFC 8628).
#[derive(Debug, Clone)]
pub struct Device {
    /// What the device polls with.
    pub device_code: String,
    /// Who asked.
    pub client_id: String,
    /// The secret that it sent.
    pub client_secret: String,
    /// `scope`, split.
    pub scopes: Vec<String>,
    /// The device's PKCE challenge.
    pub pkce: Pkce,
    /// The token endpoint's answer, once the user has logged in.
    pub answer: Option<String>,
    /// The earliest time of the next poll.
    pub next_poll: Timestamp,
    /// Seconds between polls.
    pub interval: i64,
    /// When it is forgotten.
    pub expiry: Timestamp,
}

/// A random id as Dex makes them: a letter, then base32 of `bytes - 1` bytes. Ids of requests and codes have 16 bytes,
/// device codes and HMAC keys 32.
#[must_use]
pub fn new_id(bytes: usize) -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut random = vec![0; bytes.max(1)];
    rand::fill(&mut random[..]);
    let mut id = String::from(char::from(b'a' + random[0] % 26));
    for chunk in random[1..].chunks(5) {
        let mut word = [0; 8];
        word[3..3 + chunk.len()].copy_from_slice(chunk);
        let word = u64::from_be_bytes(word);
        let characters = (chunk.len() * 8).div_ceil(5);
        id.extend((0..characters).map(|at| char::from(ALPHABET[(word >> (35 - 5 * at) & 31) as usize])));
    }
    id
}

/// The present time plus a duration.
#[must_use]
pub fn after(duration: std::time::Duration) -> Timestamp {
    let longest = SignedDuration::from_hours(24 * 3650);
    Timestamp::now() + SignedDuration::try_from(duration).unwrap_or(longest).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_shape_of_dexs() {
        for (bytes, length) in [(16, 25), (32, 51)] {
            let id = new_id(bytes);
            assert_eq!(id.len(), length);
            assert!(id.starts_with(|first: char| first.is_ascii_lowercase()));
            assert!(id.chars().all(|c| c.is_ascii_lowercase() || ('2'..='7').contains(&c)), "{id}");
        }
        assert_ne!(new_id(16), new_id(16));
    }
}
