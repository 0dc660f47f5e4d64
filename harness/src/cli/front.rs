//! libtest-mimic in front of the engine: each trial only waits for the result of its check, so the output has the
//! catalogue's order while the checks run in parallel.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use reports::model::{Check, Outcome};
use reports::phrases;

use crate::check;
use crate::engine::{Pending, Selection};

/// Why the front could not print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unprinted {
    /// Nobody reads any more.
    Reader,
    /// Something else, for example a full disk.
    Other(String),
}

/// Whether libtest-mimic's filters want a check.
pub(super) fn wanted(arguments: &Arguments, suite: &check::Suite, check: &check::Check) -> bool {
    let trial = Trial::test(suite.test_name(check), || Ok(()));
    !arguments.is_filtered_out(&trial) && !arguments.is_ignored(&trial)
}

/// Prints the names of the checks, in libtest's form.
pub(super) fn list(arguments: &Arguments, selection: &Selection) -> Result<(), Unprinted> {
    let trials = selection.chosen().map(|(suite, check)| Trial::test(suite.test_name(check), || Ok(())));
    print(arguments, trials.collect())
}

/// Prints the results as they come, in the catalogue's order. `filtered` are the names that the filters left out.
pub(super) fn show(arguments: &Arguments, pending: Vec<Pending>, filtered: Vec<String>) -> Result<(), Unprinted> {
    let left_out = filtered.into_iter().map(|name| Trial::test(name, || Ok(())));
    let trials = pending.into_iter().map(trial).chain(left_out).collect();
    // One thread: what a trial does is wait, and only so the order is kept.
    print(&Arguments { test_threads: Some(1), ..arguments.clone() }, trials)
}

fn trial(pending: Pending) -> Trial {
    let name = pending.suite.test_name(pending.check);
    Trial::ignorable_test(name, move || match pending.result.blocking_recv() {
        Ok(result) => completion(&result),
        Err(_) => Err(Failed::from("the engine ended before the check did")),
    })
}

fn completion(check: &Check) -> Result<Completion, Failed> {
    match &check.outcome {
        Outcome::Passed => Ok(Completion::Completed),
        Outcome::Skipped(skip) => Ok(Completion::ignored_with(phrases::skip(skip))),
        Outcome::Failed(failure) => {
            Err(Failed::from(format!("expected  {}\nactual    {}", line(&failure.expected), line(&failure.actual))))
        }
        Outcome::Errored(problem) => Err(Failed::from(format!("could not tell: {}", line(&problem.message)))),
    }
}

/// Text from a cluster must not speak to the terminal.
fn line(text: &str) -> String {
    phrases::one_line(text, 400)
}

thread_local! {
    static PRINTING: Cell<bool> = const { Cell::new(false) };
}

/// libtest-mimic panics when it cannot print.
fn print(arguments: &Arguments, trials: Vec<Trial>) -> Result<(), Unprinted> {
    quieten();
    PRINTING.set(true);
    let printed = catch_unwind(AssertUnwindSafe(|| _ = libtest_mimic::run(arguments, trials)));
    PRINTING.set(false);
    printed.map_err(|panic| {
        let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
        if said.contains("BrokenPipe") {
            return Unprinted::Reader;
        }
        let reason = said.split("message: \"").nth(1).and_then(|rest| rest.split('"').next());
        Unprinted::Other(reason.unwrap_or("the output takes nothing").to_owned())
    })
}

/// Keeps the panics of the printer, which are told in a sentence, off the terminal.
fn quieten() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !PRINTING.get() {
                before(info);
            }
        }));
    });
}
