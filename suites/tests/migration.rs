//! A migration as a person makes it, command by command, against the program that plays a cluster in another process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects")]
#![cfg(feature = "embedded")]

#[path = "bad_input/program.rs"]
#[allow(dead_code, reason = "shared with the tests of bad input")]
mod program;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use program::{Program, Ran};
use reports::model::{Outcome, Skip, TargetMode};

/// A cluster with a standalone installation, in a process of its own.
struct Standalone {
    process: Child,
    kubeconfig: PathBuf,
    folder: tempfile::TempDir,
}

impl Standalone {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubeflow-conformance"));
        command.args(["up", "--as", "standalone", "--port=0", "--api-port=0", "--write-kubeconfig"]).arg(&kubeconfig);
        let variables = std::env::vars_os().map(|(name, _)| name);
        variables.filter(|name| name.to_string_lossy().starts_with("CONFORMANCE_")).for_each(|name| {
            command.env_remove(name);
        });
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().expect("it starts").unwrap();
        assert!(first.contains("SIMULATED"), "{first}");
        Self { process, kubeconfig, folder }
    }

    fn runs(&self, arguments: &[&str]) -> Ran {
        let mut program = Program::new(arguments);
        program.command.arg("--kubeconfig").arg(&self.kubeconfig).args(["--context", "embedded"]);
        program.ends()
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn ended(ran: Ran, code: i32, words: &[&str]) -> Ran {
    assert_eq!(ran.code, code, "{ran:#?}");
    for word in words {
        assert!(ran.stdout.contains(word), "{word:?} is wanted: {ran:#?}");
    }
    ran
}

#[test]
fn step_by_step() {
    let cluster = Standalone::new();
    let found = ended(
        cluster.runs(&["migrate", "preflight"]),
        101,
        &[
            "a standalone installation",
            "StatefulSet kubeflow/kfp-mysql",
            "clean-metrics-in-db",
            "run_details 6",
            ": 6 objects, 12288 bytes",
        ],
    );
    assert!(found.stderr.contains("nothing is changed"), "{found:#?}");
    let json = ended(cluster.runs(&["migrate", "preflight", "--format", "json"]), 101, &[]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["state"], &json["namespaces"][0]), (&"standalone".into(), &"kubeflow".into()));

    // An installation over it is refused, and so is whatever was not thought through.
    let manifests = cluster.path("some.yaml");
    std::fs::write(&manifests, "{apiVersion: v1, kind: Namespace, metadata: {name: a}}").unwrap();
    cluster.runs(&["install", "--manifests", &manifests]).refused(3, &["is not empty", "migrate preflight", "--over"]);
    ended(
        cluster.runs(&["install", "--manifests", &manifests, "--dry-run"]),
        0,
        &["create   Namespace a", "nothing was written"],
    );
    ended(cluster.runs(&["install", "--manifests", &manifests, "--check"]), 101, &["missing    Namespace a"]);

    let before = cluster.path("before.json");
    cluster.runs(&["migrate", "clean"]).refused(2, &["--plan", "--confirm NAME"]);
    cluster.runs(&["migrate", "clean", "--confirm", "prod", "--lose-data"]).refused(3, &["not this cluster's name"]);
    cluster.runs(&["migrate", "clean", "--confirm", "embedded"]).refused(3, &["there is data", "nothing was deleted"]);
    cluster
        .runs(&["migrate", "clean", "--confirm", "embedded", "--data-saved", &before])
        .refused(3, &["cannot read the snapshot"]);
    std::fs::write(&before, "{\"schema\": \"other\"}").unwrap();
    cluster.runs(&["migrate", "compare", &before]).refused(3, &["is no snapshot", "migrate snapshot"]);
    std::fs::remove_file(&before).unwrap();
    ended(cluster.runs(&["migrate", "snapshot", &before]), 0, &["runs", "sha256", "6  objects, 12288 bytes"]);
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&before).unwrap().permissions()) & 0o777,
        0o600
    );
    ended(cluster.runs(&["migrate", "compare", &before]), 0, &["6 kept, 0 changed, 0 gone, 0 new"]);
    ended(
        cluster.runs(&["migrate", "clean", "--plan"]),
        0,
        &["1. webhooks", "Namespace kubeflow", "nothing was deleted"],
    );

    let clean = ["migrate", "clean", "--confirm", "embedded", "--data-saved", &before, "--patience", "1"];
    let cleaned = ended(cluster.runs(&clean), 0, &["objects deleted"]);
    assert!(cleaned.stderr.contains("clean    namespaces"), "{cleaned:#?}");
    ended(cluster.runs(&["migrate", "preflight"]), 0, &["install the platform"]);
    ended(cluster.runs(&["migrate", "compare", &before]), 101, &["6 gone"]);
    ended(cluster.runs(&["install", "--manifests", &manifests]), 0, &[]);
    ended(cluster.runs(&["install", "--manifests", &manifests, "--check"]), 0, &["all of them as written"]);
}

#[test]
fn all_at_once() {
    let mut program = Program::new(&["accept", "--from", "standalone", "install::"]);
    let reports = program.reports();
    program.command.arg("--report-dir").arg(reports);
    let ran = program.ends();
    let results = ran.results();
    let steps: Vec<&str> =
        results.notes.iter().filter(|note| note.topic == "accept").map(|note| note.text.as_str()).collect();
    let named: Vec<&str> = steps.iter().filter_map(|text| text.split(": ").next()?.split(", ").nth(1)).collect();
    assert_eq!(named, ["cluster", "preflight", "snapshot", "clean", "install", "check", "compare"], "{steps:#?}");
    let told = |step: &str, words: &str| {
        let text = steps.iter().find(|text| text.contains(&format!(", {step}: "))).copied().unwrap_or_default();
        assert!(text.contains(words), "{words:?} is wanted: {text}");
    };
    told("snapshot", "6 runs");
    told("snapshot", "6 objects of 12288 bytes in bucket mlpipeline");
    told("compare", "runs: 0 kept, 6 gone, 0 new");
    told("compare", "bucket mlpipeline: 6 objects before, 0 after");
    assert_eq!(results.target.mode, TargetMode::Simulated);
    let judged: Vec<_> =
        results.checks.iter().filter(|check| check.outcome != Outcome::Skipped(Skip::NotSelected)).collect();
    let failed: Vec<_> =
        judged.iter().filter(|check| matches!(check.outcome, Outcome::Failed(_) | Outcome::Errored(_))).collect();
    assert!(judged.len() > 10 && failed.is_empty(), "{failed:#?}");
}

/// What the reports tell of the steps of an acceptance that ended before its checks.
fn ended_at(ran: &Ran) -> Vec<String> {
    let results = ran.results();
    assert!(results.checks.iter().all(|check| matches!(check.outcome, Outcome::Skipped(_))), "nothing was judged");
    assert_ne!(reports::verdict::judge(&results), reports::verdict::Verdict::Conformant);
    results.notes.into_iter().filter(|note| note.topic == "accept").map(|note| note.text).collect()
}

#[test]
fn an_installation_that_fails_ends_it_with_a_report_of_its_steps() {
    let mut program = Program::new(&["accept", "--cluster", "embedded", "install::"]);
    let bad = "{apiVersion: v1, kind: ConfigMap, metadata: {name: Not_A_Name, namespace: default}}";
    let manifests = program.file("part.yaml", bad);
    let reports = program.reports();
    program.command.arg("--manifests").arg(manifests).arg("--report-dir").arg(reports);
    let named = ["refuses 1 of 1 objects", "ConfigMap default/Not_A_Name"];
    let ran = program.ends().refused(3, &named).told(&named);
    let steps = ended_at(&ran);
    let [cluster, preflight, stopped] = steps.as_slice() else { panic!("{steps:#?}") };
    assert!(cluster.starts_with("step 1, cluster: embedded"), "{cluster}");
    assert!(preflight.starts_with("step 2, preflight: nothing of Kubeflow stands here"), "{preflight}");
    assert!(stopped.starts_with("step 3, stopped: ") && stopped.contains(named[1]), "{stopped}");
}

/// A cluster of the real kind, gone when this is.
struct Disposable(&'static str);

impl Drop for Disposable {
    fn drop(&mut self) {
        _ = Command::new("kind").args(["delete", "cluster", "--quiet", "--name", self.0]).status();
    }
}

/// Where no registry can be reached: it goes as far as that allows, names what lacks its image, and goes on when it is run again.
#[test]
#[ignore = "takes minutes on a real kind: ci/lab accept"]
fn on_a_real_cluster_it_goes_as_far_as_the_images_that_there_are_and_goes_on() {
    let image = std::env::var("CONFORMANCE_TEST_NODE_IMAGE").expect("CONFORMANCE_TEST_NODE_IMAGE names a node image");
    let folder = std::env::var_os("CONFORMANCE_TEST_MANIFESTS").expect("CONFORMANCE_TEST_MANIFESTS names a folder");
    let manifests = PathBuf::from(folder).join("example-v1.10.2.yaml.xz");
    // What is remembered of the cluster is below the home directory.
    let home = tempfile::tempdir().unwrap();
    let cluster = Disposable("conformance-test-accept");
    for again in [false, true] {
        let mut program = Program::new(&["accept", "--cluster", "kind", "--ignore-resources", "install::"]);
        let reports = program.reports();
        program.command.env("HOME", home.path()).env_remove("XDG_STATE_HOME");
        program.command.args(["--cluster-name", cluster.0, "--node-image", &image]);
        program.command.arg("--manifests").arg(&manifests).arg("--report-dir").arg(reports);
        let started = std::time::Instant::now();
        let ran = program.ends();
        eprintln!("ended after {:.1} s", started.elapsed().as_secs_f64());
        assert_eq!(ran.code, 3, "{ran:#?}");
        let lines = || ran.stderr.lines();
        let lacking = lines().filter(|line| line.contains(" ready: pod ") && line.contains("cannot be pulled ("));
        assert!(lacking.count() >= 10, "{ran:#?}");
        assert!(lines().any(|line| line.starts_with("error: ") && line.contains("Deployment auth/dex: pod dex-")));
        let account = lines().find(|line| line.contains(" objects in ")).expect("an account of the installation");
        assert_eq!(account.contains("nothing to change"), again, "{account}");
        let steps = ended_at(&ran);
        assert!(steps[0].ends_with(&format!("cluster: kind kind-{}", cluster.0)), "{steps:#?}");
        assert!(steps[1].contains("step 2, preflight: "), "{steps:#?}");
        assert!(steps[2].contains("step 3, stopped: ") && steps[2].contains("cannot be pulled ("), "{steps:#?}");
    }
    let name = cluster.0;
    drop(cluster);
    let nodes = Command::new("kind").args(["get", "nodes", "--name", name]).output().unwrap();
    assert!(nodes.status.success() && nodes.stdout.is_empty(), "{nodes:?}");
}

#[test]
fn what_cannot_be_accepted_is_said_first() {
    let refused = |arguments: &[&str], words: &[&str]| {
        Program::new(arguments).ends().refused(2, words);
    };
    refused(&["accept", "--cluster", "existing", "--context", "prod"], &["may be thrown away", "--cluster kind"]);
    refused(&["accept", "--cluster", "kind"], &["--manifests PATH"]);
    refused(&["accept", "--cluster", "kind", "--manifests", "x.yaml", "--from", "standalone"], &["--cluster embedded"]);
    refused(&["install", "--dry-run", "--manifests", "x.yaml"], &["--context NAME"]);
}
