//! A Profile is a namespace with its owner's rights, accounts, policy and quota, and stays what it is.

pub mod contents;
pub mod existing;
pub mod lifecycle;
pub mod limits;
pub mod ownership;
pub mod quantity;
pub mod registration;

use harness::{Checked, Stop, Suite};

use crate::images;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "profiles",
    prefix: "PRF",
    title: "A Profile becomes a namespace with its owner's rights, and stays so",
    images: &[images::PROFILES],
    topics: &[existing::CHECKS, lifecycle::CHECKS, ownership::CHECKS, registration::CHECKS, limits::CHECKS],
};

/// How many differences are told in full.
const TOLD: usize = 5;

/// Fails with all differences, the first as the cause.
pub(crate) fn none(expected: &str, differences: Vec<String>, fix: &str) -> Checked {
    let Some(first) = differences.first().cloned() else { return Ok(()) };
    let more = differences.len().saturating_sub(TOLD);
    let mut actual = differences.into_iter().take(TOLD).collect::<Vec<_>>().join("; ");
    if more > 0 {
        actual = format!("{actual}; and {more} more");
    }
    Err(Stop::failed(expected, actual).because(first).fix(fix))
}
