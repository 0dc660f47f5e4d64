//! The result model of a conformance run, and every rendering of it.
//!
//! [`model::Results`] is the only record of a run (`results.json`); every other report is a fold over it. What a run
//! means — [`verdict`] and [`causes`] — is computed here, in one place, from the outcomes of its checks.

pub mod causes;
pub mod journal;
pub mod model;
pub mod verdict;
