//! Serves the set-ups of the recordings for an independent prober, and prints its description of them (TOML):
//!
//! `cargo run -p embedded --example recorded_listeners -- v1.10.2 KEYS > target.toml`, where `KEYS` is the folder of the
//! prober's test keys. Ends with Ctrl-C.
#![allow(clippy::print_stdout, reason = "its output")]

#[path = "../tests/replay/prober/listeners.rs"]
mod listeners;

use std::path::PathBuf;

use embedded::Release;

#[tokio::main]
async fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let (Some(release), Some(keys)) = (arguments.next(), arguments.next().map(PathBuf::from)) else {
        return Err("usage: recorded_listeners v1.9.1|v1.10.2 KEYS".to_owned());
    };
    let release = match release.as_str() {
        "v1.9.1" => Release::V1_9_1,
        "v1.10.2" => Release::V1_10_2,
        other => return Err(format!("no recordings by the prober of {other}; there are v1.9.1 and v1.10.2")),
    };
    let keys = keys.canonicalize().map_err(|error| format!("{}: {error}", keys.display()))?;
    let running = listeners::Listeners::start(release, &keys).await?;
    println!("{}", running.description(&keys));
    tokio::signal::ctrl_c().await.map_err(|error| error.to_string())
}
