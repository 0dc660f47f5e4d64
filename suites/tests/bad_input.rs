//! What the program does with input that is wrong, missing, hostile or late: one clear sentence with the next step, the
//! documented exit code, the reports of what was known, no panic, no secret. The real program is run each time.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects")]
#![cfg(feature = "embedded")]

#[path = "bad_input/command_line.rs"]
mod command_line;
#[path = "bad_input/experiments.rs"]
mod experiments;
#[path = "bad_input/gateways.rs"]
mod gateways;
#[path = "bad_input/kind.rs"]
mod kind;
#[path = "bad_input/kubeconfigs.rs"]
mod kubeconfigs;
#[path = "bad_input/manifests.rs"]
mod manifests;
#[path = "bad_input/notebooks.rs"]
mod notebooks;
#[path = "bad_input/outputs.rs"]
mod outputs;
#[path = "bad_input/own_platform.rs"]
mod own_platform;
#[path = "bad_input/pipelines.rs"]
mod pipelines;
#[path = "bad_input/platform.rs"]
mod platform;
#[path = "bad_input/probes.rs"]
mod probes;
#[path = "bad_input/program.rs"]
mod program;
#[path = "bad_input/stores.rs"]
mod stores;
#[path = "bad_input/tenancy.rs"]
mod tenancy;
#[path = "bad_input/wire.rs"]
mod wire;
