//! Which checks are a shard's: each check is one shard's own, and brings what it builds on along; a check that is divided
//! by what it looks at is every shard's.

use std::collections::{BTreeMap, BTreeSet};

use reports::model::Shard;

use crate::check::{Check, Suite};
use crate::engine::Selection;

/// The part of a selection that is a shard's.
pub(super) fn part_of(selection: &Selection, suites: &[&'static Suite], shard: &Shard) -> Selection {
    let chosen: BTreeMap<&str, &Check> = selection.chosen().map(|(_, check)| (check.id, check)).collect();
    let in_order = selection.chosen().map(|(_, check)| check).filter(|check| !check.divided);
    let own = in_order.enumerate().filter(|(at, _)| at % shard.count.max(1) as usize == shard.index as usize);
    let mut wanted: Vec<&str> = own.map(|(_, check)| check.id).collect();
    wanted.extend(chosen.values().filter(|check| check.divided).map(|check| check.id));
    let mut part: BTreeSet<&str> = BTreeSet::new();
    while let Some(id) = wanted.pop() {
        if let Some(check) = chosen.get(id)
            && part.insert(id)
        {
            wanted.extend(check.after);
        }
    }
    Selection::of(suites, |_, check| part.contains(check.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{check, source};
    use crate::{Level, Profile};

    fn suite() -> &'static [&'static Suite] {
        let made = |id| check(id, "It works", Level::Must, source("t", "t"), |_| Box::pin(async { Ok(()) }));
        let checks: Vec<Check> = vec![
            made("TST-001"),
            made("TST-002").after(&["TST-001"]),
            made("TST-003").profiles(&[Profile::Katib]),
            made("TST-004").after(&["TST-002"]),
            made("TST-005").divided(),
        ];
        let topics: &'static [&'static [Check]] = Box::leak(Box::new([&*checks.leak()]));
        let suite = Suite { name: "tests", prefix: "TST", title: "tests", images: &[], topics };
        Box::leak(Box::new([&*Box::leak(Box::new(suite))]))
    }

    fn ids(index: u32, count: u32, all: &Selection) -> Vec<&'static str> {
        let shard = Shard { of: String::from("x"), index, count };
        part_of(all, all.suites(), &shard).chosen().map(|(_, check)| check.id).collect()
    }

    #[test]
    fn every_check_is_one_shards_own_and_brings_what_it_builds_on() {
        let all = Selection::all(suite());
        assert_eq!(ids(0, 2, &all), ["TST-001", "TST-003", "TST-005"]);
        assert_eq!(ids(1, 2, &all), ["TST-001", "TST-002", "TST-004", "TST-005"]);
        assert_eq!(ids(0, 1, &all).len(), 5);
        let together: BTreeSet<&str> = (0..9).flat_map(|index| ids(index, 9, &all)).collect();
        assert_eq!(together.len(), 5, "more shards than checks");
    }

    #[test]
    fn what_was_not_asked_for_is_no_shards() {
        let some = Selection::of(suite(), |_, check| check.id != "TST-001");
        assert_eq!(ids(1, 2, &some), ["TST-003", "TST-005"]);
        assert_eq!(ids(0, 2, &some), ["TST-002", "TST-004", "TST-005"]);
    }
}
