//! Manifests that cannot be installed.

use crate::program::{Program, Ran};

const GOOD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: default}\n";

fn installed(name: &str, content: &[u8]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, content).unwrap();
    Program::run(&["--manifests", file.to_str().unwrap(), "install::INS-001"]).ends()
}

#[test]
fn missing() {
    let ran = Program::run(&["--manifests", "nowhere.yaml"]).ends();
    ran.refused(3, &["cannot read manifests from nowhere.yaml", "No such file", "--manifests"]).told(&["nowhere.yaml"]);
}

#[test]
fn a_folder_without_manifests() {
    Program::run(&["--manifests", "."])
        .ends()
        .refused(3, &["kustomization.yaml", "example-v1.9.1.yaml", "--manifests"]);
}

#[test]
fn truncated() {
    // The magic bytes of xz and of gzip, and nothing that follows from them.
    installed("a.yaml.xz", b"\xfd7zXZ\0\0\x04").refused(3, &["a.yaml.xz", "truncated"]);
    installed("a.yaml.gz", b"\x1f\x8b\x08\0\0\0\0\0").refused(3, &["a.yaml.gz", "truncated"]);
}

#[test]
fn cut_off_in_the_middle_of_a_document() {
    installed("a.yaml", format!("{GOOD}---\napiVersion: v1\nkind: Conf").as_bytes())
        .refused(3, &["a.yaml", "document 2"]);
}

#[test]
fn not_yaml() {
    installed("a.yaml", b"{ this is [ not yaml").refused(3, &["a.yaml"]);
    installed("a.yaml", b"\xff\xfe\x00binary").refused(3, &["a.yaml", "UTF-8"]);
}

#[test]
fn empty() {
    installed("a.yaml", b"# nothing\n").refused(3, &["a.yaml", "no Kubernetes object"]);
}

#[test]
fn a_bomb() {
    let mut bomb = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..30 {
        let before = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [before.as_str(); 9].join(", ")));
    }
    installed("a.yaml", format!("{GOOD}data:\n  x: |\n---\n{bomb}").as_bytes()).refused(3, &["a.yaml", "document 2"]);
}

#[test]
fn the_same_object_twice() {
    installed("a.yaml", format!("{GOOD}---\n{GOOD}").as_bytes())
        .refused(3, &["ConfigMap", "one", "twice", "remove one"]);
}

#[test]
fn a_kind_that_nobody_serves() {
    let unknown = "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: one}\n";
    installed("a.yaml", unknown.as_bytes()).refused(3, &["Gadget", "CustomResourceDefinition"]);
}
