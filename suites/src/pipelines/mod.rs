//! Kubeflow Pipelines: its API answers its users, keeps them apart, and runs what they upload.
//!
//! What checks make carries the run's id in its name and is removed again. Input that makes the real server hang or crash
//! (YAML that does not parse, an empty identity header) is never sent.

pub mod access;
pub mod again;
pub mod api;
pub mod detours;
pub mod experiments;
pub mod firing;
pub mod given;
pub mod granted;
pub mod health;
pub mod leftovers;
pub mod members;
pub mod notebook;
pub mod obstacles;
pub mod old_api;
pub mod own;
pub mod packages;
pub mod pages;
pub mod recurring;
pub mod runs;
mod sdk;
pub mod strangers;
mod token_file;

use harness::{Profile, Suite};

use crate::images;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "pipelines",
    prefix: "KFP",
    title: "Kubeflow Pipelines keeps its users apart and runs what they upload",
    images: &[images::SHELL, images::STEPS, images::EXECUTOR, images::PROFILES, images::PROBE],
    topics: &[
        health::CHECKS,
        access::CHECKS,
        experiments::CHECKS,
        old_api::CHECKS,
        pages::CHECKS,
        detours::CHECKS,
        packages::CHECKS,
        runs::CHECKS,
        strangers::CHECKS,
        recurring::CHECKS,
        again::CHECKS,
        firing::CHECKS,
        members::CHECKS,
        notebook::CHECKS,
        given::CHECKS,
    ],
};

/// The sets that these checks belong to.
pub(crate) const PIPELINES: &[Profile] = &[Profile::Core, Profile::Pipelines];
/// Those of checks that keep users apart.
pub(crate) const TENANCY: &[Profile] = &[Profile::Core, Profile::Pipelines, Profile::Tenancy, Profile::Security];
