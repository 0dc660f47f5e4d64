//! Tokens in place of recorded ones: the laboratory's keys are not among the recordings, and the tokens have expired.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::pkcs1v15::SigningKey;
use rsa::signature::{SignatureEncoding, Signer};
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPrivateKey};
use serde_json::{Value, json};
use sha2::Sha256;

/// A key to sign with.
pub struct Forger(SigningKey<Sha256>);

impl Forger {
    /// Makes a key.
    pub fn new() -> Self {
        Self(SigningKey::new(RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap()))
    }

    /// The public key as a JSON Web Key of that name.
    pub fn public(&self, id: &str) -> Value {
        let number = |value: &BigUint| URL_SAFE_NO_PAD.encode(value.to_bytes_be());
        let key: &RsaPrivateKey = self.0.as_ref();
        json!({"use": "sig", "kty": "RSA", "kid": id, "alg": "RS256", "n": number(key.n()), "e": number(key.e())})
    }

    /// A recorded token with this key's signature, its times moved by so many seconds.
    pub fn sign_again(&self, token: &str, seconds: i64) -> String {
        let (header, mut claims) = parts(token).unwrap();
        for name in ["exp", "iat", "nbf"] {
            if let Some(time) = claims[name].as_i64() {
                claims[name] = json!(time + seconds);
            }
        }
        let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encoded(&header), encoded(&claims));
        let signature = self.0.sign(signed.as_bytes()).to_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Header and claims of a token.
pub fn parts(token: &str) -> Option<(Value, Value)> {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let mut next = || serde_json::from_slice::<Value>(&parts.next()??).ok();
    Some((next()?, next()?))
}
