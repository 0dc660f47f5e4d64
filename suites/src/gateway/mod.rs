//! The gateway: every path leads to the application that owns it, and only there.

pub mod boundaries;
pub mod diagnose;
pub mod gate;
pub mod inventory;
pub mod protocol;
pub mod routes;

use harness::Suite;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "gateway",
    prefix: "GWY",
    title: "Every path leads to the application that owns it",
    images: &[],
    topics: &[routes::CHECKS, boundaries::CHECKS, gate::CHECKS, protocol::CHECKS, inventory::CHECKS],
};
