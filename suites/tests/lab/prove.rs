//! What is asked of the lab's platform: while it is healthy, broken, and repaired.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::fault::FaultError;
use harness::{Check, Fault};
use reports::model::{self, Outcome, Skip};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::notice::{names, notice, said};
use super::platform::Platform;
use super::selection::{all, checks};
use super::table::{Notice, Row};

/// A change takes a moment to reach the proxies, and keys of token issuers are fetched anew once a minute.
const NOTICED_WITHIN: Duration = Duration::from_secs(60);
const OTHERS_WITHIN: Duration = Duration::from_secs(15);
const HEALED_WITHIN: Duration = Duration::from_secs(150);
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub struct Lab {
    pub platform: Platform,
    interrupt: CancellationToken,
    /// A fault could not be taken back: nothing that comes after it can be believed.
    broken: AtomicBool,
}

impl Lab {
    pub fn new(platform: Platform, interrupt: CancellationToken) -> Self {
        Self { platform, interrupt, broken: AtomicBool::new(false) }
    }

    /// Every check of every suite passes, or finds that what it is about is not there.
    pub async fn healthy(&self) -> Result<(), String> {
        self.can_go_on()?;
        let give_up = Instant::now() + HEALED_WITHIN;
        loop {
            let asked = |check: &Check| all(self.platform.version).any(|(_, one)| one.id == check.id);
            let alarms = alarms(&self.platform.run(asked).await?);
            if alarms.is_empty() {
                return Ok(());
            }
            if Instant::now() >= give_up || self.interrupt.is_cancelled() {
                let lines: Vec<String> = alarms.into_iter().map(|(id, said)| format!("{id}: {said}")).collect();
                return Err(lines.join("\n"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Applies a fault, looks who notices it, takes it back however that ended, and waits until it shows no more.
    /// Nothing if what it breaks is not here.
    pub async fn prove(&self, fault: &'static Fault) -> Result<Option<Row>, String> {
        self.can_go_on()?;
        let platform = &self.platform;
        let applied = match fault.apply(&platform.kubernetes, platform.mode()).await {
            Ok(applied) => applied,
            Err(FaultError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let noticed = self.interrupt.run_until_cancelled(self.noticed(fault)).await;
        let undone = applied.undo().await.map_err(|error| error.to_string());
        let healed = match undone {
            Ok(()) => self.healed(fault).await,
            Err(error) => Err(error),
        };
        if let Err(reason) = healed {
            self.broken.store(true, Ordering::Relaxed);
            return Err(format!("{} could not be taken back: {reason}", fault.name));
        }
        let noticed = noticed.unwrap_or_else(|| Err("interrupted; the fault is taken back".to_owned()))?;
        let release = platform.version.kubeflow;
        Ok(Some(Row { fault: fault.name, what: fault.what, release, noticed, collateral: Vec::new() }))
    }

    /// Asks the checks that name a fault in turns, each alone, until all have noticed it or the time is up. What a check
    /// is about may not be here; but one check at least has to notice.
    async fn noticed(&self, fault: &'static Fault) -> Result<Vec<(&'static str, Notice)>, String> {
        self.platform.come_to_rest().await?;
        let mut give_up = Instant::now() + NOTICED_WITHIN;
        let mut noticed = BTreeMap::new();
        loop {
            for check in checks(self.platform.version).filter(|check| names(check, fault)) {
                if noticed.get(check.id).is_some_and(Notice::is_kill) {
                    continue;
                }
                let notice = notice(&self.platform, check, fault, Duration::ZERO).await?;
                if notice.is_kill() {
                    // What one has seen has reached the proxies.
                    give_up = give_up.min(Instant::now() + OTHERS_WITHIN);
                }
                noticed.insert(check.id, notice);
            }
            if noticed.values().all(Notice::is_kill) || Instant::now() >= give_up {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        noticed.retain(|_, notice| !matches!(notice, Notice::Absent(_)));
        if noticed.is_empty() {
            Err("no check found here what it is about".to_owned())
        } else {
            Ok(noticed.into_iter().collect())
        }
    }

    /// The checks that name a fault do not fail any more.
    async fn healed(&self, fault: &'static Fault) -> Result<(), String> {
        self.platform.come_to_rest().await?;
        let give_up = Instant::now() + HEALED_WITHIN;
        loop {
            let alarms = alarms(&self.platform.run(|check| names(check, fault)).await?);
            if alarms.is_empty() {
                return Ok(());
            }
            if Instant::now() >= give_up || self.interrupt.is_cancelled() {
                return Err(format!("{alarms:?}"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn can_go_on(&self) -> Result<(), String> {
        if self.interrupt.is_cancelled() {
            return Err("interrupted".to_owned());
        }
        if self.broken.load(Ordering::Relaxed) {
            return Err("an earlier fault could not be taken back".to_owned());
        }
        Ok(())
    }
}

/// The checks that neither pass nor find their subject absent, and what they say. A check whose prerequisite was not
/// selected runs all the same.
fn alarms(results: &[model::Check]) -> BTreeMap<String, String> {
    let quiet = |check: &&model::Check| {
        !matches!(
            check.outcome,
            Outcome::Passed | Outcome::Skipped(Skip::FeatureAbsent { .. } | Skip::VersionOutside { .. })
        )
    };
    results.iter().filter(quiet).map(|check| (check.id.clone(), said(&check.outcome))).collect()
}
