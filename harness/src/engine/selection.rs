//! Which checks of the catalogue a run is to run.

use std::collections::BTreeSet;

use crate::check::{Check, Suite};

/// A catalogue, and the part of it that was asked for.
#[derive(Debug, Clone)]
pub struct Selection {
    suites: Vec<&'static Suite>,
    chosen: BTreeSet<&'static str>,
}

impl Selection {
    /// The checks that `wanted` picks. Prerequisites are not added: who asks for one check gets one, and a note on what
    /// it was not preceded by.
    pub fn of(suites: &[&'static Suite], mut wanted: impl FnMut(&'static Suite, &'static Check) -> bool) -> Self {
        let mut chosen = BTreeSet::new();
        for suite in suites {
            chosen.extend(suite.checks().filter(|check| wanted(suite, check)).map(|check| check.id));
        }
        Self { suites: suites.to_vec(), chosen }
    }

    /// All checks.
    #[must_use]
    pub fn all(suites: &[&'static Suite]) -> Self {
        Self::of(suites, |_, _| true)
    }

    /// The whole catalogue, in its order.
    pub fn catalogue(&self) -> impl Iterator<Item = (&'static Suite, &'static Check)> {
        self.suites.iter().flat_map(|suite| suite.checks().map(move |check| (*suite, check)))
    }

    /// What was asked for, in the catalogue's order.
    pub fn chosen(&self) -> impl Iterator<Item = (&'static Suite, &'static Check)> {
        self.catalogue().filter(|(_, check)| self.contains(check))
    }

    /// Whether a check was asked for.
    #[must_use]
    pub fn contains(&self, check: &Check) -> bool {
        self.chosen.contains(check.id)
    }

    /// How many were asked for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Whether nothing was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// The suites of the catalogue.
    #[must_use]
    pub fn suites(&self) -> &[&'static Suite] {
        &self.suites
    }
}
