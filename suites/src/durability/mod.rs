//! What the stores keep: one part after the other begins anew, and everything that was acknowledged is there again.
//!
//! Pods of the platform are deleted: the engine runs such checks on the embedded platform, on clusters that this program
//! made, and on another one only where `--may-restart` names it. A check of another part is a row with its own [`Part`](restart::Part).

pub mod restart;
pub mod rows;

use harness::Suite;

use crate::images;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "durability",
    prefix: "DUR",
    title: "What the platform has acknowledged outlives its pods",
    images: &[images::SHELL, images::STEPS, images::EXECUTOR, images::PROFILES],
    topics: &[rows::CHECKS],
};
