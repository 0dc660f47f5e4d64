//! Signing keys: made when Dex starts or when first needed, rotated, published at `/keys`.
//!
//! An RSA key takes a noticeable fraction of a second to make, and tests boot platforms by the dozen. So keys come from a pool that
//! the process shares: the first key of every storage is the same, a storage that starts anew or rotates takes the next.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rsa::pkcs1v15::{Signature, SigningKey, VerifyingKey};
use rsa::signature::{SignatureEncoding, Signer, Verifier};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BigUint, RsaPrivateKey};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::store::after;

/// One RSA key of 2048 bits.
pub struct Key {
    /// Its id: 40 hexadecimal digits.
    pub id: String,
    signing: SigningKey<Sha256>,
    public: Value,
}

impl Key {
    fn generate() -> Result<Self, String> {
        let private = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).map_err(|error| error.to_string())?;
        let id: String = rand::random::<[u8; 20]>().iter().map(|byte| format!("{byte:02x}")).collect();
        let number = |value: &BigUint| URL_SAFE_NO_PAD.encode(value.to_bytes_be());
        let public = json!({
            "use": "sig", "kty": "RSA", "kid": id, "alg": "RS256", "n": number(private.n()), "e": number(private.e()),
        });
        Ok(Self { id, signing: SigningKey::new(private), public })
    }

    /// Signs claims: a JWT (RFC 7519) with RS256.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "RS256", "kid": self.id}).to_string();
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.signing.sign(signed.as_bytes()).to_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The whole key as a JSON Web Key (RFC 7518 section 6.3.2).
    fn private(&self) -> Value {
        let key: &RsaPrivateKey = self.signing.as_ref();
        let number = |value: &BigUint| json!(URL_SAFE_NO_PAD.encode(value.to_bytes_be()));
        let mut whole = self.public.clone();
        whole["d"] = number(key.d());
        for (name, prime) in ["p", "q"].into_iter().zip(key.primes()) {
            whole[name] = number(prime);
        }
        for (name, value) in [("dp", key.dp()), ("dq", key.dq())] {
            whole[name] = value.map_or(Value::Null, number);
        }
        whole
    }

    fn verifies(&self, signed: &str, signature: &[u8]) -> bool {
        let public: VerifyingKey<Sha256> = VerifyingKey::new(self.signing.as_ref().to_public_key());
        Signature::try_from(signature).is_ok_and(|signature| public.verify(signed.as_bytes(), &signature).is_ok())
    }
}

/// The keys of one storage.
#[derive(Default)]
pub struct Keys {
    place: OnceLock<usize>,
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    signing: Option<(Arc<Key>, Timestamp)>,
    verifying: Vec<(Arc<Key>, Timestamp)>,
}

impl Keys {
    /// Tells a new storage which key of the pool it takes first; later calls change nothing.
    pub fn begin_with(&self, place: impl FnOnce() -> usize) {
        self.place.get_or_init(place);
    }

    /// The key to sign with. `live` is the time until the next rotation, `tokens_live` how long a rotated key is still
    /// published.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub async fn signing(&self, live: Duration, tokens_live: Duration) -> Result<Arc<Key>, String> {
        let next = {
            let now = Timestamp::now();
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            ring.verifying.retain(|(_, expiry)| *expiry > now);
            match &ring.signing {
                Some((key, until)) if *until > now => return Ok(key.clone()),
                Some((key, _)) => pool_place(&key.id).map_or(0, |known| known + 1),
                None => self.place.get().copied().unwrap_or_default(),
            }
        };
        let key = pooled(next).await?;
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        match ring.signing.take() {
            Some((current, until)) if until > Timestamp::now() => {
                ring.signing = Some((current.clone(), until));
                return Ok(current);
            }
            Some((old, _)) => ring.verifying.push((old, after(tokens_live))),
            None => {}
        }
        ring.signing = Some((key.clone(), after(live)));
        Ok(key)
    }

    /// The published keys, and the seconds until the next rotation.
    #[must_use]
    pub fn published(&self) -> (Value, i64) {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let keys: Vec<&Value> = ring.signing.iter().chain(&ring.verifying).map(|(key, _)| &key.public).collect();
        let until = ring.signing.as_ref().map_or(0, |(_, until)| until.duration_since(Timestamp::now()).as_secs());
        (json!({ "keys": keys }), until)
    }

    /// The fields of the object that Dex keeps its keys in; nothing while there are none.
    #[must_use]
    pub fn stored(&self) -> Option<Value> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, until) = ring.signing.as_ref()?;
        let old = |(key, expiry): &(Arc<Key>, Timestamp)| json!({"publicKey": key.public, "expiry": expiry});
        Some(json!({
            "signingKey": key.private(), "signingKeyPub": key.public,
            "verificationKeys": ring.verifying.iter().map(old).collect::<Vec<_>>(), "nextRotation": until,
        }))
    }

    /// The claims of a token that one of the keys signed.
    #[must_use]
    pub fn verified(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let id = header.get("kid").and_then(Value::as_str).unwrap_or_default();
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = ring.signing.iter().chain(&ring.verifying).map(|(key, _)| key);
        let known = header.get("alg").and_then(Value::as_str) == Some("RS256")
            && keys.any(|key| (id.is_empty() || key.id == id) && key.verifies(signed, &signature));
        drop(ring);
        if known { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok() } else { None }
    }
}

type Pool = Mutex<Vec<Arc<OnceCell<Arc<Key>>>>>;

static POOL: Pool = Mutex::new(Vec::new());

/// Begins to make the process' first key, so that whoever logs in first need not wait for it: Dex makes its keys when it
/// starts (`server/rotation.go`: `startKeyRotation`).
pub fn prepare() {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(pooled(0));
    }
}

/// The key at a place of the process' pool; made on the blocking pool when first asked for.
async fn pooled(place: usize) -> Result<Arc<Key>, String> {
    let cell = {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        while pool.len() <= place {
            pool.push(Arc::default());
        }
        pool[place].clone()
    };
    cell.get_or_try_init(|| async {
        let made = tokio::task::spawn_blocking(Key::generate).await.map_err(|error| error.to_string())?;
        made.map(Arc::new)
    })
    .await
    .cloned()
}

fn pool_place(id: &str) -> Option<usize> {
    let pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    pool.iter().position(|cell| cell.get().is_some_and(|key| key.id == id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86400);

    #[tokio::test]
    async fn keys_rotate_and_old_tokens_stay_good() {
        let keys = Keys::default();
        let first = keys.signing(Duration::ZERO, DAY).await.unwrap();
        let token = first.sign(&json!({"sub": "x"}));
        let second = keys.signing(DAY, DAY).await.unwrap();
        assert_ne!(first.id, second.id);
        assert_eq!(keys.published().0["keys"].as_array().unwrap().len(), 2);
        assert_eq!(keys.verified(&token), Some(json!({"sub": "x"})));
        assert_eq!(Keys::default().verified(&token), None);
    }

    #[tokio::test]
    async fn foreign_broken_and_unsigned_tokens_are_refused() {
        let keys = Keys::default();
        let token = keys.signing(DAY, DAY).await.unwrap().sign(&json!({"sub": "x"}));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let body = signed.split_once('.').unwrap().1;
        for bad in [
            "".to_owned(),
            "..".into(),
            "a.b.c".into(),
            format!("{signed}."),
            format!("{signed}.AAAA"),
            format!("{none}.{body}."),
            format!("{none}.{body}.{signature}"),
            format!("{signed}x.{signature}"),
        ] {
            assert_eq!(keys.verified(&bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_storage_that_starts_anew_gets_another_key() {
        let (one, other) = (Keys::default(), Keys::default());
        let first = one.signing(DAY, DAY).await.unwrap();
        assert_eq!(first.id, other.signing(DAY, DAY).await.unwrap().id);
        assert_ne!(first.id, {
            let anew = Keys::default();
            anew.begin_with(|| 1);
            anew.signing(DAY, DAY).await.unwrap().id.clone()
        });
    }
}
