//! Texts from a cluster cannot break out of any rendering, and a damaged record is refused with a sentence.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;

use proptest::prelude::*;
use reports::files::{ReadError, read};
use reports::model::Results;

#[test]
fn the_page_runs_nothing_that_came_from_the_cluster() {
    let page = reports::html::page(&support::hostile(), String::new());
    assert!(
        page.contains("&#60;script&#62;alert(1)") || page.contains("&lt;script&gt;alert(1)"),
        "the text is shown, escaped"
    );
    assert_eq!(page.matches("<script>").count(), 1, "only the page's own script");
    assert!(!page.contains("<img"), "no element out of a text");
    assert!(!page.contains("href=\"javascript:"), "no link out of a text");
}

#[test]
fn the_junit_file_stays_well_formed() {
    let xml = reports::junit::render(&support::hostile());
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    let cases: usize = report.test_suites.iter().map(|suite| suite.test_cases.len()).sum();
    assert_eq!(cases, 5, "the one that was not selected is left out");
}

#[test]
fn markdown_and_terminal_show_text_as_text() {
    let results = support::hostile();
    let markdown = reports::markdown::render(&results);
    assert!(
        !markdown.contains("<script")
            && !markdown.replace("\\]", "").contains("](javascript")
            && !markdown.contains("@all")
    );
    for rendering in [markdown, reports::terminal::summary(&results, reports::terminal::Style::plain())] {
        assert!(!rendering.contains('\u{1b}') && !rendering.contains('\u{0}') && !rendering.contains('\u{202e}'));
        assert!(rendering.lines().all(|line| line.chars().count() < 3_000));
    }
}

#[test]
fn a_record_that_cannot_be_read_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    assert!(read(folder.path()).unwrap_err().to_string().contains("target/conformance/latest"));
    let file = folder.path().join("results.json");
    fs::write(&file, "{\"schema\": \"kubeflow-conformance/results/v9\", \"x\": 1}").unwrap();
    assert!(matches!(read(folder.path()), Err(ReadError::Schema { found, .. }) if found.ends_with("v9")));
    let whole = serde_json::to_vec(&support::failed()).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(read(&file), Err(ReadError::Parse { .. })));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    fs::write(&blocked, "").unwrap();
    let error = reports::files::write_all(&support::failed(), &blocked).unwrap_err();
    assert!(error.to_string().contains("--report-dir"), "{error}");
}

fn with_texts(texts: &[String]) -> Results {
    let mut results = support::failed();
    for (check, text) in results.checks.iter_mut().zip(texts.iter().cycle()) {
        check.title.clone_from(text);
        check.explain.reproduce.clone_from(text);
    }
    results
}

proptest! {
    #[test]
    fn any_text_survives_the_record_and_breaks_no_rendering(texts in prop::collection::vec(".{0,60}", 1..6)) {
        let results = with_texts(&texts);
        let record = serde_json::to_string(&results).unwrap();
        prop_assert_eq!(serde_json::from_str::<Results>(&record).unwrap(), results.clone());
        prop_assert!(quick_junit::Report::deserialize_from_str(&reports::junit::render(&results)).is_ok());
        prop_assert_eq!(reports::html::page(&results, String::new()).matches("<script>").count(), 1);
    }
}
