//! Volumes are made, shown, browsed and removed in their application; one that is in use stays.

pub mod claims;
pub mod list;

use harness::Suite;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "volumes",
    prefix: "VOL",
    title: "Volumes are made and removed by whom they belong to",
    topics: &[list::CHECKS, claims::CHECKS],
};
