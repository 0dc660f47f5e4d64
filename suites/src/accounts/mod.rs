//! The service accounts of a Profile may what their roles say, by the token that their pods carry.

pub mod kubernetes;
pub mod pipelines;
pub mod token;

use harness::{Profile, Suite};

use crate::images;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "accounts",
    prefix: "SVA",
    title: "The service accounts of a Profile may what their roles say",
    images: &[images::PROBE, images::PROFILES],
    topics: &[kubernetes::CHECKS, pipelines::CHECKS],
};

pub(crate) const SECURITY: &[Profile] = &[Profile::Tenancy, Profile::Security];
/// The account of notebooks and pipelines.
pub(crate) const EDITOR: &str = "default-editor";
/// The account of what shall only look.
pub(crate) const VIEWER: &str = "default-viewer";
/// The account of pods that name none.
pub(crate) const NOBODY: &str = "default";
