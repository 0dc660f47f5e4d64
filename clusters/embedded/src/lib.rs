//! The embedded reference platform: a small Kubeflow Platform in one process, on real sockets.
//!
//! Three parts share one [`store::Store`] of Kubernetes objects, and everything the platform does follows from them:
//! the Kubernetes API ([`api`], with [`access`] deciding who may do what and [`controllers`] moving objects along),
//! the ingress [`gateway`] with the [`mesh`] behind it, and the [`actors`] that play the platform's applications for as
//! long as a ready pod runs their image. It knows the platform's contract independently of the suites, which reach it
//! over sockets only. `docs/embedded.md` lists what it does not do.

pub mod access;
pub mod actors;
pub mod api;
pub mod blueprint;
pub mod controllers;
pub mod gateway;
pub mod kubelet;
pub mod mesh;
pub mod object;
pub mod platform;
pub mod recorded;
pub mod store;
pub mod switches;
mod unread;

pub use platform::{Options, Platform, Release, Start, StartError};
