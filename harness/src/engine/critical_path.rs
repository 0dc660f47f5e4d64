//! The critical path of a run: how fast an ideal scheduler without a limit could have been.
//!
//! A check's duration is counted from its start: the time in which it waits for its turn is no part of it, so that too few
//! jobs show. What it waits for once it has begun is part of it: Kubernetes, what another check makes for both, and a
//! processor that others keep busy.

use std::collections::{BTreeMap, HashMap};

use super::plan::Plan;
use crate::check::Isolation;

/// The shortest time in which checks with these durations can run at all, in milliseconds.
///
/// What must be alone takes its time from everybody. The rest takes at least as long as its longest chain, and as
/// long as all those checks of a suite that exclude one another.
pub(crate) fn critical_path_ms(plan: &Plan, durations: &HashMap<&str, u64>) -> u64 {
    let duration = |index: usize| durations.get(plan.steps[index].check.id).copied().unwrap_or(0);
    let steps = || 0..plan.steps.len();
    let class = |index: usize| plan.steps[index].check.isolation;

    let alone: u64 = steps().filter(|index| class(*index) >= Isolation::Exclusive).map(duration).sum();

    let mut suites: BTreeMap<&str, u64> = BTreeMap::new();
    for index in steps().filter(|index| class(*index) == Isolation::Suite) {
        *suites.entry(plan.steps[index].suite.name).or_default() += duration(index);
    }

    // A step's chain is shorter than that of each step it waits for, so this order has prerequisites first.
    let mut order: Vec<usize> = steps().collect();
    order.sort_by_key(|index| std::cmp::Reverse(plan.steps[*index].chain));
    let mut ends: HashMap<usize, u64> = HashMap::new();
    for index in order {
        let start = plan.steps[index].after.iter().filter_map(|before| ends.get(before)).max().copied().unwrap_or(0);
        let own = if class(index) >= Isolation::Exclusive { 0 } else { duration(index) };
        ends.insert(index, start + own);
    }

    let longest_chain = ends.values().max().copied().unwrap_or(0);
    let longest_suite = suites.values().max().copied().unwrap_or(0);
    alone + longest_chain.max(longest_suite)
}
