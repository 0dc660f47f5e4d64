//! Katib: experiments go their whole way, what trials report arrives in the bundled database, and tenants are kept apart.
//!
//! Experiments are small: whole numbers, a shell that computes the objective, an optimum that is known. They go through
//! the UI server, as people's do, and through the Kubernetes API, as the SDK's do; several run at once.

pub mod access;
pub mod durability;
pub mod experiments;
pub mod given;
pub mod health;
pub mod life;
pub mod limits;
pub mod refusals;
pub mod rows;
pub mod server;
pub mod sharing;
pub mod shown;
pub mod trouble;
mod watched;

use harness::Suite;

use crate::images;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "katib",
    prefix: "KAT",
    title: "Katib tunes, and keeps what it found",
    images: &[images::SHELL, images::KATIB, images::PROFILES],
    topics: &[
        health::CHECKS,
        life::CHECKS,
        shown::CHECKS,
        limits::CHECKS,
        refusals::CHECKS,
        access::CHECKS,
        sharing::CHECKS,
        rows::CHECKS,
        durability::CHECKS,
        given::CHECKS,
    ],
};
