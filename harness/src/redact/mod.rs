//! Redaction at the writer: secrets that were handed out, in every encoding that a writer uses, and what looks like one.
//!
//! One [`Redactor`] serves a whole run. Known secrets are found by an automaton over all their encodings; the rest
//! by patterns. A text is always redacted before it is cut, so that no half of a secret stays.

mod encodings;
mod known;
mod patterns;
mod record;
mod secret_objects;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use known::Known;

/// What stands in place of a secret.
pub const REDACTED: &str = "<redacted>";

/// The shortest text that is redacted wherever it occurs, in bytes. A shorter one would black out half a report; where
/// it stands as a password, a cookie or a token the patterns still find it.
pub const SHORTEST: usize = 4;

/// Knows the secrets of a run. Clones share them.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<Mutex<Known>>,
}

impl Redactor {
    /// A redactor that knows the patterns only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a secret.
    pub fn secret(&self, text: &str) {
        if text.len() < SHORTEST {
            return;
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).add(text);
    }

    /// A text without its secrets.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let automata = self.known.lock().unwrap_or_else(PoisonError::into_inner).automata();
        match known::replace(&automata, text) {
            Some(known) => Cow::Owned(patterns::redact(&known).into_owned()),
            None => patterns::redact(text),
        }
    }

    /// A text without its secrets, and at most about `limit` bytes long. Redacts only as much of a huge text as may be
    /// kept.
    #[must_use]
    pub fn text_up_to(&self, text: &str, limit: usize) -> String {
        /// No secret is longer than this, so what the cut leaves of one is within this distance of it.
        const SLACK: usize = 8 * 1024;
        if text.len() <= limit + SLACK {
            let mut whole = self.text(text).into_owned();
            crate::evidence::cut(&mut whole, limit);
            return whole;
        }
        let head = &text[..text.floor_char_boundary(limit + SLACK)];
        let mut kept = self.text(head).into_owned();
        kept.truncate(kept.floor_char_boundary(limit.min(kept.len().saturating_sub(SLACK))));
        kept.push_str(&format!(" … ({} bytes in all)", text.len()));
        kept
    }

    /// Redacts in place.
    pub fn in_place(&self, text: &mut String) {
        if let Cow::Owned(redacted) = self.text(text) {
            *text = redacted;
        }
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}
