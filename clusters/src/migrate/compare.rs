//! What is there afterwards: each thing that a snapshot lists, found again or not.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::snapshot::{Item, Snapshot};

/// What became of the things of one sort.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Items {
    /// How many are as they were.
    pub kept: usize,
    /// Those that have changed: id and name.
    pub changed: Vec<String>,
    /// Those that are gone.
    pub gone: Vec<String>,
    /// Those that were not there before.
    pub new: Vec<String>,
}

/// What became of everything.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// When the first snapshot was taken, of what.
    pub before: String,
    /// When the second was taken, of what.
    pub after: String,
    /// By what they are.
    pub items: BTreeMap<String, Items>,
    /// Objects of each bucket before and after.
    pub buckets: BTreeMap<String, (u64, u64)>,
    /// What could not be told, before or after.
    pub unknown: Vec<String>,
}

impl Comparison {
    /// Compares two snapshots.
    #[must_use]
    pub fn of(before: &Snapshot, after: &Snapshot) -> Self {
        let titles = before.items.keys().chain(after.items.keys());
        let none = Vec::new();
        let items = titles.map(|title| {
            let (old, new) = (before.items.get(title).unwrap_or(&none), after.items.get(title).unwrap_or(&none));
            (title.clone(), compare(old, new))
        });
        let mut buckets: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        before.data.buckets.iter().for_each(|one| buckets.entry(one.name.clone()).or_default().0 += one.objects);
        after.data.buckets.iter().for_each(|one| buckets.entry(one.name.clone()).or_default().1 += one.objects);
        let said = |of: &Snapshot| format!("{} at {}", of.cluster, of.taken);
        Self {
            before: said(before),
            after: said(after),
            items: items.collect(),
            buckets,
            unknown: before.data.unknown.iter().chain(&after.data.unknown).cloned().collect(),
        }
    }

    /// Whether everything of before is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.items.values().all(|items| items.gone.is_empty() && items.changed.is_empty())
    }

    /// The account for a person.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = format!("before  {}\nafter   {}\n", self.before, self.after);
        for (title, Items { kept, changed, gone, new }) in &self.items {
            _ = writeln!(
                table,
                "  {title:<18} {kept} kept, {} changed, {} gone, {} new",
                changed.len(),
                gone.len(),
                new.len()
            );
            for (what, names) in [("changed", changed), ("gone", gone), ("new", new)] {
                names.iter().for_each(|name| _ = writeln!(table, "    {what:<8} {name}"));
            }
        }
        for (name, (before, after)) in &self.buckets {
            _ = writeln!(table, "  bucket {name:<11} {before} objects before, {after} after");
        }
        self.unknown.iter().for_each(|one| _ = writeln!(table, "  unknown: {one}"));
        table
    }
}

fn compare(old: &[Item], new: &[Item]) -> Items {
    let by_id = |items: &[Item]| items.iter().map(|item| (item.id.clone(), item.clone())).collect::<BTreeMap<_, _>>();
    let (before, after) = (by_id(old), by_id(new));
    let named = |item: &Item| match item.namespace.as_str() {
        "" => format!("{} ({})", item.name, item.id),
        namespace => format!("{namespace}/{} ({})", item.name, item.id),
    };
    let mut items = Items::default();
    for (id, item) in &before {
        match after.get(id) {
            Some(same) if same.digest == item.digest => items.kept += 1,
            Some(_) => items.changed.push(named(item)),
            None => items.gone.push(named(item)),
        }
    }
    items.new = after.iter().filter(|(id, _)| !before.contains_key(*id)).map(|(_, item)| named(item)).collect();
    items
}
