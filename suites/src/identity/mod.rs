//! Who is logged in is who the applications see: nothing that a client sends changes that.

pub mod accounts;
pub mod beside;
pub mod echo;
pub mod forge;
pub mod headers;
pub mod seen;
pub mod tokens;

use harness::Suite;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "identity",
    prefix: "IDN",
    title: "Who is logged in is who the applications see",
    images: &[],
    topics: &[echo::CHECKS, headers::CHECKS, tokens::CHECKS, beside::CHECKS, accounts::CHECKS],
};
