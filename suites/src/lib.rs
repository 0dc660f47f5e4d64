//! The checks of the conformance suite, one file a topic, and the faults that each must notice.

use harness::Suite;

/// Every suite, in the order of the catalogue.
pub static SUITES: &[&Suite] = &[];
