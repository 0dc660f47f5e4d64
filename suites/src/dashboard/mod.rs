//! The dashboard shows the platform to its user.

use harness::Suite;

/// The suite.
pub static SUITE: Suite =
    Suite { name: "dashboard", prefix: "DSH", title: "The dashboard shows the platform to its user", topics: &[] };
