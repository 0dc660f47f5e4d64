//! A provider's keys, fetched when needed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::Value;
use tokio::sync::Mutex;

use super::Client;

/// Keys are taken for expired this many seconds before they are.
const EXPIRY_DELTA: i64 = 30;

/// When keys are fetched again for a token that none of them signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// At once (go-oidc 3).
    None,
    /// Not before the provider's `max-age` has passed (go-oidc 2).
    MaxAge,
}

/// The keys at an address.
pub struct RemoteKeys {
    patience: Patience,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keys: Vec<PublicKey>,
    expiry: i64,
}

struct PublicKey {
    id: String,
    n: Vec<u8>,
    e: Vec<u8>,
}

impl RemoteKeys {
    /// None known yet.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self { patience, known: Mutex::default() }
    }

    /// The claims of a token that one of the keys at `url` signed with RS256.
    pub async fn verified(&self, client: &Client, url: &str, token: &str) -> Option<Value> {
        let token = Token::parse(token)?;
        let mut known = self.known.lock().await;
        if known.keys.iter().any(|key| token.is_signed_by(key)) {
            return Some(token.claims);
        }
        let now = Timestamp::now().as_second();
        if self.patience == Patience::MaxAge && !known.keys.is_empty() && now + EXPIRY_DELTA <= known.expiry {
            return None;
        }
        let (document, cache_control) = client.get(url, None).await?;
        known.keys = document["keys"].as_array()?.iter().filter_map(PublicKey::parse).collect();
        known.expiry = now + max_age(&cache_control);
        let signed = known.keys.iter().any(|key| token.is_signed_by(key));
        if signed { Some(token.claims) } else { None }
    }
}

impl PublicKey {
    fn parse(jwk: &Value) -> Option<Self> {
        let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str()?).ok();
        let id = jwk["kid"].as_str().unwrap_or_default().to_owned();
        if jwk["kty"].as_str() != Some("RSA") {
            return None;
        }
        Some(Self { id, n: number("n")?, e: number("e")? })
    }
}

/// A token, taken apart.
struct Token<'a> {
    key_id: String,
    signed: &'a str,
    signature: Vec<u8>,
    claims: Value,
}

impl<'a> Token<'a> {
    fn parse(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        if header["alg"].as_str() != Some("RS256") {
            return None;
        }
        Some(Self {
            key_id: header["kid"].as_str().unwrap_or_default().to_owned(),
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            claims: serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?,
        })
    }

    fn is_signed_by(&self, key: &PublicKey) -> bool {
        let components = RsaPublicKeyComponents { n: &key.n, e: &key.e };
        (self.key_id.is_empty() || self.key_id == key.id)
            && components.verify(&RSA_PKCS1_2048_8192_SHA256, self.signed.as_bytes(), &self.signature).is_ok()
    }
}

fn max_age(cache_control: &str) -> i64 {
    let directives = cache_control.split(',').map(str::trim);
    directives.filter_map(|one| one.strip_prefix("max-age=")?.parse().ok()).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_age_is_read() {
        for (text, expected) in [("max-age=18475, must-revalidate", 18475), ("no-store", 0), ("", 0), ("max-age=x", 0)]
        {
            assert_eq!(max_age(text), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_token_is_survived(token in ".*") {
            let _ = Token::parse(&token);
        }
    }
}
