//! What is asked of a healthy platform, and of a broken one.

use std::time::Duration;

use clusters::versions::Version;
use harness::{Change, Check, Fault};
use reports::model::{Failure, Outcome, Skip};
use serde_json::Value;

use super::platform::Platform;
use super::table::{Notice, Row};

/// A change takes a moment to reach the proxies, of a real platform as of this one: a check that does not
/// notice it is tried again for so long before it counts as a miss.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// All checks pass on a healthy platform, or find that what they are about is not there.
pub async fn healthy(version: &'static Version) -> Result<(), String> {
    let platform = Platform::start(version).await?;
    let failed: Vec<String> = platform
        .run(|_| true)
        .await?
        .into_iter()
        .filter(|check| {
            let absent = matches!(check.outcome, Outcome::Skipped(Skip::VersionOutside { .. }));
            !absent && check.outcome != Outcome::Passed
        })
        .map(|check| format!("{}: {}", check.id, said(&check.outcome)))
        .collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// Applies a fault and looks who notices it.
pub async fn fault(fault: &'static Fault, version: &'static Version) -> Result<Row, String> {
    let platform = Platform::start(version).await?;
    let _applied = fault.apply(&platform.kubernetes, platform.mode()).await.map_err(|error| error.to_string())?;
    platform.come_to_rest().await?;

    let mut noticed = Vec::new();
    let named: Vec<&Check> = super::checks(version).filter(|check| names(check, fault)).collect();
    for check in &named {
        noticed.push((check.id, notice(&platform, check, fault).await?));
    }
    // One run of everything else, for what fails besides: prerequisites hold, so it names root causes only.
    let wide = std::env::var_os("CONFORMANCE_COLLATERAL").is_some();
    let collateral = platform
        .run(|_| wide)
        .await?
        .into_iter()
        .filter(|check| named.iter().all(|one| one.id != check.id))
        .filter(|check| matches!(check.outcome, Outcome::Failed(_) | Outcome::Errored(_)))
        .map(|check| (check.id, said(&check.outcome)))
        .collect();
    Ok(Row { fault: fault.name, what: fault.what, release: version.kubeflow, noticed, collateral })
}

fn names(check: &Check, fault: &Fault) -> bool {
    check.breaks_on.iter().any(|one| one.name == fault.name)
}

/// Runs one check alone, so that no prerequisite speaks for it.
async fn notice(platform: &Platform, check: &Check, fault: &Fault) -> Result<Notice, String> {
    let give_up = tokio::time::Instant::now() + NOTICED_WITHIN;
    loop {
        let results = platform.run(|one| one.id == check.id).await?;
        let notice = match results.first().map(|result| &result.outcome) {
            Some(outcome @ Outcome::Failed(failure)) if shows(fault, failure) => Notice::Killed(said(outcome)),
            Some(outcome @ Outcome::Failed(_)) => Notice::Unexplained(said(outcome)),
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
fn said(outcome: &Outcome) -> String {
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
