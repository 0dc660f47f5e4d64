//! Everything is installed, and ready.

use harness::Suite;

/// The suite.
pub static SUITE: Suite =
    Suite { name: "install", prefix: "INS", title: "Everything is installed, and ready", topics: &[] };
