//! A run in shards: each says that it is a part, all joined are the run.
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

fn shard(folder: &Path, index: &str, of: &str) -> (Option<i32>, String) {
    let shard = format!("{index}/2");
    let into = format!("reports/{index}");
    let output =
        program(folder, &["run", "--shard", &shard, "--shard-of", of, "--report-dir", &into, "isolation::ISO-0"]);
    (output.status.code(), text(&output.stdout))
}

fn ran(results: &Results) -> Vec<&str> {
    let ran = results.checks.iter().filter(|check| check.outcome != Outcome::Skipped(Skip::NotSelected));
    ran.map(|check| check.id.as_str()).collect()
}

#[test]
fn shards_are_joined_to_one_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let whole = program(folder.path(), &["run", "--report-dir", "reports/whole", "isolation::ISO-0"]);
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    for index in ["0", "1"] {
        let (code, shown) = shard(folder.path(), index, "job-7");
        assert_eq!(code, Some(0), "nothing speaks against the platform: {shown}");
        assert!(shown.contains(&format!("verdict  PARTIAL (simulated, shard {index}/2)")), "{shown}");
    }
    let paths = ["reports/0/latest", "reports/1/latest"];
    let joined = program(folder.path(), &["report", "merge", paths[0], paths[1], "--into", "joined"]);
    assert_eq!(joined.status.code(), Some(0), "{joined:?}");
    assert!(text(&joined.stdout).starts_with("verdict  CONFORMANT (simulated)"), "{joined:?}");

    let read = |path: &str| reports::files::read(&folder.path().join(path)).unwrap();
    let (whole, joined) = (read("reports/whole/latest"), read("joined"));
    assert_eq!(ran(&joined), ran(&whole));
    let of = |results: &Results, id: &str| results.checks.iter().find(|check| check.id == id).unwrap().matrices.clone();
    let (whole, joined) = (of(&whole, "ISO-040"), of(&joined, "ISO-040"));
    let [whole, joined] = [&whole[0], &joined[0]];
    assert_eq!((joined.who.len(), joined.places.len()), (3, 3), "{joined:?}");
    let own = |matrix: &reports::matrix::Matrix| {
        let symbols = matrix.layers.iter().flat_map(|layer| &layer.rows).flat_map(|row| row.chars());
        symbols.filter(|symbol| *symbol == '+').count()
    };
    assert_eq!(own(joined), own(whole));

    let (_, shown) = shard(folder.path(), "1", "job-8");
    assert!(shown.contains("shard 1/2"), "{shown}");
    for (paths, words) in [
        (&paths[..1], &["of 2 shards these are missing: 1"][..]),
        (&["reports/0/latest", "reports/0/latest"], &["shard 0/2 is there twice"]),
        (&["reports/0/latest", "reports/1/latest"], &["does not belong to", "the run", "job-8"]),
        (&["reports/whole/latest"], &["is a whole run"]),
    ] {
        let refused = program(folder.path(), &[&["report", "merge"], paths, &["--into", "refused"]].concat());
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        for word in words {
            assert!(text(&refused.stderr).contains(word), "{word}: {refused:?}");
        }
        assert!(!folder.path().join("refused").exists());
    }
}

#[test]
fn what_is_no_shard_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, word) in [
        (&["--shard", "2/2", "--shard-of", "x"][..], "counted from 0"),
        (&["--shard", "0/0", "--shard-of", "x"], "1 to 1000 parts"),
        (&["--shard", "1", "--shard-of", "x"], "0/4, 1/4"),
        (&["--shard=-1/2", "--shard-of", "x"], "--shard"),
        (&["--shard", "0/2"], "--shard-of"),
        (&["--shard-of", "x"], "--shard"),
        (&["--shard", "0/2", "--shard-of", "a b"], "63 letters"),
    ] {
        let refused = program(folder.path(), &[&["run", "--list"], arguments].concat());
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {refused:?}");
        assert!(text(&refused.stderr).contains(word), "{word}: {refused:?}");
    }
}

/// What the Job of `ci/shards.yaml` says is what the program understands.
#[test]
fn the_jobs_are_in_step() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/shards.yaml");
    let objects: Vec<serde_json::Value> = serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap()).unwrap();
    let job = |name: &str| objects.iter().find(|object| object["metadata"]["name"] == name).unwrap();
    let arguments = |job: &serde_json::Value| -> Vec<String> {
        let arguments = job["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
        arguments.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let shards = job("conformance-shards");
    let count = shards["spec"]["completions"].as_u64().unwrap();
    assert_eq!(
        (&shards["spec"]["completionMode"], shards["spec"]["parallelism"].as_u64()),
        (&"Indexed".into(), Some(count))
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users"), "alice@example.com secret\n").unwrap();
    let last = (count - 1).to_string();
    let told: Vec<String> = arguments(shards)
        .iter()
        .map(|one| one.replace("$(JOB_COMPLETION_INDEX)", &last).replace("$(JOB)", "uid").replace("/users/", ""))
        .collect();
    assert!(told.iter().any(|one| *one == format!("--shard={last}/{count}")), "{told:?}");
    let told: Vec<&str> = told.iter().map(String::as_str).chain(["--list"]).collect();
    let listed = program(folder.path(), &told);
    assert_eq!(listed.status.code(), Some(0), "{listed:?}");

    let merged = arguments(job("conformance-verdict"));
    let folders: Vec<String> = (0..count).map(|index| format!("/reports/{index}/latest")).collect();
    assert_eq!(merged[..2], ["report", "merge"]);
    assert_eq!(merged[2..2 + folders.len()], folders);
}
