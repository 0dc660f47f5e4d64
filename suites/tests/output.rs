//! What the program prints and leaves behind when all is well.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects")]
#![cfg(feature = "embedded")]

use std::path::Path;
use std::process::{Command, Output};

use reports::model::{Outcome, Results, Skip};

fn program(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubeflow-conformance"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CONFORMANCE_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The names in the lines of libtest's output.
fn names(output: &str) -> Vec<String> {
    let lines = output.lines().filter_map(|line| line.strip_prefix("test ")?.split_whitespace().next());
    lines.filter(|name| name.contains("::")).map(str::to_owned).collect()
}

fn read(folder: &Path) -> Results {
    reports::files::read(&folder.join("reports/latest")).unwrap()
}

#[test]
fn results_are_printed_in_the_order_of_the_catalogue_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let output = program(folder.path(), &["run", "--report-dir", "reports", "gateway::"]);
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    let gateway = suites::SUITES.iter().find(|suite| suite.name == "gateway").unwrap();
    let wanted: Vec<String> = gateway.checks().map(|check| gateway.test_name(check)).collect();
    assert_eq!(names(&shown), wanted, "{shown}{said}");
    assert!(said.starts_with("target   embedded reference platform, Kubeflow 1.9.1, contract B: SIMULATED"), "{said}");
    assert!(said.contains("report   reports/latest/report.html"), "{said}");
    let verdict = shown.lines().find(|line| line.starts_with("verdict  ")).unwrap();
    assert!(verdict.contains("(simulated)"), "{verdict}");

    let latest = folder.path().join("reports/latest");
    for file in ["results.json", "report.html", "summary.md", "junit.xml", "events.jsonl"] {
        assert!(latest.join(file).is_file(), "{file}");
    }
    let results = read(folder.path());
    let mut others = results.checks.iter().filter(|check| check.suite != "gateway");
    assert!(others.all(|check| check.outcome == Outcome::Skipped(Skip::NotSelected)));
    assert_eq!(output.status.code(), Some(i32::from(harness::exit::code(&results))));
}

#[test]
fn a_killed_run_is_rendered_from_its_event_log() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), &["run", "--report-dir", "reports", "install::INS-001"]);
    let latest = folder.path().join("reports/latest");
    let whole = read(folder.path());
    // What a kill leaves: no reports, and a log whose last line may be cut off.
    for file in ["results.json", "report.html", "summary.md", "junit.xml"] {
        std::fs::remove_file(latest.join(file)).unwrap();
    }
    let log = std::fs::read_to_string(latest.join("events.jsonl")).unwrap();
    std::fs::write(latest.join("events.jsonl"), &log[..log.len() - 20]).unwrap();
    let output = program(folder.path(), &["report", "render", "reports/latest"]);
    assert_eq!(text(&output.stdout), "reports/latest/report.html\n", "{output:?}");
    let recovered = read(folder.path());
    assert!(recovered.run.recovered);
    assert_eq!(recovered.checks[0].outcome, whole.checks[0].outcome);

    let output = program(folder.path(), &["report", "render", "reports/latest", "--into", "again"]);
    assert!(output.status.success(), "{output:?}");
    assert!(folder.path().join("again/junit.xml").is_file());
}

#[test]
fn standard_output_is_for_the_program_that_asked() {
    let folder = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        program(folder.path(), &[&["run", "--report-dir", "reports", "install::INS-001"], more].concat())
    };
    let output = run(&["--format", "json"]);
    for line in text(&output.stdout).lines().filter(|line| !line.is_empty()) {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    assert!(text(&output.stderr).contains("verdict  "), "{output:?}");
    let output = run(&["--list"]);
    let listed = text(&output.stdout);
    assert!(output.stderr.is_empty() && listed.lines().all(|line| line.ends_with(": test")), "{output:?}");
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(!text(&run(&["--no-color"]).stdout).contains('\u{1b}'));
    assert!(text(&run(&["--color", "always"]).stdout).contains('\u{1b}'));
}

#[test]
fn questions_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let answer = |arguments: &[&str]| {
        let output = program(folder.path(), arguments);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        text(&output.stdout)
    };
    let explained = answer(&["explain", "gwy-001"]);
    for part in ["GWY-001", "What is checked", "Why it matters", "How to fix it", "How to see it by hand"] {
        assert!(explained.contains(part), "{part}: {explained}");
    }
    assert_eq!(explained, answer(&["run", "--explain", "GWY-001"]));
    assert_eq!(answer(&["catalogue"]), answer(&["run", "--catalogue"]));
    assert!(answer(&["catalogue", "--format", "md"]).contains("| GWY-001 | Must |"));
    assert!(answer(&["run", "--plan", "--read-only"]).contains("creates  nothing"));
    let schema: serde_json::Value = serde_json::from_str(&answer(&["report", "schema"])).unwrap();
    assert!(schema["$id"].is_string());
    for shell in ["bash", "zsh", "fish"] {
        assert!(answer(&["completions", shell]).contains("gateway-url"), "{shell}");
    }
    assert!(!folder.path().join("target").exists(), "a question leaves nothing behind");
}
