//! What users run arrives in the bundled stores: row by row.
//!
//! Rows are read as an administrator would: with MySQL's own client, in its pod; objects by signed requests through a
//! forwarded port.

pub mod archive;
pub mod artifacts;
pub mod database;
pub mod keys;
pub mod lineage;
pub mod logs;
pub mod object_store;
pub mod packages;
pub mod records;
pub mod rows;
pub mod runs;
pub mod store;

use harness::Suite;

use crate::images;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "data",
    prefix: "DAT",
    title: "What users run arrives in the bundled stores",
    images: &[images::SHELL, images::STEPS, images::EXECUTOR, images::PROFILES],
    topics: &[
        database::CHECKS,
        object_store::CHECKS,
        keys::CHECKS,
        packages::CHECKS,
        runs::CHECKS,
        records::CHECKS,
        lineage::CHECKS,
        artifacts::CHECKS,
        logs::CHECKS,
    ],
};

/// The sets that these checks belong to.
pub(crate) const DATA: &[harness::Profile] =
    &[harness::Profile::Core, harness::Profile::Pipelines, harness::Profile::Durability];
