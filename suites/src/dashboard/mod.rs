//! The dashboard shows the platform to its user: its page, who it thinks the user is, and where its menu leads.

pub mod api;
pub mod links;
pub mod page;
pub mod workgroup;

use harness::Suite;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "dashboard",
    prefix: "DSH",
    title: "The dashboard shows the platform to its user",
    images: &[],
    topics: &[page::CHECKS, workgroup::CHECKS, links::CHECKS, api::CHECKS],
};
