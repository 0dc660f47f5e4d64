//! A JSON Web Token as Envoy's `jwt_authn` filter reads and verifies it, with its texts of refusal.
//!
//! Source of order and texts: google/jwt_verify_lib (`status.cc`, `jwt.cc`, `verify.cc`), and the recorded refusals of
//! Envoy 1.36.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// How far clocks may differ, in seconds (Envoy's default `clock_skew_seconds`).
const CLOCK_SKEW: i64 = 60;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Why a token is refused, as Envoy says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwtError {
    #[error("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")]
    Form,
    #[error("Jwt header is an invalid Base64url encoded")]
    HeaderEncoding,
    #[error("Jwt header is an invalid JSON")]
    HeaderJson,
    #[error("Jwt header [alg] field is required and must be a string")]
    Algorithm,
    #[error("Jwt header [alg] is not supported")]
    AlgorithmUnknown,
    #[error("Jwt header [kid] field is not a string")]
    KeyId,
    #[error("Jwt payload is an invalid Base64url encoded")]
    PayloadEncoding,
    #[error("Jwt payload is an invalid JSON")]
    PayloadJson,
    #[error("Jwt payload [{0}] field is not a string")]
    NotText(&'static str),
    #[error("Jwt payload [{0}] field is not an integer")]
    NotInteger(&'static str),
    #[error("Jwt payload [{0}] field is not a positive 64 bit integer")]
    NotPositive(&'static str),
    #[error("Jwt payload [aud] field is not a string or string list")]
    AudienceForm,
    #[error("Jwt signature is an invalid Base64url encoded")]
    SignatureEncoding,
    #[error("Jwt issuer is not configured")]
    Issuer,
    #[error("Jwt is expired")]
    Expired,
    #[error("Jwt not yet valid")]
    NotYet,
    #[error("Audiences in Jwt are not allowed")]
    Audience,
    #[error("Jwks doesn't have key to match kid or alg from Jwt")]
    NoKey,
    #[error("Jwt verification fails")]
    Signature,
}

/// A token taken apart; nothing is verified yet.
#[derive(Debug)]
pub(crate) struct Jwt<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    key_id: String,
    /// The payload.
    pub(crate) claims: Value,
    /// The payload as it stood in the token.
    pub(crate) encoded_claims: &'a str,
}

/// The keys of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keys {
    /// A JSON Web Key Set.
    Set(Vec<Value>),
    /// What istiod puts in place of keys that it could not fetch: no token verifies.
    Placeholder,
}

impl Keys {
    /// Reads a JWKS document.
    pub(crate) fn read(document: &Value) -> Option<Self> {
        Some(Self::Set(document.get("keys")?.as_array()?.clone()))
    }
}

impl<'a> Jwt<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, JwtError> {
        let token = token.trim_matches([' ', '\t']);
        let parts: Vec<_> = token.split('.').filter(|part| !part.is_empty()).collect();
        let (&[header, payload, signature], 2) = (&parts[..], token.matches('.').count()) else {
            return Err(JwtError::Form);
        };
        let object = |text, encoding, json| {
            let bytes = decode(text).ok_or(encoding)?;
            serde_json::from_slice(&bytes).ok().filter(Value::is_object).ok_or(json)
        };
        let head: Value = object(header, JwtError::HeaderEncoding, JwtError::HeaderJson)?;
        let algorithm = head.get("alg").and_then(Value::as_str).ok_or(JwtError::Algorithm)?;
        let algorithm = algorithm.parse().map_err(|_| JwtError::AlgorithmUnknown)?;
        let key_id = match head.get("kid") {
            None => String::new(),
            Some(id) => id.as_str().ok_or(JwtError::KeyId)?.to_owned(),
        };
        let claims: Value = object(payload, JwtError::PayloadEncoding, JwtError::PayloadJson)?;
        check_form(&claims)?;
        let signature_bytes = decode(signature).ok_or(JwtError::SignatureEncoding)?;
        let signed = &token[..header.len() + 1 + payload.len()];
        Ok(Self { signed, signature: signature_bytes, algorithm, key_id, claims, encoded_claims: payload })
    }

    pub(crate) fn issuer(&self) -> &str {
        self.claims.get("iss").and_then(Value::as_str).unwrap_or_default()
    }

    /// Checks `exp` and `nbf` against the time, in seconds since 1970. A token without them passes.
    pub(crate) fn check_time(&self, now: i64) -> Result<(), JwtError> {
        let time = |name| self.claims.get(name).and_then(Value::as_i64).filter(|time| *time != 0);
        if time("exp").is_some_and(|end| now > end.saturating_add(CLOCK_SKEW)) {
            return Err(JwtError::Expired);
        }
        if time("nbf").is_some_and(|begin| now.saturating_add(CLOCK_SKEW) < begin) {
            return Err(JwtError::NotYet);
        }
        Ok(())
    }

    /// Checks `aud`: one of the allowed, if any are named. A trailing slash does not count.
    pub(crate) fn check_audience(&self, allowed: &[String]) -> Result<(), JwtError> {
        let plain = |text: &str| {
            let text = text.trim_start_matches("https://").trim_start_matches("http://");
            text.strip_suffix('/').unwrap_or(text).to_owned()
        };
        let fits = |text: &Value| {
            text.as_str().is_some_and(|text| allowed.iter().any(|allowed| plain(allowed) == plain(text)))
        };
        let ok = match self.claims.get("aud") {
            _ if allowed.is_empty() => true,
            Some(Value::Array(audiences)) => audiences.iter().any(fits),
            Some(audience) => fits(audience),
            None => false,
        };
        if ok { Ok(()) } else { Err(JwtError::Audience) }
    }

    /// Verifies the signature: every key that fits by `kid` and `alg` is tried.
    pub(crate) fn verify(&self, keys: &Keys) -> Result<(), JwtError> {
        let Keys::Set(keys) = keys else { return Err(JwtError::Signature) };
        let mut fitted = false;
        for key in keys {
            let text = |name| key.get(name).and_then(Value::as_str).unwrap_or_default();
            if !self.key_id.is_empty() && !text("kid").is_empty() && text("kid") != self.key_id {
                continue;
            }
            if !text("alg").is_empty() && text("alg").parse() != Ok(self.algorithm) {
                continue;
            }
            fitted = true;
            if self.signed_with(key) {
                return Ok(());
            }
        }
        Err(if fitted { JwtError::Signature } else { JwtError::NoKey })
    }

    fn signed_with(&self, key: &Value) -> bool {
        let Ok(key) = serde_json::from_value(key.clone()) else { return false };
        let Ok(key) = DecodingKey::from_jwk(&key) else { return false };
        let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&self.signature);
        jsonwebtoken::crypto::verify(&signature, self.signed.as_bytes(), &key, self.algorithm).unwrap_or(false)
    }
}

/// Base64url with or without padding; white space inside does not count.
fn decode(text: &str) -> Option<Vec<u8>> {
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(compact).ok()
}

fn check_form(claims: &Value) -> Result<(), JwtError> {
    let text = |name| match claims.get(name) {
        None | Some(Value::String(_)) => Ok(()),
        Some(_) => Err(JwtError::NotText(name)),
    };
    let time = |name| match claims.get(name) {
        None => Ok(()),
        Some(Value::Number(number)) => {
            let positive = number.as_f64().is_some_and(|number| (0.0..9.3e18).contains(&number));
            if positive { Ok(()) } else { Err(JwtError::NotPositive(name)) }
        }
        Some(_) => Err(JwtError::NotInteger(name)),
    };
    text("iss")?;
    text("sub")?;
    time("iat")?;
    time("nbf")?;
    time("exp")?;
    text("jti")?;
    match claims.get("aud") {
        None | Some(Value::String(_)) => Ok(()),
        Some(Value::Array(audiences)) if audiences.iter().all(Value::is_string) => Ok(()),
        Some(_) => Err(JwtError::AudienceForm),
    }
}
