//! The shards of one run, joined to one verdict.
//!
//! What is not sure is not passed: of what several shards say of a check, a failure counts most, then "could not tell",
//! then a skip, then a pass. Shards that do not belong together are refused.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::matrix::Matrix;
use crate::model::{Check, Outcome, Results, Shard, Skip};

/// Why shards cannot be joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There is nothing to join.
    #[error("there are no shards to join; give the folders of all shards of a run")]
    Nothing,
    /// A run that is whole.
    #[error("{name} is a whole run, no shard of one; give the folders of the shards alone")]
    Whole {
        /// Where it was read.
        name: String,
    },
    /// Two shards differ in what all must share.
    #[error("{name} does not belong to {first}: {what} is {is:?}, not {was:?}; give the shards of one run alone")]
    Stranger {
        /// Where it was read.
        name: String,
        /// Where the first shard was read.
        first: String,
        /// What differs.
        what: &'static str,
        /// As the first shard has it.
        was: String,
        /// As this one has it.
        is: String,
    },
    /// A shard that is there twice.
    #[error("shard {shard} is there twice: {first} and {second}; give each once, the newest if one was repeated")]
    Twice {
        /// Which.
        shard: String,
        /// Where it was read first.
        first: String,
        /// And where again.
        second: String,
    },
    /// A shard that cannot be: its record was changed.
    #[error("{name} says that it is shard {shard}; shards are counted from 0, so its record was changed")]
    Beyond {
        /// Where it was read.
        name: String,
        /// What it says.
        shard: String,
    },
    /// Shards that are not there.
    #[error("of {count} shards these are missing: {missing}; without them there is no verdict")]
    Missing {
        /// How many there must be.
        count: u32,
        /// Which are not there.
        missing: String,
    },
}

/// Joins the shards of one run, each with the name that errors call it by.
///
/// # Errors
/// [`MergeError`].
pub fn merge(shards: &[(String, Results)]) -> Result<Results, MergeError> {
    let mut known: BTreeMap<u32, (&str, &Results)> = BTreeMap::new();
    let mut first: Option<(&str, &Results, &Shard)> = None;
    for (name, results) in shards {
        let Some(shard) = &results.run.shard else { return Err(MergeError::Whole { name: name.clone() }) };
        let (first_name, first_results, first_shard) = *first.get_or_insert((name, results, shard));
        let one = (first_results, first_shard);
        if let Some((what, was, is)) = difference(one, (results, shard)) {
            return Err(MergeError::Stranger { name: name.clone(), first: first_name.to_owned(), what, was, is });
        }
        if shard.index >= shard.count {
            return Err(MergeError::Beyond { name: name.clone(), shard: shard.to_string() });
        }
        if let Some((first, _)) = known.insert(shard.index, (name, results)) {
            let (first, second) = (first.to_owned(), name.clone());
            return Err(MergeError::Twice { shard: shard.to_string(), first, second });
        }
    }
    let Some((_, first, shard)) = first else { return Err(MergeError::Nothing) };
    let missing: Vec<String> =
        (0..shard.count).filter(|index| !known.contains_key(index)).map(|index| index.to_string()).collect();
    if !missing.is_empty() {
        return Err(MergeError::Missing { count: shard.count, missing: missing.join(", ") });
    }
    let runs: Vec<&Results> = known.values().map(|(_, results)| *results).collect();
    Ok(joined(first, shard, &runs))
}

/// What shards of one run share, and where two of them differ.
fn difference(one: (&Results, &Shard), other: (&Results, &Shard)) -> Option<(&'static str, String, String)> {
    let shared = |(results, shard): (&Results, &Shard)| {
        let target = &results.target;
        let ids: Vec<&str> = results.checks.iter().map(|check| check.id.as_str()).collect();
        let digest = format!("{:x}", Sha256::digest(ids.join(" ")));
        [
            ("the run", shard.of.clone()),
            ("the number of shards", shard.count.to_string()),
            ("this program's version", results.run.tool_version.clone()),
            ("the kind of target", format!("{:?} {}", target.mode, target.provider)),
            ("the target", target.name.clone()),
            ("Kubernetes", target.kubernetes_version.clone().unwrap_or_default()),
            ("the Kubeflow release", format!("{}, contract {}", target.kubeflow_version, target.contract)),
            ("what was installed", target.manifests.as_ref().map(|one| one.sha256.clone()).unwrap_or_default()),
            ("the profiles", results.run.profiles.join(", ")),
            ("the catalogue", format!("{} checks, {}", ids.len(), &digest[..12])),
        ]
    };
    let differs = shared(one).into_iter().zip(shared(other)).find(|((_, was), (_, is))| was != is);
    differs.map(|((what, was), (_, is))| (what, was, is))
}

fn joined(first: &Results, shard: &Shard, runs: &[&Results]) -> Results {
    let mut whole = first.clone();
    whole.run.id.clone_from(&shard.of);
    whole.run.shard = None;
    whole.run.joined = runs.iter().map(|results| results.run.id.clone()).collect();
    for results in runs {
        let run = &results.run;
        if run.started < whole.run.started {
            whole.run.started.clone_from(&run.started);
        }
        // Shards run beside one another: the slowest is the time that it took.
        whole.run.duration_ms = whole.run.duration_ms.max(run.duration_ms);
        whole.run.checks_ms = whole.run.checks_ms.max(run.checks_ms);
        whole.run.critical_path_ms = whole.run.critical_path_ms.max(run.critical_path_ms);
        whole.run.interrupted |= run.interrupted;
        whole.run.recovered |= run.recovered;
        let news = results.notes.iter().filter(|note| !whole.notes.contains(note)).cloned().collect::<Vec<_>>();
        whole.notes.extend(news);
    }
    for (at, check) in whole.checks.iter_mut().enumerate() {
        let seen: Vec<&Check> = runs.iter().filter_map(|results| results.checks.get(at)).collect();
        *check = together(&seen, check);
    }
    whole
}

/// What several shards say of one check.
fn together(seen: &[&Check], fallback: &Check) -> Check {
    let ran = seen.iter().copied().filter(|check| check.outcome != Outcome::Skipped(Skip::NotSelected));
    let ran: Vec<&Check> = ran.collect();
    let Some(worst) = ran.iter().copied().max_by_key(|check| weight(&check.outcome)) else { return fallback.clone() };
    let mut check = worst.clone();
    for other in ran.iter().filter(|other| !std::ptr::eq(**other, worst)) {
        check.duration_ms = check.duration_ms.max(other.duration_ms);
        let news: Vec<_> = other.findings.iter().filter(|finding| !check.findings.contains(finding)).cloned().collect();
        check.findings.extend(news);
        check.leaked.extend(other.leaked.iter().cloned());
        check.evidence.extend(other.evidence.iter().cloned());
    }
    check.matrices = beside(ran.iter().flat_map(|check| &check.matrices));
    check
}

/// How much an outcome weighs against another shard's.
fn weight(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Passed => 0,
        Outcome::Skipped(_) => 1,
        Outcome::Errored(_) => 2,
        Outcome::Failed(_) => 3,
    }
}

/// Matrices of the same people that tried the same, put beside one another: each shard has some of the places.
fn beside<'a>(matrices: impl Iterator<Item = &'a Matrix>) -> Vec<Matrix> {
    let mut whole: Vec<Matrix> = Vec::new();
    for matrix in matrices {
        if whole.contains(matrix) {
            continue;
        }
        let whats = |matrix: &Matrix| matrix.layers.iter().map(|layer| layer.what.clone()).collect::<Vec<_>>();
        let same = |one: &&mut Matrix| {
            one.title == matrix.title
                && one.who == matrix.who
                && one.places != matrix.places
                && whats(one) == whats(matrix)
        };
        match whole.iter_mut().find(same) {
            Some(one) => {
                one.places.extend(matrix.places.iter().cloned());
                for (layer, more) in one.layers.iter_mut().zip(&matrix.layers) {
                    for (row, more) in layer.rows.iter_mut().zip(&more.rows) {
                        row.push_str(more);
                    }
                }
            }
            None => whole.push(matrix.clone()),
        }
    }
    whole
}
