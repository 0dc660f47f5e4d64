//! Where a platform comes from: the providers, the installer, and the catalogue of what differs by version.

#[cfg(feature = "embedded")]
pub mod embedded_provider;
pub mod existing;
pub mod install;
pub mod manifests;
pub mod target;
pub mod versions;

pub use target::{Mode, ProvideError, Provided, Provider, Target};
