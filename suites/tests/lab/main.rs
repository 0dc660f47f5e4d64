//! The suite against real Istio, Dex and oauth2-proxy on a real cluster: no false alarm while it is healthy, and every
//! fault that can be applied there is noticed, taken back, and the platform comes to rest.
//!
//! `CONFORMANCE_TEST_KUBECONFIG=FILE cargo test --test lab` needs a cluster that may be broken and says so itself:
//!
//! ```text
//! kubectl annotate namespace kube-system conformance.kubeflow.org/may-be-broken=true
//! ```
//!
//! Kubeflow's own applications may be stand-ins. `target/conformance/lab-faults.md` gets the table of what noticed what.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first surprise")]

mod mesh;
#[path = "../faults/notice.rs"]
mod notice;
mod platform;
mod prove;
mod selection;
#[path = "../faults/table.rs"]
mod table;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use platform::Platform;
use prove::Lab;
use table::Row;

/// Where the lab's kubeconfig is.
const KUBECONFIG: &str = "CONFORMANCE_TEST_KUBECONFIG";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // There is one platform, and only one thing can be wrong with it at a time.
    arguments.test_threads = Some(1);
    let Some(kubeconfig) = std::env::var_os(KUBECONFIG) else {
        println!("lab      skipped: {KUBECONFIG} names no kubeconfig of a cluster that may be broken");
        return ExitCode::SUCCESS;
    };
    let runtime = Arc::new(Runtime::new().unwrap());
    let interrupt = CancellationToken::new();
    runtime.block_on(async { harness::signals::watch(interrupt.clone()) }).unwrap();
    let platform = match runtime.block_on(Platform::connect(kubeconfig.into())) {
        Ok(platform) => platform,
        Err(reason) => {
            eprintln!("lab      {reason}");
            return ExitCode::FAILURE;
        }
    };
    let lab = Arc::new(Lab::new(platform, interrupt));
    let rows: Arc<Mutex<Vec<Row>>> = Arc::default();
    let version = lab.platform.version;
    let mut trials = vec![healthy("healthy::before", &runtime, &lab)];
    for fault in selection::faults(version) {
        let (runtime, lab, rows) = (Arc::clone(&runtime), Arc::clone(&lab), Arc::clone(&rows));
        let name = format!("{}::{}", fault.name, version.kubeflow);
        trials.push(Trial::ignorable_test(name, move || {
            if let Some(reason) = selection::not_here(fault.name) {
                return Ok(Completion::ignored_with(reason));
            }
            let Some(row) = runtime.block_on(lab.prove(fault)).map_err(Failed::from)? else {
                return Ok(Completion::ignored_with("what it breaks is not here"));
            };
            let verdict = row.verdict();
            rows.lock().unwrap().push(row);
            verdict.map(|()| Completion::Completed).map_err(Failed::from)
        }));
    }
    trials.push(healthy("healthy::after", &runtime, &lab));
    let conclusion = libtest_mimic::run(&arguments, trials);
    table::write("lab-faults", std::mem::take(&mut *rows.lock().unwrap()));
    conclusion.exit_code()
}

fn healthy(name: &str, runtime: &Arc<Runtime>, lab: &Arc<Lab>) -> Trial {
    let (runtime, lab) = (Arc::clone(runtime), Arc::clone(lab));
    Trial::test(name, move || runtime.block_on(lab.healthy()).map_err(Failed::from))
}
