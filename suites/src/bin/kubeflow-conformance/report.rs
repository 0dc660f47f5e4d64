//! `report`: the reports of runs that are over.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use harness::cli;
use harness::engine::EVENT_LOG;
use reports::files::{self, RESULTS};
use reports::model::Results;

use crate::impossible;

pub fn report(matches: &ArgMatches) -> u8 {
    match matches.subcommand() {
        Some(("render", matches)) => render(matches),
        Some(("schema", _)) => cli::answered(&reports::schema::text()),
        _ => harness::exit::USAGE,
    }
}

fn render(matches: &ArgMatches) -> u8 {
    let Some(path) = matches.get_one::<PathBuf>("path") else { return harness::exit::USAGE };
    let beside = if path.is_dir() { path.clone() } else { path.parent().unwrap_or(Path::new("")).to_owned() };
    let folder = matches.get_one::<PathBuf>("into").cloned().unwrap_or(beside);
    let results = match read(path) {
        Ok(results) => results,
        Err(reason) => return impossible(&reason),
    };
    match files::write_all(&results, &folder) {
        Ok(page) => cli::answered(&format!("{}\n", page.display())),
        Err(error) => impossible(&error.to_string()),
    }
}

/// The results of a run; of one that was killed, what its event log amounts to.
fn read(path: &Path) -> Result<Results, String> {
    let log = if path.is_dir() { path.join(EVENT_LOG) } else { path.to_owned() };
    let finished = path.is_dir() && path.join(RESULTS).exists();
    let is_log = !finished && log.extension().is_some_and(|extension| extension == "jsonl") && log.exists();
    if !is_log {
        return files::read(path).map_err(|error| error.to_string());
    }
    let bytes = fs::read(&log).map_err(|error| format!("cannot read {}: {error}", log.display()))?;
    reports::journal::fold(&bytes).map_err(|error| format!("{}: {error}", log.display()))
}
