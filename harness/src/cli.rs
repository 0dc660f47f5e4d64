//! The command line of the test binary and of `kubeflow-conformance`.

mod catalogue;
mod command;
mod console;
mod front;
mod images;
mod installation;
mod prepare;
mod questions;
mod report_folder;
mod run;
mod shard;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use clap::error::ErrorKind;
use clap::{ArgMatches, Command};

pub use catalogue::{markdown as catalogue_markdown, yaml as catalogue_yaml};
pub use command::{ABOUT, RunCommand, with_run_options};
pub use console::{complain, print, say};
pub use installation::manifests;
pub use prepare::{embedded, kind, release_or_default};
pub use questions::explain;

use crate::check::Suite;
use crate::config::{self, Cluster, ConfigError, Given};
use crate::engine::Selection;
use crate::engine::plan::Allowance;
use crate::exit;
use front::Unprinted;
pub use run::Ready;
use run::Run;

/// Runs suites as the command line asks; what the test binary's `main` returns.
pub fn main(suites: &'static [&'static Suite]) -> ExitCode {
    if std::env::var_os("NEXTEST").is_some() && !std::env::args().any(|argument| argument == "--list") {
        complain(
            "nextest starts a process a check and counts a skipped check as passed, so it gives no verdict; use: cargo test --test conformance",
        );
        return exit::USAGE.into();
    }
    go_where_the_person_is();
    let given = Given::by_the_process();
    let command = command::test_program();
    let code = match config::read(command.clone(), &command, &given) {
        Ok(matches) => run_as_told(suites, &matches, &given),
        Err(error) => refused(&error),
    };
    code.into()
}

/// cargo runs a test in its package's folder.
fn go_where_the_person_is() {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let Ok(current) = std::env::current_dir() else { return };
    let (package, shell) = (folder("CARGO_MANIFEST_DIR"), folder("PWD"));
    let wanted = config::working_folder(package.as_deref(), shell.as_deref(), &current);
    _ = std::env::set_current_dir(wanted);
}

/// A run, or the answer to a question, as the options of [`with_run_options`] say. Gives the exit code.
#[must_use]
pub fn run_as_told(suites: &'static [&'static Suite], matches: &ArgMatches, given: &Given) -> u8 {
    told(suites, matches, given, None)
}

/// The same on a platform that is there already, whatever the options say of clusters.
#[must_use]
pub fn run_on(suites: &'static [&'static Suite], matches: &ArgMatches, given: &Given, ready: Ready) -> u8 {
    told(suites, matches, given, Some(ready))
}

fn told(suites: &'static [&'static Suite], matches: &ArgMatches, given: &Given, ready: Option<Ready>) -> u8 {
    let command = match RunCommand::of(matches) {
        Ok(command) => command,
        Err(error) => return refused(&error.into()),
    };
    let RunCommand { options, tests } = command;
    let questions = &options.questions;
    if let Some(id) = &questions.explain {
        return explain(suites, id).map_or_else(|reason| wrong(&reason), |text| answered(&text));
    }
    if questions.catalogue {
        return catalogue_yaml(suites).map_or_else(|reason| wrong(&reason), |text| answered(&text));
    }
    if let Err(reason) = options.platform.consistent() {
        return wrong(&reason);
    }
    if let Some(path) = tests.logfile.as_deref()
        && let Err(error) = std::fs::File::create(Path::new(path))
    {
        complain(&format!("cannot write the log file {path}: {error}; name another with --logfile"));
        return exit::ENVIRONMENT;
    }
    let user = match config::user(&options.login, matches, given) {
        Ok(user) => user,
        Err(error) => return refused(&error),
    };
    let others = match config::others(&options.login) {
        Ok(others) => others,
        Err(error) => return refused(&error),
    };
    let experiment = match config::experiment(&options.run) {
        Ok(experiment) => experiment,
        Err(error) => return refused(&error),
    };
    let pipeline = match config::pipeline(&options.run) {
        Ok(pipeline) => pipeline,
        Err(error) => return refused(&error),
    };
    let asked = (questions.plan, tests.list);
    let run = Run { options, tests, user, others, experiment, pipeline, ready: Mutex::new(ready) };
    match asked {
        (true, _) => plan(&run, suites),
        (_, true) => list(&run, &run.selection(suites).0),
        _ => run.run(suites),
    }
}

fn plan(run: &Run, suites: &'static [&'static Suite]) -> u8 {
    let version = release_or_default(run.options.platform.installation.kubeflow);
    match version {
        Ok(version) => {
            let allowance = Allowance {
                contract: version.contract,
                changes: run.options.platform.cluster() != Cluster::Existing || run.options.run.may_restart.is_some(),
                read_only: run.options.run.read_only,
            };
            let selection = run.selection(suites).0;
            if run.options.questions.images {
                let runs = selection.chosen().filter(|(_, check)| allowance.skip_of(check).is_none());
                return answered(&images::listed(runs, &run.given()));
            }
            answered(&questions::plan(&selection, version, allowance))
        }
        Err(reason) => wrong(&reason),
    }
}

fn list(run: &Run, selection: &Selection) -> u8 {
    match front::list(&run.tests, selection) {
        Ok(()) | Err(Unprinted::Reader) => 0,
        Err(Unprinted::Other(reason)) => {
            complain(&format!("cannot write to standard output: {reason}"));
            exit::ENVIRONMENT
        }
    }
}

/// Prints the answer to a question; the exit code.
#[must_use]
pub fn answered(text: &str) -> u8 {
    match print(text) {
        Ok(()) => 0,
        Err(error) => {
            complain(&format!("cannot write to standard output: {error}"));
            exit::ENVIRONMENT
        }
    }
}

fn wrong(reason: &str) -> u8 {
    complain(reason);
    exit::USAGE
}

/// Says why a command line or configuration cannot be used, or gives the help that was asked for; the exit code.
#[must_use]
pub fn refused(error: &ConfigError) -> u8 {
    match error {
        ConfigError::CommandLine(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            answered(&error.render().to_string())
        }
        ConfigError::CommandLine(error) => {
            say(error.render().to_string().trim_end());
            exit::USAGE
        }
        ConfigError::Other(reason) => wrong(reason),
    }
}

/// A command line of our program, read as [`main`] reads that of the test binary. `runs` is the command that has the
/// options of a run.
///
/// # Errors
/// [`ConfigError`].
pub fn read(command: Command, runs: &Command, given: &Given) -> Result<ArgMatches, ConfigError> {
    config::read(command, runs, given)
}
