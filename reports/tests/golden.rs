//! Every rendering against a committed one. `UPDATE=1 cargo test -p reports` rewrites them; look at the difference.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use reports::model::{Level, Outcome, Results};

fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn same(path: &Path, now: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, now).unwrap();
    }
    let before = fs::read_to_string(path).unwrap_or_default();
    assert!(before == now, "{} differs; run UPDATE=1 cargo test -p reports and look at git diff", path.display());
}

fn renderings(name: &str, results: &Results) {
    let folder = tempfile::tempdir().unwrap();
    reports::files::write_all(results, folder.path()).unwrap();
    for file in ["results.json", "junit.xml", "summary.md", "report.html"] {
        let text = fs::read_to_string(folder.path().join(file)).unwrap();
        same(&committed(name).join(file), &text);
    }
    same(
        &committed(name).join("terminal.txt"),
        &reports::terminal::summary(results, reports::terminal::Style::plain()),
    );
    assert_eq!(&reports::files::read(folder.path()).unwrap(), results, "reading gives back what was written");
}

#[test]
fn a_failed_run() {
    renderings("failed", &support::failed());
}

#[test]
fn a_healthy_run() {
    renderings("healthy", &support::run(vec![support::check("GWY-001", Level::Must, Outcome::Passed)]));
}

#[test]
fn the_page_names_the_record_that_lies_beside_it() {
    use sha2::{Digest as _, Sha256};
    let folder = tempfile::tempdir().unwrap();
    let page = reports::files::write_all(&support::failed(), folder.path()).unwrap();
    let record = fs::read(folder.path().join("results.json")).unwrap();
    let digest = format!("{:x}", Sha256::digest(&record));
    assert!(fs::read_to_string(page).unwrap().contains(&digest));
}

#[test]
fn the_published_schema_is_in_step() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/results.schema.json");
    same(&path, &reports::schema::text());
}

#[test]
fn the_committed_records_fit_the_published_schema() {
    let schema: serde_json::Value = serde_json::from_str(&reports::schema::text()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for name in ["failed", "healthy"] {
        let record: serde_json::Value =
            serde_json::from_slice(&fs::read(committed(name).join("results.json")).unwrap()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&record).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
    let mut bad = serde_json::to_value(support::failed()).unwrap();
    bad["checks"][0]["outcome"]["status"] = "perhaps".into();
    assert!(!validator.is_valid(&bad), "the schema must refuse an unknown status");
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    reports::files::write_all(&support::failed(), folder.path()).unwrap();
    for file in fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}
