//! Tokens that nobody should accept, made at run time: with keys of this run, and with Dex's own key where it can be
//! read.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use harness::fixtures::Fixture;
use harness::{Checked, Ctx, Stop};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey};
use rsa::pkcs1::{EncodeRsaPrivateKey as _, LineEnding};
use rsa::pkcs8::EncodePublicKey as _;
use rsa::{BigUint, RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};

use crate::objects::{self, DEX_KEYS};

/// A key that signs, and its id.
pub struct Key {
    /// The id that Dex publishes, or one of its form.
    pub id: String,
    key: EncodingKey,
}

/// A key that nobody knows, made once per run.
pub struct StrangersKey(pub Key);

/// Dex's own signing key, out of the object that it keeps it in (dexidp/dex `storage/kubernetes/types.go`: `Keys`).
pub struct DexKey(pub Key);

impl Fixture for StrangersKey {
    const NAME: &'static str = "a signing key that nobody knows";
    const WITHIN: Duration = Duration::from_secs(25);

    async fn make(cx: Ctx) -> Checked<Self> {
        let made = tokio::task::spawn_blocking(|| RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048));
        let private = made.await.map_err(|error| harness_problem(&error))?.map_err(|error| harness_problem(&error))?;
        let id = crate::login::seal::text(&cx.environment().run_id, 40);
        Ok(Self(Key { id, key: encoding(&private)? }))
    }
}

impl Fixture for DexKey {
    const NAME: &'static str = "Dex's signing key";
    const WITHIN: Duration = Duration::from_secs(25);

    async fn make(cx: Ctx) -> Checked<Self> {
        let object = objects::get(&cx, DEX_KEYS, "auth", "openid-connect-keys").await?;
        let Some(object) = object else {
            return Err(Stop::absent("signing key of Dex in its objects (signingkeies/openid-connect-keys in auth)"));
        };
        let key = object.data.get("signingKey").cloned().unwrap_or_default();
        let number = |name: &str| {
            let text = key.get(name).and_then(Value::as_str)?;
            if !matches!(name, "n" | "e") {
                cx.secret(text);
            }
            Some(BigUint::from_bytes_be(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?))
        };
        let private = (|| {
            let parts = (number("n")?, number("e")?, number("d")?, vec![number("p")?, number("q")?]);
            RsaPrivateKey::from_components(parts.0, parts.1, parts.2, parts.3).ok()
        })();
        let Some(private) = private else {
            return Err(Stop::absent("RSA signing key of Dex in signingkeies/openid-connect-keys"));
        };
        Ok(Self(Key { id: objects::text(&key, "/kid").to_owned(), key: encoding(&private)? }))
    }
}

fn harness_problem(error: &dyn std::error::Error) -> Stop {
    Stop::errored("precondition", format!("cannot make a key: {error}"))
}

fn encoding(private: &RsaPrivateKey) -> Checked<EncodingKey> {
    let pem = private.to_pkcs1_pem(LineEnding::LF).map_err(|error| harness_problem(&error))?;
    EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|error| harness_problem(&error))
}

/// Signs claims with RS256, as Dex does.
pub fn signed(key: &Key, claims: &Value) -> Checked<String> {
    signed_as(key, &key.id, claims)
}

/// As [`signed`], but under the id of another key; without an id if that is empty.
pub fn signed_as(key: &Key, id: &str, claims: &Value) -> Checked<String> {
    let header = if id.is_empty() { json!({"alg": "RS256"}) } else { json!({"alg": "RS256", "kid": id}) };
    with_header(&header, claims, &key.key, Algorithm::RS256)
}

/// Signs claims with HS256, the public key being the secret: what a verifier accepts that takes the algorithm out of
/// the token.
pub fn signed_with_public_key(jwk: &Value, claims: &Value) -> Checked<String> {
    let number = |name: &str| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok()?;
        Some(BigUint::from_bytes_be(&bytes))
    };
    let public = number("n").zip(number("e")).and_then(|(n, e)| RsaPublicKey::new(n, e).ok());
    let pem = public.and_then(|public| public.to_public_key_pem(LineEnding::LF).ok());
    let Some(pem) = pem else { return Err(Stop::errored("precondition", "Dex publishes no RSA key: see AUT-061")) };
    let header = json!({"alg": "HS256", "kid": jwk.get("kid")});
    with_header(&header, claims, &EncodingKey::from_secret(pem.as_bytes()), Algorithm::HS256)
}

/// A token that says that it needs no signature.
#[must_use]
pub fn unsigned(alg: &str, kid: &str, claims: &Value, signature: &str) -> String {
    format!("{}.{}.{signature}", part(&json!({"alg": alg, "kid": kid, "typ": "JWT"})), part(claims))
}

fn with_header(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> Checked<String> {
    let message = format!("{}.{}", part(header), part(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm);
    Ok(format!("{message}.{}", signature.map_err(|error| harness_problem(&error))?))
}

fn part(json: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(json.to_string())
}

/// The claims of a good token with some of them replaced.
#[must_use]
pub fn claims(like: &Value, changed: &Value) -> Value {
    let mut claims = like.clone();
    if let (Some(into), Some(changed)) = (claims.as_object_mut(), changed.as_object()) {
        into.extend(changed.clone());
    }
    claims
}

/// Claims as [`claims`], issued as many seconds ago and good for as many from then on.
#[must_use]
pub fn dated(like: &Value, issued_ago: i64, good_for: i64, changed: &Value) -> Value {
    let from = Timestamp::now().as_second() - issued_ago;
    claims(&claims(like, &json!({"iat": from, "exp": from + good_for})), changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::id_token::decoded;

    #[test]
    fn a_token_says_what_it_was_told() {
        let like = json!({"iss": "a", "aud": "b", "exp": 1});
        let token = unsigned("none", "k", &claims(&like, &json!({"aud": "c"})), "");
        let (header, claims) = decoded(&token).unwrap();
        assert_eq!(
            (header["alg"].as_str(), claims["aud"].as_str(), claims["iss"].as_str()),
            (Some("none"), Some("c"), Some("a"))
        );
        assert!(token.ends_with('.'));
        let past = dated(&like, 7200, 3600, &json!({}));
        assert_eq!(past["exp"].as_i64().unwrap() - past["iat"].as_i64().unwrap(), 3600);
        assert!(past["exp"].as_i64().unwrap() < Timestamp::now().as_second());
    }
}
