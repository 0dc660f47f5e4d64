//! Who is logged in is who the applications see.

use harness::Suite;

/// The suite.
pub static SUITE: Suite =
    Suite { name: "identity", prefix: "IDN", title: "Who is logged in is who the applications see", topics: &[] };
