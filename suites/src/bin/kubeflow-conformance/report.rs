//! `report`: the reports of runs that are over.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use harness::cli;
use harness::engine::EVENT_LOG;
use reports::comparison::Comparison;
use reports::files::{self, RESULTS};
use reports::model::Results;
use reports::terminal;

use crate::{impossible, wrong};

pub fn report(matches: &ArgMatches) -> u8 {
    match matches.subcommand() {
        Some(("render", matches)) => render(matches),
        Some(("merge", matches)) => merge(matches),
        Some(("compare", matches)) => compare(matches),
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

fn merge(matches: &ArgMatches) -> u8 {
    let Some(folder) = matches.get_one::<PathBuf>("into") else { return harness::exit::USAGE };
    let mut shards = Vec::new();
    for path in matches.get_many::<PathBuf>("paths").into_iter().flatten() {
        match read(path) {
            Ok(results) => shards.push((path.display().to_string(), results)),
            Err(reason) => return impossible(&reason),
        }
    }
    let whole = match reports::merge::merge(&shards) {
        Ok(whole) => whole,
        Err(error) => return wrong(&error.to_string()),
    };
    let page = match files::write_all(&whole, folder) {
        Ok(page) => page,
        Err(error) => return impossible(&error.to_string()),
    };
    let shown = terminal::summary(&whole, terminal::Style::plain());
    match cli::answered(&format!("{shown}report   {}\n", page.display())) {
        0 => harness::exit::code(&whole),
        code => code,
    }
}

fn compare(matches: &ArgMatches) -> u8 {
    let side = |name: &str| matches.get_one::<PathBuf>(name).map(|path| read(path));
    let (before, after) = match (side("before"), side("after")) {
        (Some(Ok(before)), Some(Ok(after))) => (before, after),
        (Some(Err(reason)), _) | (_, Some(Err(reason))) => return impossible(&reason),
        _ => return harness::exit::USAGE,
    };
    let comparison = Comparison::of(&before, &after);
    let json = matches.get_one::<String>("format").is_some_and(|format| format == "json");
    let text =
        if json { serde_json::to_string_pretty(&comparison).map(|text| text + "\n") } else { Ok(comparison.text()) };
    match text.map(|text| cli::answered(&text)) {
        Ok(0) if comparison.is_worse() => harness::exit::NON_CONFORMANT,
        Ok(code) => code,
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
