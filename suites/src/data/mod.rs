//! What users run arrives in the bundled stores: row by row.
//!
//! Rows are read as an administrator would: with MySQL's own client, in its pod.

pub mod database;
pub mod rows;
pub mod runs;

use harness::Suite;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "data",
    prefix: "DAT",
    title: "What users run arrives in the bundled stores",
    topics: &[database::CHECKS, runs::CHECKS],
};
