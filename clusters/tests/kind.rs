//! The kind provider: against programs that play `kind` and a container runtime on any machine, and for real where a
//! node image is at hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects")]
#![cfg(feature = "embedded")]

#[path = "kind/fakes.rs"]
mod fakes;
#[path = "kind/life.rs"]
mod life;
#[path = "kind/preflight.rs"]
mod preflight;
#[path = "kind/real.rs"]
mod real;
