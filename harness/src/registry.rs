//! What must hold of the registry of checks, whoever adds to it.

use std::collections::{BTreeMap, BTreeSet};

use reports::model::Level;

use crate::check::{Check, Suite};

/// Everything that is wrong with the registry, one sentence each; empty if it is sound.
#[must_use]
pub fn problems(suites: &[&Suite]) -> Vec<String> {
    let mut found = Vec::new();
    let mut ids = BTreeSet::new();
    let mut prefixes = BTreeSet::new();
    for suite in suites {
        if !prefixes.insert(suite.prefix) {
            found.push(format!("suite {}: another suite has the prefix {}, too", suite.name, suite.prefix));
        }
        for check in suite.checks() {
            if !ids.insert(check.id) {
                found.push(format!("{}: the id is used twice", check.id));
            }
            found.extend(problems_of(suite, check).into_iter().map(|problem| format!("{}: {problem}", check.id)));
        }
    }
    for check in suites.iter().flat_map(|suite| suite.checks()) {
        for id in check.after.iter().filter(|id| !ids.contains(*id)) {
            found.push(format!("{}: it comes after {id}, which does not exist", check.id));
        }
    }
    found.extend(cycle(suites).map(|ids| format!("{}: these checks wait for one another", ids.join(" -> "))));
    found
}

fn problems_of(suite: &Suite, check: &Check) -> Vec<String> {
    let mut found = Vec::new();
    if !well_formed(check.id) {
        found.push("the id is not two to eight capitals, a hyphen and three digits".to_owned());
    } else if check.id.split('-').next() != Some(suite.prefix) {
        found.push(format!("the id does not have the prefix {} of the suite {}", suite.prefix, suite.name));
    }
    if check.title.trim().is_empty() || check.title.ends_with('.') || check.title.trim() != check.title {
        found.push("the title is empty, padded or ends with a period".to_owned());
    }
    if check.source.document.trim().is_empty() || check.source.place.trim().is_empty() {
        found.push("the source is empty".to_owned());
    }
    let explain = &check.explain;
    let parts = [("what", explain.what), ("why", explain.why), ("fix", explain.fix), ("reproduce", explain.reproduce)];
    for (part, _) in parts.iter().filter(|(_, text)| text.trim().is_empty()) {
        found.push(format!("the explanation lacks `{part}`"));
    }
    if check.level == Level::Must && check.breaks_on.is_empty() {
        found.push("it is a Must, but no fault is named that it must notice".to_owned());
    }
    if check.profiles.is_empty() {
        found.push("it belongs to no profile".to_owned());
    }
    if check.within.is_zero() {
        found.push("it has no time to run in".to_owned());
    }
    found
}

/// Whether an id has the form `^[A-Z]{2,8}-\d{3}$`.
fn well_formed(id: &str) -> bool {
    id.split_once('-').is_some_and(|(prefix, number)| {
        (2..=8).contains(&prefix.len())
            && prefix.bytes().all(|byte| byte.is_ascii_uppercase())
            && number.len() == 3
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// A circle of checks that wait for one another, if there is one.
#[must_use]
pub fn cycle(suites: &[&Suite]) -> Option<Vec<&'static str>> {
    let mut waiting: BTreeMap<&str, &[&str]> =
        suites.iter().flat_map(|suite| suite.checks()).map(|check| (check.id, check.after)).collect();
    // What waits for nothing that is left is taken away until nothing changes; what stays waits for a circle.
    loop {
        let free: Vec<&str> = waiting
            .iter()
            .filter(|(_, after)| after.iter().all(|id| !waiting.contains_key(id)))
            .map(|(id, _)| *id)
            .collect();
        if free.is_empty() {
            break;
        }
        waiting.retain(|id, _| !free.contains(id));
    }
    let mut path: Vec<&'static str> = Vec::new();
    let mut at = *waiting.keys().next()?;
    loop {
        let known = suites.iter().flat_map(|suite| suite.checks()).find(|check| check.id == at)?;
        if let Some(start) = path.iter().position(|id| *id == known.id) {
            path.push(known.id);
            return Some(path.split_off(start));
        }
        path.push(known.id);
        at = known.after.iter().find(|id| waiting.contains_key(*id))?;
    }
}
