//! A TensorBoard is made, opened and removed in its application, and nobody else sees it.

pub mod guard;
pub mod life;
pub mod server;

use harness::Suite;

use crate::images;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "tensorboards",
    prefix: "TSB",
    title: "A TensorBoard works for its owner and for nobody else",
    images: &[images::TENSORBOARD, images::PROFILES],
    topics: &[guard::CHECKS, life::CHECKS],
};
