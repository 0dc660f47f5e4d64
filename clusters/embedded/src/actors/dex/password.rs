//! Checking a password against its bcrypt hash.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use sha2::{Digest, Sha256};

use super::settings::{Settings, User};
use super::store::Claims;

/// Costs that Dex accepts: `bcrypt.DefaultCost` and the `upBoundCost` of dexidp/dex `server/api.go`.
const COSTS: std::ops::RangeInclusive<u32> = 10..=16;

/// How many answers are kept at most.
const KEPT: usize = 1024;

/// What was computed before, by the digest of hash and password: bcrypt is slow on purpose, and a run logs in with the
/// same few passwords over and over. Whoever asks while an answer is being computed waits for it.
static ANSWERS: LazyLock<Mutex<Answers>> = LazyLock::new(Mutex::default);
type Answers = HashMap<[u8; 32], Arc<OnceLock<bool>>>;

/// What a password check found out.
#[derive(Debug, PartialEq, Eq)]
pub enum Check {
    /// It is the user's password.
    Good(Box<Claims>),
    /// No such user, or another password: Dex does not tell which.
    Bad,
    /// The hash is not one that Dex works with; the text goes to the page.
    Refused(String),
}

/// Whether a hash is that of a password.
fn matches(hash: &str, password: &str) -> bool {
    let digest = Sha256::new().chain_update(hash).chain_update([0]).chain_update(password).finalize();
    let answer = {
        let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= KEPT {
            answers.clear();
        }
        answers.entry(digest.into()).or_default().clone()
    };
    *answer.get_or_init(|| bcrypt::verify(password, hash).unwrap_or(false))
}

/// Checks a password; the hash is computed on the blocking pool, as it takes a quarter of a second.
pub async fn check(settings: &Settings, email: &str, password: &str) -> Check {
    let Some(user) = settings.user(email).cloned() else { return Check::Bad };
    match cost(&user.hash) {
        Some(cost) if COSTS.contains(&cost) => {}
        Some(cost) if cost < *COSTS.start() => {
            return Check::Refused(format!(
                "given hash cost = {cost} does not meet minimum cost requirement = {}",
                COSTS.start()
            ));
        }
        other => {
            return Check::Refused(format!(
                "given hash cost = {} is above upper bound cost = {}, recommended cost = {}",
                other.unwrap_or_default(),
                COSTS.end(),
                COSTS.start()
            ));
        }
    }
    let (hash, password) = (user.hash.clone(), password.to_owned());
    let good = tokio::task::spawn_blocking(move || matches(&hash, &password)).await;
    if !good.unwrap_or(false) {
        return Check::Bad;
    }
    Check::Good(Box::new(user.claims()))
}

impl User {
    /// What a login of the user tells.
    #[must_use]
    pub fn claims(&self) -> Claims {
        Claims {
            user_id: self.user_id.clone(),
            username: self.username.clone(),
            email: self.email.clone(),
            email_verified: true,
            groups: Vec::new(),
        }
    }

    /// Someone whom nobody configured: what the switch `dex-accepts-any-user` lets in.
    #[must_use]
    pub fn unknown(email: &str) -> Self {
        let username = email.split('@').next().unwrap_or_default().to_owned();
        Self { email: email.to_owned(), user_id: email.to_owned(), username, hash: String::new() }
    }
}

/// The cost of a bcrypt hash (`$2y$12$…`); `None` if the text is none.
#[must_use]
pub fn cost(hash: &str) -> Option<u32> {
    let mut parts = hash.strip_prefix("$2")?.split('$');
    let (minor, cost, salted) = (parts.next()?, parts.next()?, parts.next()?);
    let well_formed = minor.len() <= 1 && cost.len() == 2 && salted.len() == 53 && parts.next().is_none();
    cost.parse().ok().filter(|cost| well_formed && (4..=31).contains(cost))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bcrypt_hashes_have_a_cost() {
        let salted = "4K/VkmDd1q1Orb3xAt82zu8gk7Ad6ReFR4LCP9UeYE90NLiN9Df72";
        assert_eq!(cost(&format!("$2y$12${salted}")), Some(12));
        assert_eq!(cost(&format!("$2a$31${salted}")), Some(31));
        for bad in ["", "$2", "$2y$12$", "$1$12$x", &format!("$2y$99${salted}"), &format!("$2y$12${salted}x")] {
            assert_eq!(cost(bad), None, "{bad}");
        }
    }
}
