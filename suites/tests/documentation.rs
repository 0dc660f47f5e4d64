//! The documentation says what the program does.
#![allow(clippy::unwrap_used, reason = "a test says what it expects")]

use std::path::{Path, PathBuf};

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

#[test]
fn every_option_stands_in_the_configuration_page() {
    const START: &str = "<!-- generated: UPDATE=1 cargo test -p suites --test documentation -->\n";
    const END: &str = "<!-- end -->\n";
    let command = harness::cli::with_run_options(clap::Command::new("run"), harness::cli::ABOUT);
    let wanted = harness::config::reference(&command);
    let page = std::fs::read_to_string(docs("configuration.md")).unwrap();
    let (head, rest) = page.split_once(START).unwrap();
    let (found, tail) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(docs("configuration.md"), format!("{head}{START}{wanted}{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(
        found, wanted,
        "docs/configuration.md is out of date; UPDATE=1 cargo test -p suites --test documentation"
    );
}

#[test]
fn the_exit_codes_of_the_pages_are_those_of_the_program() {
    use harness::exit::*;
    let codes = [CONFORMANT, NON_CONFORMANT, USAGE, ENVIRONMENT, NOTHING_SELECTED, PARTIAL, INCONCLUSIVE, INTERRUPTED];
    for page in ["configuration.md", "../README.md"] {
        let text = std::fs::read_to_string(docs(page)).unwrap();
        let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()?.parse::<u8>().ok());
        let mut found: Vec<u8> = rows.collect();
        found.sort_unstable();
        let mut wanted = codes.to_vec();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{page}");
    }
}
