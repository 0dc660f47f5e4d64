//! Values that only this program can read and write: encrypted, and signed together with a cookie's name and a time.
//!
//! The outer form is oauth2-proxy's (`value|unix time|signature`, `pkg/encryption/utils.go`); what is encrypted is our
//! own, as nobody else reads it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use jiff::Timestamp;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::settings::secret_bytes;

/// How far a cookie's time may lie in the future, in seconds.
const CLOCK_SKEW: i64 = 5 * 60;

/// Seals a value for the cookie of that name.
#[must_use]
pub fn seal<T: Serialize>(secret: &str, name: &str, value: &T, now: Timestamp) -> Option<String> {
    let mut bytes = serde_json::to_vec(value).ok()?;
    let nonce: [u8; NONCE_LEN] = rand::random();
    key(secret)?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut bytes).ok()?;
    let value = URL_SAFE.encode([nonce.as_slice(), &bytes].concat());
    let time = now.as_second().to_string();
    let signature = URL_SAFE.encode(signature(secret, name, &value, &time));
    Some(format!("{value}|{time}|{signature}"))
}

/// Opens what [`seal`] made, if it is not older than `expire` (zero: any age).
#[must_use]
pub fn open<T: DeserializeOwned>(secret: &str, name: &str, text: &str, expire: Duration, now: Timestamp) -> Option<T> {
    let mut parts = text.split('|');
    let (value, time, told) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let told = URL_SAFE.decode(told).ok()?;
    let message = [name, value, time].concat();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes(), &told).ok()?;
    let age = now.as_second().checked_sub(time.parse().ok()?)?;
    let oldest = i64::try_from(expire.as_secs()).unwrap_or(i64::MAX);
    if !expire.is_zero() && (age >= oldest || age <= -CLOCK_SKEW) {
        return None;
    }
    let mut bytes = URL_SAFE.decode(value).ok()?;
    let nonce: [u8; NONCE_LEN] = bytes.get(..NONCE_LEN)?.try_into().ok()?;
    let opened =
        key(secret)?.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut bytes[NONCE_LEN..]).ok()?;
    serde_json::from_slice(opened).ok()
}

fn key(secret: &str) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, &Sha256::digest(secret_bytes(secret))).ok().map(LessSafeKey::new)
}

fn signature(secret: &str, name: &str, value: &str, time: &str) -> hmac::Tag {
    let message = [name, value, time].concat();
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "7d16fee92f8d11b8940b081b3f8b8acb";
    const DAY: Duration = Duration::from_secs(86400);

    #[test]
    fn only_untouched_values_of_this_secret_name_and_time_open() {
        let now = Timestamp::now();
        let sealed = seal(SECRET, "n", &"hello", now).unwrap();
        let opened = |secret, name, text: &str, expire, now| open::<String>(secret, name, text, expire, now);
        assert_eq!(opened(SECRET, "n", &sealed, DAY, now).as_deref(), Some("hello"));
        let later = now + jiff::SignedDuration::from_secs(3);
        assert_eq!(opened(SECRET, "n", &sealed, Duration::from_secs(3), later), None);
        assert_eq!(opened(SECRET, "n", &sealed, DAY, now - jiff::SignedDuration::from_secs(301)), None);
        assert_eq!(opened(SECRET, "m", &sealed, DAY, now), None);
        assert_eq!(opened("another secret of 32 bytes, long", "n", &sealed, DAY, now), None);
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(opened(SECRET, "n", &String::from_utf8(bytes).unwrap(), DAY, now), None, "byte {at}");
            assert_eq!(opened(SECRET, "n", &sealed[..at], DAY, now), None, "cut at {at}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in ".*") {
            proptest::prop_assert_eq!(open::<String>(SECRET, "n", &text, DAY, Timestamp::now()), None);
        }
    }
}
