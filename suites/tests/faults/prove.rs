//! What is asked of a healthy platform, and of a broken one.

use std::time::Duration;

use clusters::versions::Version;
use harness::{Check, Fault};
use reports::model::{Outcome, Skip};

use super::notice::{names, notice, said};
use super::platform::Platform;
use super::table::Row;

/// A change takes a moment to reach the proxies, of a real platform as of this one: a check that does not
/// notice it is tried again for so long before it counts as a miss.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);

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
        noticed.push((check.id, notice(&platform, check, fault, NOTICED_WITHIN).await?));
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
