//! Manifests that cannot be installed: one sentence each that says where and what next, before anything is written.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

use std::io::Write;

use clusters::manifests::{self, Source};

const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).expect("to memory");
    encoder.finish().expect("to memory")
}

/// What a person reads when a file holds these bytes.
async fn said(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("platform.yaml");
    std::fs::write(&path, bytes).expect("written");
    let error = manifests::load(&Source::Path(path)).await.expect_err("it cannot be installed").to_string();
    assert!(error.contains("platform.yaml"), "it names the file: {error}");
    assert!(error.chars().count() < 500 && !error.contains('\n'), "one bearable sentence: {error}");
    error
}

#[tokio::test]
async fn each_says_where_and_what_next() {
    let laughs = (1..10).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, level| {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text + &format!("a{level}: &a{level} [{aliases}]\n")
    });
    let packed = gzip(OBJECT.repeat(50).as_bytes());
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("empty", Vec::new(), &["holds no Kubernetes object", "kubectl kustomize"]),
        ("comments alone", b"# nothing\n---\n---\n".to_vec(), &["holds no Kubernetes object"]),
        ("truncated gzip", packed[..packed.len() / 2].to_vec(), &["cannot unpack", "fetch it again"]),
        ("a gzip head alone", vec![0x1f, 0x8b], &["cannot unpack", "fetch it again"]),
        ("damaged xz", b"\xfd7zXZ\x00rubbish".to_vec(), &["cannot unpack", "fetch it again"]),
        ("binary", vec![0x7f, b'E', b'L', b'F', 0, 0xff, 0xfe], &["is not UTF-8 text (line 1)", "give rendered YAML"]),
        ("UTF-16", b"\xff\xfea\x00:\x00".to_vec(), &["is not UTF-8 text"]),
        ("a web page", b"<html>\n<body>\n<a href='x'>: y</a>".to_vec(), &["document 1, line"]),
        (
            "a tab as indentation",
            format!("{OBJECT}---\nkind: A\n\tb: c\n").into_bytes(),
            &["document 2, line 6", "found a tab"],
        ),
        ("a bomb of aliases", laughs.into_bytes(), &["document 1", "not usable YAML"]),
        (
            "a bomb of depth",
            format!("a: {}", "[".repeat(100_000)).into_bytes(),
            &["document 1, line 1", "not usable YAML"],
        ),
        (
            "no kind",
            format!("{OBJECT}---\napiVersion: v1\nmetadata: {{name: b}}\n").into_bytes(),
            &["document 2, line 6", "kind is missing"],
        ),
        ("no name", b"apiVersion: v1\nkind: Secret\n".to_vec(), &["document 1, line 1", "metadata.name is missing"]),
        ("a value, no object", b"hello\n".to_vec(), &["document 1, line 1", "it is text"]),
        (
            "twice the same",
            format!("{OBJECT}---\n{OBJECT}").into_bytes(),
            &["ConfigMap a stands twice", "document 1, line 1", "document 2, line 6", "remove one"],
        ),
        ("a null byte", format!("{OBJECT}data: {{a: \"\u{0}\"}}\n").into_bytes(), &["document 1, line 5"]),
    ];
    for (name, bytes, words) in cases {
        let error = said(&bytes).await;
        for word in words {
            assert!(error.contains(word), "{name}: {error}\nshould contain\n{word}");
        }
    }
}

#[tokio::test]
async fn a_cut_release_is_never_taken_for_a_whole_one() {
    let whole = gzip((0..200).map(|n| format!("{OBJECT}{n}\n---\n")).collect::<String>().as_bytes());
    for cut in (10..whole.len() - 1).step_by(7) {
        assert!(said(&whole[..cut]).await.contains("cannot unpack"));
    }
}

#[tokio::test]
async fn what_is_no_file_is_said_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = manifests::load(&Source::Path(folder.path().join("no.yaml"))).await.expect_err("missing").to_string();
    assert!(missing.contains("no.yaml") && missing.contains("check the path"), "{missing}");
}

#[tokio::test]
async fn byte_order_marks_windows_lines_and_separators_are_no_obstacle() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("platform.yaml");
    for text in [
        format!("\u{feff}{OBJECT}"),
        OBJECT.replace('\n', "\r\n"),
        format!("---\n---\n{OBJECT}---\n"),
        format!("--- # first\n{OBJECT}...\n"),
        format!("%YAML 1.1\n---\n{OBJECT}"),
        format!("{OBJECT}---"),
    ] {
        std::fs::write(&path, &text).expect("written");
        let read = manifests::load(&Source::Path(path.clone())).await;
        assert_eq!(read.map(|manifests| manifests.objects.len()).map_err(|error| error.to_string()), Ok(1), "{text:?}");
    }
}
