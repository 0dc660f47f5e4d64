//! The form of oauth2-proxy's cookies: `content|unix time|signature`, the signature an HMAC-SHA256 over the cookie's
//! name, the content and the time (oauth2-proxy `pkg/encryption/utils.go`: `SignedValue`, `Validate`). What the content
//! holds is encrypted, and nobody's business here.

use harness::{Checked, Ctx, Stop};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey};
use sha2::{Digest, Sha256};

use super::settings;
use crate::objects;

/// Signs cookies.
pub struct Seal {
    secret: String,
}

/// A session cookie, taken apart.
pub struct Session {
    /// What is encrypted.
    pub content: String,
}

impl Session {
    /// Takes a session's cookies apart; a long one is spread over several.
    pub fn of(cookies: &[(String, String)]) -> Checked<Self> {
        let whole: String = cookies.iter().map(|(_, value)| value.as_str()).collect();
        let mut parts = whole.split('|');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(content), Some(_), Some(_), None) => Ok(Self { content: content.to_owned() }),
            _ => Err(Stop::errored("precondition", "the session cookie has not the three parts of oauth2-proxy's")),
        }
    }
}

impl Seal {
    /// The platform's own, out of its Secret.
    pub async fn of_this_platform(cx: &Ctx) -> Checked<Self> {
        let secret = settings::proxy_secret(cx).await?;
        let secret = secret.as_ref().and_then(|secret| objects::secret_value(secret, "cookie-secret"));
        let Some(secret) = secret else { return Err(Stop::absent("a Secret with oauth2-proxy's cookie-secret")) };
        cx.secret(&secret);
        Ok(Self { secret })
    }

    /// Another platform's.
    #[must_use]
    pub fn of_another_platform(word: &str) -> Self {
        Self { secret: text(word, 32) }
    }

    /// A cookie's value, as issued at a time.
    pub fn close(&self, name: &str, content: &str, at: Timestamp) -> Checked<String> {
        let time = at.as_second();
        let message = format!("{name}{content}{time}");
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256)
            .map_err(|error| Stop::errored("precondition", format!("cannot sign a cookie: {error}")))?;
        // The library leaves the padding out, oauth2-proxy wants it: 32 bytes are 43 letters and one `=`.
        Ok(format!("{content}|{time}|{signature}="))
    }
}

/// So many letters that follow from a word, and that nobody could have issued.
#[must_use]
pub fn text(word: &str, letters: usize) -> String {
    let mut text = String::new();
    while text.len() < letters {
        let digest = Sha256::digest(format!("{word}{}", text.len()));
        text.extend(digest.iter().map(|byte| format!("{byte:02x}")));
    }
    text.truncate(letters);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_has_three_parts_and_a_padded_signature() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let cookie = Seal { secret: "0123456789abcdef".into() }.close("name", "content", at).unwrap();
        let parts: Vec<&str> = cookie.split('|').collect();
        assert_eq!(parts[..2], ["content", "1700000000"]);
        // printf 'namecontent1700000000' | openssl dgst -sha256 -hmac 0123456789abcdef -binary | basenc --base64url
        assert_eq!(parts[2], "Jp6J4kyTQdbsftrEE65lNvu7CA6hsBed0rN042YJmqo=");
        let again = Session::of(&[("n_0".into(), cookie[..9].into()), ("n_1".into(), cookie[9..].into())]).unwrap();
        assert_eq!(again.content, "content");
    }

    #[test]
    fn made_up_text_is_as_long_as_asked_for() {
        assert_eq!(text("x", 160).len(), 160);
        assert_ne!(text("x", 32), text("y", 32));
    }
}
