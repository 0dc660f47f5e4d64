//! Options, variables and keys that nobody knows, and values that make no sense: exit code 2 and a suggestion.

use crate::program::{Program, Ran};

fn usage(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, 2, "{ran:#?}");
    assert!(ran.stderr.starts_with("error: "), "{ran:#?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?} is wanted: {ran:#?}");
    }
    assert!(ran.stdout.is_empty(), "{ran:#?}");
}

fn configured(toml: &str) -> Ran {
    let program = Program::new(&["run", "--list"]);
    program.file("conformance.toml", toml);
    program.ends()
}

fn with_variable(name: &str, value: &str) -> Ran {
    let mut program = Program::new(&["run", "--list"]);
    program.command.env(name, value);
    program.ends()
}

#[test]
fn unknown_options() {
    usage(&Program::new(&["run", "--kubflow", "1.9.1"]).ends(), &["--kubflow", "--kubeflow"]);
    usage(&Program::new(&["isntall"]).ends(), &["isntall", "install"]);
    usage(&Program::new(&["run", "--format", "junit"]).ends(), &["junit", "pretty"]);
}

#[test]
fn unknown_variables() {
    usage(
        &with_variable("CONFORMANCE_GATEWAY_ULR", "x"),
        &["CONFORMANCE_GATEWAY_ULR", "did you mean CONFORMANCE_GATEWAY_URL?"],
    );
    // What the tests of this project read.
    assert_eq!(with_variable("CONFORMANCE_TEST_MANIFESTS", "x").code, 0);
    assert_eq!(with_variable("CONFORMANCE_RECORDINGS", "x").code, 0);
}

#[test]
fn unknown_keys() {
    usage(&configured("kubeflw = \"1.9.1\""), &["conformance.toml", "kubeflw", "did you mean kubeflow?"]);
    usage(&configured("kubeflow = \"1.9.1\"\n[run]\njobs = 3"), &["conformance.toml", "run"]);
    let ran = configured("password = \"hunter2-in-the-file\"");
    usage(&ran, &["conformance.toml", "password-file"]);
    assert!(!ran.stderr.contains("hunter2"), "{ran:#?}");
    let ran = configured("user = \"a@example.com\"\npassword = hunter2-without-quotes");
    usage(&ran, &["conformance.toml", "line 2"]);
    assert!(!ran.stderr.contains("hunter2"), "{ran:#?}");
}

#[test]
fn values_that_make_no_sense() {
    usage(&configured("jobs = 0"), &["jobs", "conformance.toml"]);
    usage(&configured("read-only = \"perhaps\""), &["read-only", "true or false"]);
    usage(&configured("kubeflow = \"1.7\""), &["1.8.1, 1.9.1, 1.10.2", "conformance.toml"]);
    usage(&with_variable("CONFORMANCE_JOBS", "many"), &["many", "CONFORMANCE_JOBS"]);
    usage(&with_variable("CONFORMANCE_READ_ONLY", "perhaps"), &["perhaps"]);
    usage(&Program::new(&["run", "--gateway-url", "localhost:8080"]).ends(), &["http://localhost:8080"]);
    usage(&Program::new(&["run", "--gateway-url", "http://localhost/dex"]).ends(), &["no path"]);
    usage(&Program::new(&["run", "--profile", "cor"]).ends(), &["cor", "core"]);
    usage(&Program::new(&["run", "--cluster-name", "Prod"]).ends(), &["Prod", "small letters"]);
}

#[test]
fn options_that_contradict_one_another() {
    usage(
        &Program::new(&["run", "--cluster", "embedded", "--context", "prod"]).ends(),
        &["--context", "--cluster existing"],
    );
    let ran = Program::new(&["run", "--context", "prod", "--manifests", "a.yaml"]).ends();
    usage(&ran, &["--manifests", "kubeflow-conformance install"]);
    usage(&Program::new(&["run", "--plan", "--catalogue"]).ends(), &["--plan", "--catalogue"]);
    usage(&Program::new(&["run", "--cluster", "kind"]).ends(), &["an empty cluster", "--manifests PATH"]);
    let ran = Program::new(&["run", "--cluster", "kind", "--context", "prod", "--manifests", "a.yaml"]).ends();
    usage(&ran, &["--context", "--cluster existing"]);
    usage(&Program::new(&["run", "--node-image", "mine:v1"]).ends(), &["--node-image", "say --cluster kind"]);
}

#[test]
fn passwords() {
    usage(&Program::new(&["run", "--user", "a@example.com"]).ends(), &["a@example.com", "--password-file"]);
    usage(&Program::new(&["run", "--password-file", "nowhere"]).ends(), &["nowhere", "--password-file"]);
    let empty = Program::new(&["run", "--password-file", "empty"]);
    empty.file("empty", "\n");
    usage(&empty.ends(), &["is empty"]);
    let long = Program::new(&["run", "--password-file", "long"]);
    long.file("long", &"x".repeat(1 << 20));
    usage(&long.ends(), &["which is no password"]);
    usage(&Program::new(&["run", "--password", "x"]).ends(), &["--password-file"]);
}

#[test]
fn nothing_selected() {
    let ran = Program::run(&["no-such-check"]).ends();
    ran.refused(4, &["no check is selected", "--list"]);
}

#[test]
fn the_command_line_counts_most_and_the_file_least() {
    let mut program = Program::new(&["run", "--plan", "--kubeflow", "1.8.1"]);
    program.file("conformance.toml", "kubeflow = \"1.10.2\"");
    program.command.env("CONFORMANCE_KUBEFLOW", "1.9.1");
    assert!(program.ends().stdout.contains("Kubeflow 1.8.1"));
    let mut program = Program::new(&["run", "--plan"]);
    program.file("conformance.toml", "kubeflow = \"1.10.2\"");
    program.command.env("CONFORMANCE_KUBEFLOW", "1.9.1");
    assert!(program.ends().stdout.contains("Kubeflow 1.9.1"));
    let program = Program::new(&["run", "--plan"]);
    program.file("conformance.toml", "kubeflow = \"1.10.2\"");
    assert!(program.ends().stdout.contains("Kubeflow 1.10.2"));
}

#[test]
fn questions_about_what_is_not_there() {
    usage(&Program::new(&["explain", "GWY-999"]).ends(), &["GWY-999", "did you mean GWY-0"]);
    usage(&Program::new(&["install"]).ends(), &["--manifests"]);
    usage(&Program::new(&["install", "--cluster", "existing", "--manifests", "a.yaml"]).ends(), &["--context"]);
    Program::new(&["report", "render", "nowhere"]).ends().refused(3, &["nowhere", "target/conformance/latest"]);
}
