//! What a node does for a pod: its environment and files, its logs, commands and streams.

pub mod environment;
pub mod streams;
