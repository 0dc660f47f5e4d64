//! Who logs in gets a session, and nobody else does.

use harness::Suite;

/// The suite.
pub static SUITE: Suite =
    Suite { name: "login", prefix: "AUT", title: "Who logs in gets a session, and nobody else does", topics: &[] };
