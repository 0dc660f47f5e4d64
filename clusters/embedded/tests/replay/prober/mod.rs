//! The independent prober (`CONFORMANCE_PROBER` names its folder) against the recordings' listeners: it sends its cases
//! to this platform and compares with its recordings of the real parts. Unlike a replay it makes its tokens, waits for
//! expiries and speaks HTTP/2 itself, so it leaves nothing out.

mod listeners;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use embedded::Release;
use tokio::process::Command;

use crate::fidelity::{self, Found};
use crate::recordings;
use listeners::Listeners;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prober_finds_v1_9_1_as_recorded() {
    probe(Release::V1_9_1, &[("v1.9.1", "gateway-1.9.1")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prober_finds_v1_10_2_as_recorded() {
    probe(Release::V1_10_2, &[("v1.10.2", "gateway-1.10.2"), ("v1.10.2 by istiod 1.26.1", "gateway-1.10.2-istiod")])
        .await;
}

/// Runs the prober, and holds its comparison with each recording against the committed figures.
async fn probe(release: Release, recorded: &[(&str, &str)]) {
    let Some(prober) = std::env::var_os("CONFORMANCE_PROBER").map(PathBuf::from) else {
        eprintln!("SKIPPED prober: CONFORMANCE_PROBER does not name the folder of the prober");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (keys, target, run) =
        (folder.path().join("keys"), folder.path().join("target.toml"), folder.path().join("run.jsonl"));
    python(&prober, "make-keys", &[&keys]).await.unwrap();
    let running = Listeners::start(release, &keys).await.unwrap();
    std::fs::write(&target, running.description(&keys)).unwrap();
    let said = python(&prober, "probe", &[Path::new("--target"), &target, Path::new("--out"), &run]).await.unwrap();
    eprint!("prober: {said}");
    for (version, name) in recorded {
        let Some(recording) = recordings::file(name) else { continue };
        let report = python(&prober, "compare", &[&recording, &run]).await;
        // It fails when anything differs; what does is for the list to judge.
        let found = read(&report.unwrap_or_else(|report| report));
        fidelity::judge("gateway-prober", version, &found);
        assert!(found.alike * 100 >= (found.alike + found.different.len()) * 98, "fewer than 98 % alike");
    }
}

/// Runs one of the prober's programs; its output, as an error if it failed.
async fn python(prober: &Path, program: &str, arguments: &[&Path]) -> Result<String, String> {
    let mut command = Command::new("python3");
    command.arg("-B").arg(prober.join(program)).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(|error| format!("python3: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(text) } else { Err(text + &String::from_utf8_lossy(&output.stderr)) }
}

/// Reads the prober's report: a table that ends with a row `all`, then each difference as `case: field (DIFFERENT)` and
/// two lines, then `skipped:` with counts and reasons.
fn read(report: &str) -> Found {
    let mut found = Found::default();
    let all = report.lines().find(|line| line.starts_with("all ")).unwrap_or_else(|| panic!("no table in {report}"));
    let counts: Vec<usize> = all.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [same, _, failed, skipped] = counts[..] else { panic!("no counts in {all}") };
    found.alike = same;
    let mut case = None;
    let mut in_skipped = false;
    for line in report.lines() {
        if let Some(title) = line.strip_suffix(" (DIFFERENT)") {
            let (name, field) = title.rsplit_once(": ").unwrap();
            let lines = found.different.entry(name.to_owned()).or_default();
            lines.push(field.to_owned());
            case = Some(name.to_owned());
        } else if line == "skipped:" || line.is_empty() {
            in_skipped = !line.is_empty();
        } else if let Some((count, reason)) = line.trim().split_once(' ').filter(|_| in_skipped)
            && let Ok(count) = count.parse::<usize>()
        {
            *found.left_out.entry(reason.to_owned()).or_default() += count;
        } else if let Some(lines) = case.as_ref().and_then(|case| found.different.get_mut(case))
            && line.starts_with("  ")
        {
            lines.push(line.trim().to_owned());
        }
    }
    assert_eq!(found.different.len(), failed, "the report's differences are not all read");
    assert_eq!(found.left_out.values().sum::<usize>(), skipped, "the report's left-out cases are not all read");
    found
}

#[test]
fn a_report_is_read() {
    let report = "group  agree same allowed failed skipped\npath   50.0%  1 0 1 1\nall  50.0%  1  0  1  1\n\
        compared 2 of 3 cases\n\npath/a: b: status (DIFFERENT)\n  recorded  200\n  now       403\n\n\
        path/a: b: answer (DIFFERENT)\n  recorded  x\n  now       y\n\nskipped:\n     1 no listener\n\n\
        1 passed, 1 failed, 1 skipped\n";
    let found = read(report);
    assert_eq!(found.alike, 1);
    assert_eq!(
        found.different["path/a: b"],
        ["status", "recorded  200", "now       403", "answer", "recorded  x", "now       y"]
    );
    assert_eq!(found.left_out["no listener"], 1);
}
