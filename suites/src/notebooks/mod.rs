//! A notebook is made, opened, stopped, started and removed as a user does it, and nobody else gets in.

pub mod culling;
pub mod form;
pub mod guard;
pub mod life;
pub mod open;
pub mod server;

use harness::Suite;

use crate::images;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "notebooks",
    prefix: "NBK",
    title: "A notebook works for its owner and for nobody else",
    images: &[images::NOTEBOOK, images::PROFILES],
    topics: &[form::CHECKS, open::CHECKS, life::CHECKS, culling::CHECKS, guard::CHECKS],
};
