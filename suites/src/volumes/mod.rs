//! Volumes are made, shown, browsed and removed in their application; one that is in use stays.

pub mod claims;
pub mod list;

use harness::Suite;

use crate::images;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "volumes",
    prefix: "VOL",
    title: "Volumes are made and removed by whom they belong to",
    images: &[images::VIEWER, images::PROFILES],
    topics: &[list::CHECKS, claims::CHECKS],
};
