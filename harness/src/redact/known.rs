//! The secrets that were handed out, found in a text by automata over all their forms.
//!
//! A run learns secrets all the time: each answer may set a cookie. Building one automaton anew for each would cost more
//! than the run itself, so they are built in segments that double in size, as a log-structured index does.

use std::collections::BTreeSet;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::{REDACTED, encodings};

#[derive(Default)]
pub(super) struct Known {
    secrets: BTreeSet<String>,
    /// Forms of secrets that no segment holds yet.
    fresh: BTreeSet<String>,
    /// From the largest to the smallest.
    segments: Vec<Segment>,
}

struct Segment {
    forms: BTreeSet<String>,
    automaton: Arc<AhoCorasick>,
}

impl Known {
    pub fn add(&mut self, secret: &str) {
        if !self.secrets.contains(secret) {
            self.secrets.insert(secret.to_owned());
            self.fresh.extend(encodings::of(secret));
        }
    }

    /// Automata that find all forms of all secrets.
    pub fn automata(&mut self) -> Vec<Arc<AhoCorasick>> {
        if !self.fresh.is_empty() {
            let mut forms = std::mem::take(&mut self.fresh);
            while let Some(segment) = self.segments.pop_if(|segment| segment.forms.len() <= 2 * forms.len()) {
                forms.extend(segment.forms);
            }
            match AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(&forms) {
                Ok(automaton) => self.segments.push(Segment { forms, automaton: Arc::new(automaton) }),
                // More than four billion states: kept for the next try rather than forgotten.
                Err(_) => self.fresh = forms,
            }
        }
        self.segments.iter().map(|segment| Arc::clone(&segment.automaton)).collect()
    }
}

/// Replaces all that the automata find; `None` if they find nothing. Findings that overlap are one: what two secrets
/// share must not leave the rest of either.
pub(super) fn replace(automata: &[Arc<AhoCorasick>], text: &str) -> Option<String> {
    let found = automata.iter().filter(|automaton| automaton.is_match(text));
    let mut found: Vec<(usize, usize)> =
        found.flat_map(|automaton| automaton.find_overlapping_iter(text).map(|m| (m.start(), m.end()))).collect();
    if found.is_empty() {
        return None;
    }
    found.sort_unstable();
    let mut redacted = String::with_capacity(text.len());
    let mut done = 0;
    for (start, end) in found {
        if start >= done {
            redacted.push_str(&text[done..start]);
            redacted.push_str(REDACTED);
        }
        done = done.max(end);
    }
    redacted.push_str(&text[done..]);
    Some(redacted)
}
