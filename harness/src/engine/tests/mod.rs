//! The engine with made-up checks: no platform, no command line, and time that stands still unless all wait.

mod blocking;
mod ends;
mod order;

use std::time::Duration;

use clusters::{Mode, Target};
use reports::model::{Check as Entry, Level, Outcome, Results, Skip};

use super::{Environment, Selection, run};
use crate::check::{Check, Isolation, Run, Seconds, Source, Suite, check};
use crate::context::User;
use crate::stop::{Checked, Stop};

/// Where the made-up requirements come from.
const NOWHERE: Source = Source { document: "tests", place: "here" };

/// A check that is made up.
fn made_up(id: &'static str, run: Run) -> Check {
    check(id, "It works", Level::Must, NOWHERE, run).within(Seconds(10))
}

/// A suite for the rest of the process.
fn suite(name: &'static str, checks: Vec<Check>) -> &'static Suite {
    let topic: &'static [Check] = checks.leak();
    let topics: &'static [&'static [Check]] = vec![topic].leak();
    Box::leak(Box::new(Suite { name, prefix: "TST", title: "made up", images: &[], topics }))
}

/// Takes that many milliseconds and passes.
macro_rules! takes {
    ($ms:expr) => {
        |_| {
            Box::pin(async {
                tokio::time::sleep(std::time::Duration::from_millis($ms)).await;
                Ok(())
            })
        }
    };
}
use takes;

fn fails(_: &crate::Ctx) -> futures::future::BoxFuture<'_, Checked> {
    Box::pin(async { Err(Stop::failed("white", "black")) })
}

fn errs(_: &crate::Ctx) -> futures::future::BoxFuture<'_, Checked> {
    Box::pin(async { Err(Stop::errored("transport", "no route")) })
}

fn is_absent(_: &crate::Ctx) -> futures::future::BoxFuture<'_, Checked> {
    Box::pin(async { Err(Stop::absent("Katib")) })
}

/// An environment whose API nobody listens at.
fn environment() -> Environment {
    crate::init();
    let nowhere = "http://127.0.0.1:1";
    let target = Target {
        mode: Mode::Simulated,
        provider: "embedded",
        name: "test".to_owned(),
        kube: kube::Config::new(nowhere.parse().unwrap()),
        gateway: None,
    };
    let user = User { email: "user@example.com".to_owned(), password: "12341234".to_owned() };
    let version = clusters::versions::named("1.9.1").unwrap();
    Environment { jobs: 4, housekeeping: false, ..Environment::new(target, nowhere.parse().unwrap(), version, user) }
}

async fn results_of(suites: &[&'static Suite], environment: Environment) -> Results {
    run(&Selection::all(suites), environment).unwrap().finish().await
}

fn entry<'a>(results: &'a Results, id: &str) -> &'a Entry {
    results.checks.iter().find(|check| check.id == id).unwrap()
}

fn outcome<'a>(results: &'a Results, id: &str) -> &'a Outcome {
    &entry(results, id).outcome
}

/// When a check ran, in milliseconds.
fn span(results: &Results, id: &str) -> (u64, u64) {
    let check = entry(results, id);
    (check.started_ms, check.started_ms + check.duration_ms)
}

fn overlap(results: &Results, one: &str, other: &str) -> bool {
    let ((a, b), (c, d)) = (span(results, one), span(results, other));
    a < d && c < b
}

fn blocked_by(id: &str) -> Outcome {
    Outcome::Skipped(Skip::BlockedBy { id: id.to_owned() })
}

fn isolated(id: &'static str, isolation: Isolation, run: Run) -> Check {
    made_up(id, run).isolation(isolation)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
