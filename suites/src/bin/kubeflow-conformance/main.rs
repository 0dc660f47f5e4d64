//! The suite as a program: what `cargo test --test conformance` does, and what goes with it.

mod accept;
#[cfg(feature = "embedded")]
mod bench;
mod command;
mod install;
mod migrate;
mod report;
mod up;

use std::process::ExitCode;

use clap::ArgMatches;
use harness::cli;
use harness::config::Given;
use suites::SUITES;

fn main() -> ExitCode {
    let given = Given::by_the_process();
    let code = match cli::read(command::program(), &command::run(), &given) {
        Ok(matches) => act(&matches, &given),
        Err(error) => cli::refused(&error),
    };
    code.into()
}

fn act(matches: &ArgMatches, given: &Given) -> u8 {
    match matches.subcommand() {
        Some(("run", matches)) => cli::run_as_told(SUITES, matches, given),
        Some(("accept", matches)) => accept::accept(matches, given),
        Some(("up", matches)) => up::up(matches),
        Some(("install", matches)) => install::install(matches),
        Some(("migrate", matches)) => migrate::migrate(matches),
        #[cfg(feature = "embedded")]
        Some(("bench", matches)) => bench::bench(matches),
        Some(("explain", matches)) => explain(matches),
        Some(("catalogue", matches)) => catalogue(matches),
        Some(("report", matches)) => report::report(matches),
        Some(("completions", matches)) => completions(matches),
        _ => harness::exit::USAGE,
    }
}

fn explain(matches: &ArgMatches) -> u8 {
    let id = matches.get_one::<String>("id").map_or("", String::as_str);
    cli::explain(SUITES, id).map_or_else(|reason| wrong(&reason), |text| cli::answered(&text))
}

fn catalogue(matches: &ArgMatches) -> u8 {
    let format = matches.get_one::<String>("format").map_or("yaml", String::as_str);
    match format {
        "md" => cli::answered(&cli::catalogue_markdown(SUITES)),
        _ => cli::catalogue_yaml(SUITES).map_or_else(|reason| wrong(&reason), |text| cli::answered(&text)),
    }
}

fn completions(matches: &ArgMatches) -> u8 {
    let Some(shell) = matches.get_one::<clap_complete::Shell>("shell") else { return harness::exit::USAGE };
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut command::program(), command::NAME, &mut script);
    cli::answered(&String::from_utf8_lossy(&script))
}

/// What a cluster says, without anything that a terminal obeys.
fn plain(text: &str) -> String {
    text.lines().map(|line| reports::phrases::one_line(line, usize::MAX) + "\n").collect()
}

fn wrong(reason: &str) -> u8 {
    cli::complain(reason);
    harness::exit::USAGE
}

/// There is no platform, or a file cannot be read or written.
fn impossible(reason: &str) -> u8 {
    cli::complain(reason);
    harness::exit::ENVIRONMENT
}
