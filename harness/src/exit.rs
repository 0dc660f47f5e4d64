//! Exit codes: what a release gate reads. cargo hands them through (except with `--no-fail-fast`, which makes every
//! failure 101).

use reports::model::{Outcome, Results, Skip};
use reports::verdict::{Verdict, judge};

/// Every Must of the selection passed. Of a shard: every Must of its part passed; the verdict is that of all, joined.
pub const CONFORMANT: u8 = 0;
/// A Must failed; libtest's own code for a failed test.
pub const NON_CONFORMANT: u8 = 101;
/// The command line cannot be understood; clap's own code.
pub const USAGE: u8 = 2;
/// There is no platform to judge, or the program itself failed: a kubeconfig, a gateway, an installation, a disk.
pub const ENVIRONMENT: u8 = 3;
/// The selection is empty: never green.
pub const NOTHING_SELECTED: u8 = 4;
/// A Must was skipped although it applies.
pub const PARTIAL: u8 = 5;
/// A Must errored, or none ran: nothing can be said.
pub const INCONCLUSIVE: u8 = 6;
/// SIGINT or SIGTERM ended the run; the shell's own code for SIGINT.
pub const INTERRUPTED: u8 = 130;

/// The exit code of a finished run.
#[must_use]
pub fn code(results: &Results) -> u8 {
    if results.run.interrupted {
        return INTERRUPTED;
    }
    if results.checks.iter().all(|check| check.outcome == Outcome::Skipped(Skip::NotSelected)) {
        return NOTHING_SELECTED;
    }
    if is_sound_part(results) {
        return CONFORMANT;
    }
    match judge(results) {
        Verdict::Conformant => CONFORMANT,
        Verdict::NonConformant => NON_CONFORMANT,
        Verdict::Partial => PARTIAL,
        Verdict::Inconclusive => INCONCLUSIVE,
    }
}

/// Whether a run is a shard against which nothing speaks but that it is one: all are joined before anything is said of the
/// platform, and a Job of shards is done when each has ended so.
fn is_sound_part(results: &Results) -> bool {
    let mut whole = results.clone();
    whole.run.shard = None;
    results.run.shard.is_some() && judge(&whole) == Verdict::Conformant
}
