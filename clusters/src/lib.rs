//! Where a platform comes from: the providers, the installer, and the catalogue of what differs by version.

#[cfg(feature = "embedded")]
pub mod embedded_provider;
pub mod existing;
pub mod install;
pub mod kind;
pub mod kubeconfig;
pub mod manifests;
pub mod migrate;
mod program;
mod reach;
pub mod target;
pub mod versions;

#[cfg(feature = "embedded")]
pub use embedded_provider::{Embedded, Holds};
pub use existing::Existing;
pub use kind::Kind;
pub use target::{Mode, ProvideError, Provided, Provider, Target};
