//! ID tokens and access tokens: which claims they carry, in which order (dexidp/dex `server/oauth2.go` `newIDToken`).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::Server;
use super::authorize::peer;
use super::keys::Key;
use super::store::{AuthRequest, Claims, RefreshToken, after, new_id};

/// Whose tokens, and for whom.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The client.
    pub client: String,
    /// Who logged in.
    pub claims: Claims,
    /// What was asked for.
    pub scopes: Vec<String>,
    /// The client's nonce.
    pub nonce: String,
    /// The connector that checked the password.
    pub connector: String,
}

/// A pair of tokens.
pub struct Issued {
    /// A JWT as well, of the same key.
    pub access_token: String,
    /// The ID token.
    pub id_token: String,
    /// Seconds that they live.
    pub expires_in: i64,
}

impl Subject {
    /// Of a login.
    pub fn of(request: &AuthRequest, claims: &Claims) -> Self {
        Self {
            client: request.client_id.clone(),
            claims: claims.clone(),
            scopes: request.scopes.clone(),
            nonce: request.nonce.clone(),
            connector: request.connector.clone(),
        }
    }

    /// Of a refresh token.
    pub fn of_refresh(token: &RefreshToken, scopes: Vec<String>) -> Self {
        Self {
            client: token.client_id.clone(),
            claims: token.claims.clone(),
            scopes,
            nonce: token.nonce.clone(),
            connector: token.connector.clone(),
        }
    }
}

/// Makes a pair of tokens; `code` is the code that is redeemed for it, or empty.
///
/// # Errors
/// When there is no key to sign with, or a peer that was asked for does not trust the client.
pub async fn issue(server: &Server, subject: &Subject, code: &str) -> Result<Issued, String> {
    let key = server.signing_key().await?;
    let (access_token, _) = token(server, &key, subject, &new_id(16), "")?;
    let (id_token, expiry) = token(server, &key, subject, &access_token, code)?;
    let expires_in = expiry.duration_since(Timestamp::now()).as_secs();
    Ok(Issued { access_token, id_token, expires_in })
}

fn token(
    server: &Server,
    key: &Key,
    subject: &Subject,
    access_token: &str,
    code: &str,
) -> Result<(String, Timestamp), String> {
    let expiry = after(server.settings.id_tokens_live);
    let audience = audience(&subject.client, &subject.scopes);
    let mut claims = Map::new();
    let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    claim("iss", json!(server.settings.issuer));
    claim("sub", json!(subject_id(&subject.claims.user_id, &subject.connector)));
    claim("aud", if let [one] = audience.as_slice() { json!(one) } else { json!(audience) });
    claim("exp", json!(expiry.as_second()));
    claim("iat", json!(Timestamp::now().as_second()));
    if audience.len() > 1 {
        claim("azp", json!(subject.client));
    }
    if !subject.nonce.is_empty() {
        claim("nonce", json!(subject.nonce));
    }
    claim("at_hash", json!(half_hash(access_token)));
    if !code.is_empty() {
        claim("c_hash", json!(half_hash(code)));
    }
    let asked = |name: &str| subject.scopes.iter().any(|scope| scope == name);
    if asked("email") {
        if !subject.claims.email.is_empty() {
            claim("email", json!(subject.claims.email));
        }
        claim("email_verified", json!(subject.claims.email_verified));
    }
    if asked("groups") && !subject.claims.groups.is_empty() {
        claim("groups", json!(subject.claims.groups));
    }
    if asked("profile") && !subject.claims.username.is_empty() {
        claim("name", json!(subject.claims.username));
    }
    if asked("federated:id") {
        let federated = json!({"connector_id": subject.connector, "user_id": subject.claims.user_id});
        claim("federated_claims", federated);
    }
    let mut peers = subject.scopes.iter().filter_map(|scope| peer(scope));
    if let Some(peer) = peers.find(|peer| !server.settings.trusts(peer, &subject.client)) {
        return Err(format!("peer ({peer}) does not trust client"));
    }
    Ok((key.sign(&Value::Object(claims)), expiry))
}

/// The peers that were asked for, and the client itself.
fn audience(client: &str, scopes: &[String]) -> Vec<String> {
    let mut audience: Vec<String> = scopes.iter().filter_map(|scope| peer(scope)).map(str::to_owned).collect();
    if !audience.iter().any(|known| known == client) {
        audience.push(client.to_owned());
    }
    audience
}

/// `at_hash` and `c_hash`: the left half of the SHA-256 (OpenID Connect Core §3.1.3.6).
fn half_hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..16])
}

/// `sub`: a protocol buffer of user id and connector id, in base64url.
pub fn subject_id(user: &str, connector: &str) -> String {
    pair(user, connector)
}

/// Two texts as fields 1 and 2 of a protocol buffer message, in base64url: subjects and refresh tokens.
pub fn pair(first: &str, second: &str) -> String {
    let mut message = Vec::new();
    for (tag, text) in [(0x0a, first), (0x12, second)] {
        if text.is_empty() {
            continue;
        }
        message.push(tag);
        let mut length = text.len();
        while length >= 0x80 {
            message.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend(text.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(message)
}

/// Reads what [`pair`] wrote.
pub fn unpair(text: &str) -> Option<(String, String)> {
    let message = URL_SAFE_NO_PAD.decode(text).ok()?;
    let mut fields = (String::new(), String::new());
    let mut rest = message.as_slice();
    while let [tag, after @ ..] = rest {
        let mut length = 0_usize;
        let mut used = 0;
        loop {
            let byte = *after.get(used)?;
            length |= usize::from(byte & 0x7f).checked_shl(7 * u32::try_from(used).ok()?)?;
            used += 1;
            match byte & 0x80 {
                0 => break,
                _ if used > 4 => return None,
                _ => {}
            }
        }
        let value = String::from_utf8(after.get(used..used.checked_add(length)?)?.to_vec()).ok()?;
        match tag {
            0x0a => fields.0 = value,
            0x12 => fields.1 = value,
            _ => return None,
        }
        rest = &after[used + length..];
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_users_subject_is_as_recorded() {
        assert_eq!(subject_id("15841185641784", "local"), "Cg4xNTg0MTE4NTY0MTc4NBIFbG9jYWw");
    }

    proptest::proptest! {
        #[test]
        fn pairs_are_read_back(first in ".{0,200}", second in ".{0,200}") {
            proptest::prop_assert_eq!(unpair(&pair(&first, &second)), Some((first, second)));
        }

        #[test]
        fn any_text_is_survived(text in ".*", bytes: Vec<u8>) {
            let _ = unpair(&text);
            let _ = unpair(&URL_SAFE_NO_PAD.encode(bytes));
        }
    }
}
