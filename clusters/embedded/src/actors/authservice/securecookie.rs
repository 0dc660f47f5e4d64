//! Ids in cookies, signed as gorilla/securecookie does it: `base64url(time|value|mac)`.
//!
//! The key is a constant of the program (arrikto/oidc-authservice `main.go`): the id itself is what is secret.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use jiff::Timestamp;
use ring::hmac;

const KEY: &[u8] = b"notNeededBecauseCookieValueIsRandom";
/// How old a value may be, in seconds.
const MAX_AGE: i64 = 30 * 86400;
/// The longest value that is looked at.
const LONGEST: usize = 4096;
/// What Go's gob puts before a text of 52 bytes.
const GOB_TEXT: [u8; 4] = [0x37, 0x0c, 0x00, 0x34];

/// A new random id: 52 characters of base32.
#[must_use]
pub fn new_id() -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    (0..52).map(|_| char::from(ALPHABET[rand::random_range(0..ALPHABET.len())])).collect()
}

/// The value of the cookie `name` for an id.
#[must_use]
pub fn encode(name: &str, id: &str, now: Timestamp) -> String {
    let value = URL_SAFE.encode([&GOB_TEXT, id.as_bytes()].concat());
    let dated = format!("{}|{value}|", now.as_second());
    let mac = hmac::sign(&key(), message(name, &dated).as_bytes());
    URL_SAFE.encode([dated.as_bytes(), mac.as_ref()].concat())
}

/// The id in the value of the cookie `name`; `None` if the value was not made by [`encode`] for that cookie.
#[must_use]
pub fn decode(name: &str, text: &str, now: Timestamp) -> Option<String> {
    if text.len() > LONGEST {
        return None;
    }
    let bytes = URL_SAFE.decode(text).ok()?;
    let mut bars = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'|').map(|(at, _)| at);
    let (first, second) = (bars.next()?, bars.next()?);
    let dated = std::str::from_utf8(bytes.get(..=second)?).ok()?;
    hmac::verify(&key(), message(name, dated).as_bytes(), &bytes[second + 1..]).ok()?;
    let made: i64 = dated[..first].parse().ok()?;
    if now.as_second() - made > MAX_AGE {
        return None;
    }
    let value = URL_SAFE.decode(&dated[first + 1..second]).ok()?;
    String::from_utf8(value.strip_prefix(&GOB_TEXT)?.to_vec()).ok()
}

fn key() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, KEY)
}

/// What is signed: name, time and value, without the last bar.
fn message(name: &str, dated: &str) -> String {
    format!("{name}|{}", dated.trim_end_matches('|'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_of_that_cookie_decode() {
        let (id, now) = (new_id(), Timestamp::now());
        let value = encode("a", &id, now);
        assert_eq!(value.len(), 160);
        assert_eq!(decode("a", &value, now).as_ref(), Some(&id));
        assert_eq!(decode("b", &value, now), None);
        assert_eq!(decode("a", &value, now + jiff::SignedDuration::from_hours(31 * 24)), None);
        for at in 0..value.len() {
            let mut bytes = value.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(decode("a", std::str::from_utf8(&bytes).unwrap(), now), None, "byte {at}");
        }
    }

    #[test]
    fn a_recorded_value_decodes() {
        let recorded = "MTc5NTQwMjMwM3xOd3dBTkZoRVdrdE1Ta0pXVEVSQ1ExTlRWak0xVmxKU1RETlVRalpHVmxCTlMxUTBXRkUwVkZSTVNsSkhWa0pJVVRkRE5FY3lVMEU9fGm5kcvTLFzAO3q6HiYLcquVsT2J1t9AsyPOKUKRKWD7";
        let then = Timestamp::from_second(1_795_402_303).unwrap();
        assert_eq!(decode("oidc_state_csrf", recorded, then).map(|id| id.len()), Some(52));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in ".*") {
            proptest::prop_assert_eq!(decode("a", &text, Timestamp::now()), None);
        }
    }
}
