//! What the suites of the workspaces (notebooks, volumes, tensorboards) share: a place of the run's own to work in, and the
//! web applications as a user's browser uses them.

pub mod client;
pub mod opening;
pub mod place;
pub mod programs;
