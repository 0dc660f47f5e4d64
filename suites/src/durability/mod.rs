//! What the stores keep: one part after the other begins anew, and everything that was acknowledged is there again.
//!
//! Pods of the platform are deleted, so these checks are for targets that may be broken: the embedded platform and clusters
//! that this program made. A check of another part is a row with its own [`Part`](restart::Part).

pub mod restart;
pub mod rows;

use clusters::Mode;
use harness::{Checked, Ctx, Stop, Suite};
use reports::model::Skip;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "durability",
    prefix: "DUR",
    title: "What the platform has acknowledged outlives its pods",
    topics: &[rows::CHECKS],
};

/// Leaves somebody's cluster alone.
pub fn may_break(cx: &Ctx) -> Checked {
    if cx.target().mode == Mode::Existing {
        let capability = "deleting pods of the platform: only on a cluster that this program made".to_owned();
        return Err(Stop::Skipped(Skip::NoCapability { capability }));
    }
    Ok(())
}
