//! A kind cluster that cannot be made: the run ends with code 3, one sentence, and reports that tell why.

use std::os::unix::fs::PermissionsExt;

use crate::program::Program;

/// A run with a kind cluster, on a machine that has these programs alone.
fn run_with(programs: &[(&str, &str)]) -> Program {
    let mut program = Program::run(&["--cluster", "kind", "--manifests", "a.yaml"]);
    program.file("a.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n");
    let bin = program.folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for (name, script) in programs {
        let path = bin.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    program.command.env("PATH", bin).env_remove("KIND_EXPERIMENTAL_PROVIDER").env_remove("XDG_STATE_HOME");
    program
}

#[test]
fn no_kind_on_the_path() {
    let words = ["no program kind on the PATH", "--cluster existing"];
    let ran = run_with(&[]).ends().refused(3, &words).told(&words);
    let target = ran.results().target;
    assert_eq!((target.mode, target.provider.as_str()), (reports::model::TargetMode::Disposable, "kind"));
}

#[test]
fn no_docker() {
    let kind = ("kind", "echo kind v0.30.0 go1.24 linux/amd64");
    run_with(&[kind]).ends().refused(3, &["docker, podman or nerdctl", "install one"]);
    let down = ("docker", "echo 'Is the docker daemon running?' >&2; exit 1");
    run_with(&[kind, down]).ends().refused(3, &["docker does not answer", "daemon running?", "docker info"]);
}

#[test]
fn the_environment_and_the_file_count_too() {
    let mut program = run_with(&[]);
    program.command.env("CONFORMANCE_CLUSTER_NAME", "not a name");
    let ran = program.ends();
    assert!(ran.code == 2 && ran.stderr.contains("CONFORMANCE_CLUSTER_NAME"), "{ran:#?}");
    let program = run_with(&[]);
    program.file("conformance.toml", "cluster-name = \"from-the-file\"\nimage-archive = [\"a.tar\", \"b.tar\"]\n");
    let ran = program.ends().refused(3, &["no program kind"]);
    assert_eq!(ran.results().target.name, "from-the-file");
}
