//! `docs/fidelity.md` is made from the files of `docs/fidelity/`, and from `docs/lab.yaml` if it is there: a list of
//! [`Measured`] figures. `UPDATE=1` writes it anew.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::fidelity::{self, Agreement};
use crate::kubernetes_api;

/// A figure of the suite, on the embedded platform and on a real cluster with the laboratory's stack.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    /// What is measured: `wall time of the profile core`.
    figure: String,
    /// `s`, `MB`, `requests`.
    unit: String,
    /// On the embedded platform.
    embedded: Option<f64>,
    /// On the real cluster.
    lab: Option<f64>,
    /// How it was measured: a command, a machine.
    how: String,
}

const HEAD: &str = "# How alike the embedded platform and the real parts are

Real programs were asked and their answers recorded; the embedded platform is asked the same, and the answers compared:
status, kind of answer, redirects, cookies, security headers, fields, and which identity headers an application receives.
The tests that compare hold the figures below against what they find, so that they can neither rise unseen nor stay too
low, and every case that differs is listed with its reason. `docs/embedded.md` says in words what is not played.

Generated from `docs/fidelity/` and `docs/lab.yaml`: `UPDATE=1 cargo test --test replay page`.
";

#[test]
fn the_page_says_what_the_data_says() {
    let path = fidelity::folder().join("../fidelity.md");
    let wanted = page();
    if fidelity::updates() {
        std::fs::write(path, wanted).unwrap();
        return;
    }
    let found = std::fs::read_to_string(path).unwrap();
    assert_eq!(found, wanted, "docs/fidelity.md is out of date; UPDATE=1 cargo test --test replay page");
}

#[test]
fn the_data_is_consistent() {
    for (component, agreements) in components() {
        for one in agreements {
            let of = format!("{component} {}", one.version);
            assert_eq!(one.component, component, "{of}");
            assert!(one.alike <= one.cases, "{of}");
            let reasons =
                one.differences.iter().map(|one| &one.reason).chain(one.left_out.iter().map(|one| &one.reason));
            assert!(reasons.into_iter().all(|reason| reason.len() > 3), "{of}: a difference without a reason");
            assert!(one.differences.len() <= one.cases - one.alike, "{of}: more differences listed than there are");
            assert_eq!(one.differences.is_empty(), one.cases == one.alike, "{of}: a difference is not listed");
        }
    }
}

/// The components by name.
fn components() -> BTreeMap<String, Vec<Agreement>> {
    let files = std::fs::read_dir(fidelity::folder()).unwrap().map(|entry| entry.unwrap().path());
    let names = files.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    names
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .map(|name| (name.clone(), fidelity::read(&name)))
        .collect()
}

fn page() -> String {
    let mut components = components();
    components.entry("kubernetes-api".to_owned()).or_insert_with(|| vec![kubernetes_api::agreement()]);
    let mut page = HEAD.to_owned();
    page += "\n| component | version | compared with | cases | alike | share | not compared |\n|---|---|---|---:|---:|---:|---:|\n";
    for one in components.values().flatten() {
        let left_out: usize = one.left_out.iter().map(|left| left.cases).sum();
        page += &format!(
            "| {} | {} | {} | {} | {} | {} | {left_out} |\n",
            one.component,
            one.version,
            one.against,
            one.cases,
            one.alike,
            share(one)
        );
    }
    page += &lab();
    for one in components.values().flatten().filter(|one| !one.differences.is_empty() || !one.left_out.is_empty()) {
        page += &format!("\n## {} {}\n", one.component, one.version);
        page += &differences(one);
        page += &left_out(one);
    }
    page
}

/// The laboratory's figures, if they are there.
fn lab() -> String {
    let path = fidelity::folder().join("../lab.yaml");
    if !path.exists() {
        return String::new();
    }
    let measured: Vec<Measured> = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut text = "\n## Effort on a real cluster\n\n".to_owned();
    text += "| figure | unit | embedded | real cluster | measured by |\n|---|---|---:|---:|---|\n";
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| value.to_string());
    for one in measured {
        let (embedded, lab) = (number(one.embedded), number(one.lab));
        text += &format!("| {} | {} | {embedded} | {lab} | {} |\n", one.figure, one.unit, one.how);
    }
    text
}

/// Rounded down: 99.9 % is not all.
fn share(one: &Agreement) -> String {
    if one.cases == 0 {
        return "–".to_owned();
    }
    let thousandths = one.alike * 1000 / one.cases;
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

/// The differences, those with the same reason together.
fn differences(one: &Agreement) -> String {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for difference in &one.differences {
        by_reason.entry(&difference.reason).or_default().push(&difference.case);
    }
    let mut text = String::new();
    if !by_reason.is_empty() {
        text += "\nDifferences:\n\n";
    }
    for (reason, cases) in by_reason {
        text += &format!("- {reason}:\n");
        for case in cases {
            text += &format!("  - `{}`\n", case.replace('`', "'"));
        }
    }
    text
}

fn left_out(one: &Agreement) -> String {
    let mut text = String::new();
    if !one.left_out.is_empty() {
        text += "\nNot compared:\n\n";
    }
    for left in &one.left_out {
        let cases = if left.cases == 1 { "case" } else { "cases" };
        text += &format!("- {} {cases}: {}\n", left.cases, left.reason);
    }
    text
}
