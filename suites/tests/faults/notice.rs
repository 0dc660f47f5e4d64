//! Whether a check notices a fault, and says what is broken.

use std::time::Duration;

use harness::{Change, Check, Fault};
use reports::model::{Failure, Outcome, Skip};
use serde_json::Value;

use super::platform::Platform;
use super::table::Notice;

const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Whether a check names a fault.
pub fn names(check: &Check, fault: &Fault) -> bool {
    check.breaks_on.iter().any(|one| one.name == fault.name)
}

/// Runs one check alone, so that no prerequisite speaks for it.
/// A change takes a moment to reach the proxies: a check that does not notice it is tried again `within` that time before
/// it counts as a miss.
pub async fn notice(platform: &Platform, check: &Check, fault: &Fault, within: Duration) -> Result<Notice, String> {
    let give_up = tokio::time::Instant::now() + within;
    loop {
        let results = platform.run(|one| one.id == check.id).await?;
        let notice = match results.first().map(|result| &result.outcome) {
            Some(outcome @ Outcome::Failed(failure)) if shows(fault, failure) => Notice::Killed(said(outcome)),
            Some(outcome @ Outcome::Failed(_)) => Notice::Unexplained(said(outcome)),
            Some(outcome @ Outcome::Skipped(Skip::FeatureAbsent { .. })) => Notice::Absent(said(outcome)),
            Some(outcome) => Notice::Missed(said(outcome)),
            None => Notice::Missed("it did not run".to_owned()),
        };
        if matches!(notice, Notice::Killed(_)) || tokio::time::Instant::now() >= give_up {
            return Ok(notice);
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// Whether a failure leads a person to what is broken.
fn shows(fault: &Fault, failure: &Failure) -> bool {
    let parts = [Some(&failure.expected), Some(&failure.actual), failure.at.as_ref(), failure.cause.as_ref()];
    let text: String = parts.into_iter().flatten().map(|part| format!("{part}\n")).collect();
    if !fault.shows.is_empty() {
        return text.contains(fault.shows);
    }
    let mut names = fault.changes.iter().filter_map(changed).peekable();
    // A switch changes what no object controls: there is nothing to name.
    names.peek().is_none() || names.any(|name| text.contains(&name))
}

/// The name of the object that a change is about.
fn changed(change: &Change) -> Option<String> {
    match change {
        Change::Delete(object) | Change::Merge(object, _) | Change::Patch(object, _) => Some(object.name),
        Change::Replace { object, .. } => Some(object.name),
        Change::Create(text) => {
            let object: Value = serde_json::from_str(text).ok()?;
            return object.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
        }
        Change::Switch(_) => None,
    }
    .map(|name| name.trim_end_matches(['*', '-']).to_owned())
}

/// An outcome on one line.
pub fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Passed => "passed".to_owned(),
        Outcome::Failed(failure) => format!(
            "failed: expected {}, actual {}; cause: {}",
            failure.expected,
            failure.actual,
            failure.cause.as_deref().unwrap_or("not known")
        ),
        Outcome::Errored(problem) => format!("errored ({}): {}", problem.class, problem.message),
        Outcome::Skipped(skip) => format!("skipped: {skip:?}"),
    }
}
