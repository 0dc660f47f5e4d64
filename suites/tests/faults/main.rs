//! Proof that every check can fail: each fault is applied to an embedded platform of each release that it fits, and
//! every check that names it must fail, saying why.
//!
//! `cargo test --test faults` also writes `target/conformance/faults.md` and `.json`: which check noticed what, which
//! missed what it should notice, and what else failed (collateral).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first surprise")]

mod notice;
mod platform;
mod prove;
mod table;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clusters::versions::{VERSIONS, Version};
use harness::{Check, Fault};
use libtest_mimic::{Arguments, Failed, Trial};
use suites::SUITES;
use tokio::runtime::Runtime;

use table::Row;

/// Platforms that are probed at the same time: most of their time they wait for one another's sockets.
const AT_ONCE: usize = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_ONCE));
    let runtime = Arc::new(Runtime::new().unwrap());
    let rows: Arc<Mutex<Vec<Row>>> = Arc::default();
    let trials = VERSIONS.iter().flat_map(|version| {
        let healthy = healthy(version, &runtime);
        std::iter::once(healthy).chain(faults(version).into_iter().map(|fault| trial(fault, version, &runtime, &rows)))
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    table::write("faults", std::mem::take(&mut *rows.lock().unwrap()));
    conclusion.exit_code()
}

fn healthy(version: &'static Version, runtime: &Arc<Runtime>) -> Trial {
    let runtime = Arc::clone(runtime);
    Trial::test(format!("healthy::{}", version.kubeflow), move || {
        runtime.block_on(prove::healthy(version)).map_err(Failed::from)
    })
}

fn trial(
    fault: &'static Fault,
    version: &'static Version,
    runtime: &Arc<Runtime>,
    rows: &Arc<Mutex<Vec<Row>>>,
) -> Trial {
    let (runtime, rows) = (Arc::clone(runtime), Arc::clone(rows));
    Trial::test(format!("{}::{}", fault.name, version.kubeflow), move || {
        let row = runtime.block_on(prove::fault(fault, version)).map_err(Failed::from)?;
        let verdict = row.verdict();
        rows.lock().unwrap().push(row);
        verdict.map_err(Failed::from)
    })
}

/// The checks that apply to a release.
fn checks(version: &Version) -> impl Iterator<Item = &'static Check> {
    let contract = version.contract;
    SUITES
        .iter()
        .flat_map(|suite| suite.checks())
        .filter(move |check| check.contracts.is_empty() || check.contracts.contains(&contract))
}

/// The faults that fit a release and that one of its checks must notice, by name.
fn faults(version: &Version) -> Vec<&'static Fault> {
    let mut faults: Vec<&'static Fault> = checks(version).flat_map(|check| check.breaks_on.iter().copied()).collect();
    faults.retain(|fault| fault.applies_to(version));
    faults.sort_by_key(|fault| fault.name);
    faults.dedup_by_key(|fault| fault.name);
    faults
}
